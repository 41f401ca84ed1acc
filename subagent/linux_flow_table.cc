// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_flow_table.h"

#include <netinet/in.h>

#include "subagent/linux_flow_codec.h"

namespace vmmig {

namespace {

bool isBeingOpened(const FlowRow& row) {
  return row.protocol == IPPROTO_SCTP && (row.sctpState == SctpState::closed || row.sctpState == SctpState::cookieWait);
}

}  // namespace

bool LinuxFlowTable::moves(const AnyRow& any) const {
  const auto& row = any.as<FlowRow>();
  // That of a directed broadcast is harmless, and ends soon.
  if (isToMany(row.remAddress) || isBeingOpened(row)) return false;
  return row.opener == TcpOpener::local || row.status.has(TcpConnStatus::seenReply);
}

LinuxFlowTable::Parse LinuxFlowTable::parser(const Vm& vm) {
  return [vm](const nlmsghdr* message) { return flowFromMessage(message, vm); };
}

Status LinuxFlowTable::checkRow(const Vm& vm, const FlowRow& row) const {
  if (row.uuid != vm.uuid)
    return failure(SnmpStatus::inconsistentName, "vmMigVmUuid of " + describe(vm, row) + " is another VM's");
  if (auto status = checkFlow(&row, vm.addresses); !status) return status;
  if (openerFor(vm, tuplesOf(row)) != row.opener)
    return failure(SnmpStatus::inconsistentValue,
                   "vmMigFlowOpener is remote, but the opener's address is the VM's own: the row of a VM that talks to itself is "
                   "that of the opening end");
  return checkKernelHolds(row);
}

void LinuxFlowTable::putNew(nlmsghdr* message, const FlowRow& row) { putFlow(message, row); }

void LinuxFlowTable::putChange(nlmsghdr* message, const FlowRow& before, const FlowRow& after) {
  putUpdate(message, before, after);
}

bool LinuxFlowTable::canChange(const FlowRow& before, const FlowRow& after) const { return canUpdate(before, after); }

}  // namespace vmmig

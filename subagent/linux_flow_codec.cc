// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_flow_codec.h"

#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include "subagent/linux_sysctl.h"

namespace vmmig {

namespace {

// SctpState counts as the kernel does, but from 1. An association in NONE has seen no packet that counts, and HEARTBEAT_ACKED of
// older kernels is one that is established.
SctpState stateFrom(std::uint8_t kernel) {
  if (kernel == SCTP_CONNTRACK_NONE) return SctpState::closed;
  if (kernel > SCTP_CONNTRACK_HEARTBEAT_SENT) return SctpState::established;
  return static_cast<SctpState>(kernel + 1);
}
std::uint8_t kernelState(SctpState state) { return static_cast<std::uint8_t>(static_cast<int>(state) - 1); }

void takeProtocolInfo(FlowRow& row, const nlattr* nest) {
  if (row.protocol != IPPROTO_SCTP) return;
  Attributes sctp{Attributes{nest}[CTA_PROTOINFO_SCTP]};
  bool isOpener = row.opener == TcpOpener::local;
  row.sctpState = stateFrom(sctp.u8(CTA_PROTOINFO_SCTP_STATE));
  row.localVtag = sctp.u32(isOpener ? CTA_PROTOINFO_SCTP_VTAG_ORIGINAL : CTA_PROTOINFO_SCTP_VTAG_REPLY);
  row.remVtag = sctp.u32(isOpener ? CTA_PROTOINFO_SCTP_VTAG_REPLY : CTA_PROTOINFO_SCTP_VTAG_ORIGINAL);
}

void putProtocolInfo(nlmsghdr* message, const FlowRow& row) {
  if (row.protocol != IPPROTO_SCTP) return;
  bool isOpener = row.opener == TcpOpener::local;
  Nest info{message, CTA_PROTOINFO};
  Nest sctp{message, CTA_PROTOINFO_SCTP};
  put8(message, CTA_PROTOINFO_SCTP_STATE, kernelState(row.sctpState));
  put32(message, CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, isOpener ? row.localVtag : row.remVtag);
  put32(message, CTA_PROTOINFO_SCTP_VTAG_REPLY, isOpener ? row.remVtag : row.localVtag);
}

void putTimeout(nlmsghdr* message, const FlowRow& row) {
  auto seconds = row.timeout;
  // Not told: what this device gives such a flow.
  if (seconds == 0)
    seconds = row.protocol == IPPROTO_SCTP ? sctpTimeout(kernelState(row.sctpState))
                                           : flowTimeout(row.protocol, row.status.has(TcpConnStatus::seenReply));
  put32(message, CTA_TIMEOUT, seconds);
}

/// The kernel changes no type of message, and no port where there is none.
Status checkTranslation(const FlowRow& row) {
  auto refuse = [](std::string text) { return failure(SnmpStatus::inconsistentValue, std::move(text)); };
  if (isIcmp(row.protocol) && row.natRemAddress.isSet() && row.natRemPort != row.remPort)
    return refuse("vmMigFlowNatRemPort must be vmMigFlowRemPort: ICMP's types and codes are not translated");
  if (!hasPorts(row.protocol) && !isIcmp(row.protocol) && (row.natLocalPort || row.natRemPort))
    return refuse("vmMigFlowNatLocalPort and vmMigFlowNatRemPort must be 0: protocol " + std::to_string(row.protocol) +
                  " has no ports");
  auto isSame = [](const InetAddress& nat, std::uint16_t natPort, const InetAddress& plain, std::uint16_t port) {
    return nat.isSet() && nat == plain && natPort == port;
  };
  if (isSame(row.natLocalAddress, row.natLocalPort, row.localAddress, row.localPort) ||
      isSame(row.natRemAddress, row.natRemPort, row.remAddress, row.remPort))
    return refuse("vmMigFlowNatLocalAddress or vmMigFlowNatRemAddress is the same end untranslated: leave it and its port unset");
  return {};
}

}  // namespace

Result<std::optional<FlowRow>> flowFromMessage(const nlmsghdr* message, const Vm& vm) {
  Attributes entry{message};
  auto wire = wireTuplesOf(entry);
  if (wire.protocol == IPPROTO_TCP) return std::nullopt;
  auto opener = openerFor(vm, wire.tuples);
  if (!opener) return std::nullopt;
  if (auto status = checkTellable(entry, wire, vm); !status) return failure(status.error());

  FlowRow row;
  row.uuid = vm.uuid;
  row.protocol = wire.protocol;
  setTuples(row, wire.ends(*opener), *opener);
  takeCommon(row, entry);
  takeProtocolInfo(row, entry[CTA_PROTOINFO]);
  return row;
}

void putFlow(nlmsghdr* message, const FlowRow& row) {
  putCommon(message, row);
  putTimeout(message, row);
  putProtocolInfo(message, row);
}

void putUpdate(nlmsghdr* message, const FlowRow& before, const FlowRow& after) {
  putCommonUpdate(message, before, after);
  putTimeout(message, after);
  if (before.sctpState != after.sctpState || before.localVtag != after.localVtag || before.remVtag != after.remVtag)
    putProtocolInfo(message, after);
}

bool canUpdate(const FlowRow& before, const FlowRow& after) {
  if (!canUpdateStatus(before, after)) return false;
  auto updated = before;
  updated.sctpState = after.sctpState;
  updated.localVtag = after.localVtag;
  updated.remVtag = after.remVtag;
  updated.status = after.status;
  updated.mark = after.mark;
  updated.labels = after.labels;
  return AnyRow{updated}.equals(AnyRow{after}, Carry::exact);
}

Status checkKernelHolds(const FlowRow& row) {
  if (auto status = checkTranslation(row); !status) return status;
  return checkCommon(row);
}

}  // namespace vmmig

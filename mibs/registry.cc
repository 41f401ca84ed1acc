// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/registry.h"

#include <algorithm>

#include "config.h"
#include "mibs/acl_table.h"
#include "mibs/check_table.h"
#include "mibs/counter_table.h"
#include "mibs/device_scalars.h"
#include "mibs/dhcp_binding_table.h"
#include "mibs/expect_table.h"
#include "mibs/flow_table.h"
#include "mibs/image_table.h"
#include "mibs/multicast_table.h"
#include "mibs/phase_table.h"
#include "mibs/policy_table.h"
#include "mibs/standard_tables.h"
#include "mibs/tcp_conn_table.h"
#include "mibs/transfer_table.h"
#include "mibs/vm_address_table.h"
#include "mibs/vm_table.h"

namespace vmmig::mib {

namespace {
constexpr auto allTables = std::to_array<const TableInfo*>({
    &TableOf<DeviceScalars>::info,   // 1
    &TableOf<VmRow>::info,           // 2
    &TableOf<VmAddressRow>::info,    // 3
    &TableOf<TcpConnRow>::info,      // 4
    &TableOf<FlowRow>::info,         // 5
    &TableOf<AclRow>::info,          // 6
    &TableOf<CounterRow>::info,      // 7
    &TableOf<DhcpBindingRow>::info,  // 8
    &TableOf<MulticastRow>::info,    // 9
    &TableOf<PolicyRow>::info,       // 10
    &TableOf<TransferRow>::info,     // 11
    &TableOf<ImageRow>::info,        // 12
    &TableOf<PhaseRow>::info,        // 13
    &TableOf<ExpectRow>::info,       // 14
    &TableOf<CheckRow>::info,        // 15
});

// A table ahead of the scalars whose group it is in: resolve() takes the first that fits.
constexpr auto allStandardTables = std::to_array<const TableInfo*>({
    &TableOf<SystemScalars>::info,
    &TableOf<IfRow>::info,
    &TableOf<IfXRow>::info,
    &TableOf<BasePortRow>::info,
    &TableOf<TpFdbRow>::info,
    &TableOf<QTpFdbRow>::info,
    &TableOf<LldpLocPortRow>::info,
    &TableOf<LldpLocalScalars>::info,
    &TableOf<LldpRemRow>::info,
});

// Columns of a table hang under its entry (RFC 2578 section 7.1.12), scalars under their group.
constexpr std::uint32_t entrySubid = 1;
}  // namespace

const Oid& root() {
  static const Oid oid = parseOid(VMMIG_MIB_ROOT).value();
  return oid;
}

const Oid& notifications() {
  static const Oid oid = root() + 0u;
  return oid;
}

const Oid& objects() {
  static const Oid oid = root() + 1u;
  return oid;
}

std::span<const NotificationInfo> allNotifications() {
  static const std::vector<std::string_view> transferObjects = {
      "vmMigTransferRole", "vmMigTransferEpoch", "vmMigTransferOperStatus", "vmMigTransferRows", "vmMigTransferError"};
  static const NotificationInfo all[] = {
      {Notification::phaseChanged,
       "vmMigPhaseChanged",
       &TableOf<PhaseRow>::info,
       {"vmMigPhase", "vmMigPhaseSequence", "vmMigPhaseVmName", "vmMigPhaseSourceHost", "vmMigPhaseDestinationHost",
        "vmMigPhaseMacAddresses", "vmMigPhaseHoldStatus", "vmMigPhaseHoldDeadline", "vmMigPhaseHoldPolicy", "vmMigPhaseError"}},
      {Notification::transferFinished, "vmMigTransferFinished", &TableOf<TransferRow>::info, transferObjects},
      {Notification::transferFailed, "vmMigTransferFailed", &TableOf<TransferRow>::info, transferObjects},
      {Notification::capacityExceeded,
       "vmMigCapacityExceeded",
       &TableOf<DeviceScalars>::info,
       {"vmMigMaxRows", "vmMigHealth", "vmMigHealthText"}},
  };
  return all;
}

std::span<const TableInfo* const> tables() { return allTables; }

std::span<const TableInfo* const> standardTables() { return allStandardTables; }

const TableInfo* table(std::uint32_t subid) {
  auto found = std::find_if(allTables.begin(), allTables.end(), [subid](auto* t) { return t->subid == subid; });
  return found == allTables.end() ? nullptr : *found;
}

const TableInfo* table(std::string_view name) {
  auto found = std::find_if(allTables.begin(), allTables.end(), [name](auto* t) { return t->name == name; });
  return found == allTables.end() ? nullptr : *found;
}

Oid oidOf(const TableInfo& table) {
  if (table.parent.empty()) return objects() + table.subid;
  return Oid{table.parent.begin(), table.parent.end()} + table.subid;
}

Oid oidOf(const TableInfo& table, const ColumnInfo& column, OidSpan index) {
  Oid oid = oidOf(table);
  if (!table.isScalars()) oid.push_back(entrySubid);
  oid.push_back(column.subid);
  return oid + index;
}

namespace {

/// `oid` begins with the table's.
Name resolveIn(const TableInfo& table, OidSpan oid) {
  Name name;
  name.table = &table;
  auto rest = behind(oid, oidOf(table));
  if (!table.isScalars()) {
    if (rest.empty() || rest[0] != entrySubid) return name;
    rest = rest.subspan(1);
  }
  if (rest.empty()) return name;
  name.column = table.column(rest[0]);
  name.instance = rest.subspan(1);
  return name;
}

}  // namespace

Name resolve(OidSpan oid) {
  if (startsWith(oid, objects())) {
    auto rest = behind(oid, objects());
    const auto* found = rest.empty() ? nullptr : table(rest[0]);
    return found ? resolveIn(*found, oid) : Name{};
  }
  for (const auto* each : allStandardTables)
    if (startsWith(oid, oidOf(*each))) return resolveIn(*each, oid);
  return {};
}

}  // namespace vmmig::mib

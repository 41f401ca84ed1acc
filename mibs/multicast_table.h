// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigMulticastTable: multicast memberships that a switch has learned at a VM's port by IGMP and MLD snooping
// (draft-gu-dc-management-problem-statement-00 section 4.5). On Linux: the bridge's MDB. As in MGMD-STD-MIB's cache tables
// (RFC 5519), a membership is known by its group and source.
#pragma once

#include "mibs/row.h"

namespace vmmig {

/// RFC 3376 and RFC 3810: of a row without a source: which sources the VM wants. A row with a source has include (wanted) or
/// exclude (not wanted).
enum class FilterMode : std::int32_t { include = 1, exclude = 2 };
template <>
struct Labels<FilterMode> {
  static constexpr Label labels[] = {{1, "include"}, {2, "exclude"}};
};

struct MulticastRow {
  Uuid uuid;
  Ranged<0, 4094> vlan;  // IEEE 802.1Q VLAN ID; 0: the switch has no VLANs
  InetAddress group;
  InetAddress source;  // unset: any

  Text<255> port;
  FilterMode filterMode = FilterMode::exclude;
  bool permanent = false;    // was configured, not learned
  std::uint32_t timeout = 0;  // seconds until it ends if no report comes; a switch that takes the row starts anew

  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array multicastColumns{
    indexColumn<&MulticastRow::uuid>(0, "vmMigVmUuid"),
    indexColumn<&MulticastRow::vlan>(1, "vmMigMulticastVlan"),
    addressTypeColumn<&MulticastRow::group>(2, "vmMigMulticastGroupType", Access::notAccessible, Carry::exact),
    addressColumn<&MulticastRow::group>(3, "vmMigMulticastGroup", Access::notAccessible, Carry::exact),
    addressTypeColumn<&MulticastRow::source>(4, "vmMigMulticastSourceType", Access::notAccessible, Carry::exact),
    addressColumn<&MulticastRow::source>(5, "vmMigMulticastSource", Access::notAccessible, Carry::exact),
    naming(Names::port, column<&MulticastRow::port>(6, "vmMigMulticastPort", Access::readCreate, Carry::exact, required)),
    column<&MulticastRow::filterMode>(7, "vmMigMulticastFilterMode", Access::readCreate, Carry::exact),
    column<&MulticastRow::permanent>(8, "vmMigMulticastPermanent", Access::readCreate, Carry::exact),
    column<&MulticastRow::timeout>(9, "vmMigMulticastTimeout", Access::readOnly, Carry::local),
    column<&MulticastRow::storageType>(10, "vmMigMulticastStorageType", Access::readCreate, Carry::local),
    column<&MulticastRow::rowStatus>(11, "vmMigMulticastRowStatus", Access::readCreate, Carry::local),
};

Status checkMulticast(const void* row, std::span<const InetAddress> addresses);

template <>
struct TableOf<MulticastRow> {
  static constexpr TableInfo info =
      describeTable<MulticastRow>(9, "vmMigMulticastTable", "vmMigMulticastEntry", multicastColumns, 6, true, checkMulticast);
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigDhcpBindingTable: what a switch has learned by DHCP snooping (draft-gu-dc-management-problem-statement-00 section 4.4): which
// address a VM may use, with which MAC, at which port, until its lease ends. CISCO-DHCP-SNOOPING-MIB has the INDEX {VLAN, MAC}; here
// the address is part of it, because a MAC can hold several leases, IPv4 and IPv6 among them.
#pragma once

#include "mibs/row.h"

namespace vmmig {

struct DhcpBindingRow {
  Uuid uuid;
  Ranged<0, 4094> vlan;  // IEEE 802.1Q VLAN ID; 0: the switch has no VLANs
  Octets<6, 6> macAddress{std::string(6, '\0')};
  InetAddress address;

  std::uint32_t leaseTime = forEver;  // seconds of the lease that remain
  Text<255> port;                     // where the client is attached; rows say the same of it on every switch

  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array dhcpBindingColumns{
    indexColumn<&DhcpBindingRow::uuid>(0, "vmMigVmUuid"),
    indexColumn<&DhcpBindingRow::vlan>(1, "vmMigDhcpBindingVlan"),
    indexColumn<&DhcpBindingRow::macAddress>(2, "vmMigDhcpBindingMac"),
    addressTypeColumn<&DhcpBindingRow::address>(3, "vmMigDhcpBindingAddressType", Access::notAccessible, Carry::exact),
    addressColumn<&DhcpBindingRow::address>(4, "vmMigDhcpBindingAddress", Access::notAccessible, Carry::exact),
    column<&DhcpBindingRow::leaseTime>(5, "vmMigDhcpBindingLeaseTime", Access::readCreate, Carry::clock),
    naming(Names::port, column<&DhcpBindingRow::port>(6, "vmMigDhcpBindingPort", Access::readCreate, Carry::exact, required)),
    column<&DhcpBindingRow::storageType>(7, "vmMigDhcpBindingStorageType", Access::readCreate, Carry::local),
    column<&DhcpBindingRow::rowStatus>(8, "vmMigDhcpBindingRowStatus", Access::readCreate, Carry::local),
};

Status checkDhcpBinding(const void* row, std::span<const InetAddress> addresses);

template <>
struct TableOf<DhcpBindingRow> {
  static constexpr TableInfo info = describeTable<DhcpBindingRow>(8, "vmMigDhcpBindingTable", "vmMigDhcpBindingEntry",
                                                                  dhcpBindingColumns, 5, true, checkDhcpBinding);
};

}  // namespace vmmig

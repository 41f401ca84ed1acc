// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigVmAddressTable: which addresses are the VM's, hence which state is.
#pragma once

#include "mibs/row.h"

namespace vmmig {

struct VmAddressRow {
  Uuid uuid;
  InetAddress address;
  Octets<0, 6, 6> macAddress;    // empty when unknown, else 6 octets
  Ranged<0, 4094> vlan;       // IEEE 802.1Q VLAN ID; 0 when untagged or unknown
  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array vmAddressColumns{
    indexColumn<&VmAddressRow::uuid>(0, "vmMigVmUuid"),
    addressTypeColumn<&VmAddressRow::address>(1, "vmMigVmAddressType", Access::notAccessible, Carry::exact),
    addressColumn<&VmAddressRow::address>(2, "vmMigVmAddress", Access::notAccessible, Carry::exact),
    column<&VmAddressRow::macAddress>(3, "vmMigVmAddressMac", Access::readCreate, Carry::local),
    column<&VmAddressRow::vlan>(4, "vmMigVmAddressVlan", Access::readCreate, Carry::local),
    column<&VmAddressRow::storageType>(5, "vmMigVmAddressStorageType", Access::readCreate, Carry::local),
    column<&VmAddressRow::rowStatus>(6, "vmMigVmAddressRowStatus", Access::readCreate, Carry::local),
};

template <>
struct TableOf<VmAddressRow> {
  static constexpr TableInfo info =
      describeTable<VmAddressRow>(3, "vmMigVmAddressTable", "vmMigVmAddressEntry", vmAddressColumns, 3, false);
};

}  // namespace vmmig

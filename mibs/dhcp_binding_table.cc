// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/dhcp_binding_table.h"

#include "mibs/row_check.h"

namespace vmmig {

namespace {
/// IEEE 802 section 8.2: the first octet's lowest bit tells groups from single stations.
bool isUnicastMac(std::string_view mac) {
  return (static_cast<unsigned char>(mac[0]) & 1) == 0 && mac.find_first_not_of('\0') != std::string_view::npos;
}
}  // namespace

/// Whose it is the back end knows: a VM's MAC can be leased addresses that vmMigVmAddressTable does not have.
Status checkDhcpBinding(const void* data, std::span<const InetAddress>) {
  const auto& row = *static_cast<const DhcpBindingRow*>(data);
  if (auto status = rowCheck::isSet("vmMigDhcpBindingAddress", row.address, SnmpStatus::inconsistentName); !status) return status;
  if (!isUnicastMac(row.macAddress.value))
    return failure(SnmpStatus::inconsistentName, "vmMigDhcpBindingMac is that of a group, or 0: it must be the VM's own");
  if (row.port.value.empty())
    return failure(SnmpStatus::inconsistentValue, "vmMigDhcpBindingPort is empty: say at which port the VM may use the address");
  return rowCheck::isVolatile("vmMigDhcpBindingStorageType", row.storageType);
}

}  // namespace vmmig

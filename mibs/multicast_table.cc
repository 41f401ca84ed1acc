// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/multicast_table.h"

#include "mibs/row_check.h"

namespace vmmig {

namespace {

bool isUnicast(const InetAddress& address) {
  bool isZero = std::all_of(address.octets.begin(), address.octets.end(), [](auto octet) { return octet == 0; });
  return !isToMany(address) && !isZero;
}

Status checkSource(const MulticastRow& row) {
  if (!row.source.isSet() && row.source.size == 0) return {};
  if (auto status = rowCheck::isSet("vmMigMulticastSource", row.source, SnmpStatus::inconsistentName); !status) return status;
  if (row.source.type != row.group.type)
    return failure(SnmpStatus::inconsistentName, "vmMigMulticastSourceType and vmMigMulticastGroupType differ");
  if (!isUnicast(row.source))
    return failure(SnmpStatus::inconsistentName, "vmMigMulticastSource " + toString(row.source) + " is no unicast address");
  return {};
}

}  // namespace

Status checkMulticast(const void* data, std::span<const InetAddress>) {
  const auto& row = *static_cast<const MulticastRow*>(data);
  if (auto status = rowCheck::isSet("vmMigMulticastGroup", row.group, SnmpStatus::inconsistentName); !status) return status;
  if (!isMulticast(row.group))
    return failure(SnmpStatus::inconsistentName, "vmMigMulticastGroup " + toString(row.group) + " is no multicast address");
  if (auto status = checkSource(row); !status) return status;
  if (row.port.value.empty())
    return failure(SnmpStatus::inconsistentValue, "vmMigMulticastPort is empty: say where the VM is attached");
  return rowCheck::isVolatile("vmMigMulticastStorageType", row.storageType);
}

}  // namespace vmmig

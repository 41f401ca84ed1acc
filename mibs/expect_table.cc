// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/expect_table.h"

#include "mibs/row_check.h"

namespace vmmig {

namespace {

Status checkTuple(std::string_view sourceName, const InetAddress& source, std::string_view destName, const InetAddress& dest,
                  SnmpStatus error) {
  if (auto status = rowCheck::isSet(sourceName, source, error); !status) return status;
  if (auto status = rowCheck::isSet(destName, dest, error); !status) return status;
  if (source.type == dest.type) return {};
  return failure(error, std::string{sourceName} + "Type and " + std::string{destName} + "Type differ");
}

}  // namespace

Status checkExpect(const void* data, std::span<const InetAddress> addresses) {
  const auto& row = *static_cast<const ExpectRow*>(data);
  if (auto status = checkTuple("vmMigExpectSourceAddress", row.sourceAddress, "vmMigExpectDestAddress", row.destAddress,
                               SnmpStatus::inconsistentName);
      !status)
    return status;
  if (auto status = checkTuple("vmMigExpectMasterSourceAddress", row.masterSourceAddress, "vmMigExpectMasterDestAddress",
                               row.masterDestAddress, SnmpStatus::inconsistentValue);
      !status)
    return status;
  if (auto status = rowCheck::isTranslation("vmMigExpectNatAddress", row.natAddress, row.natPort, row.destAddress.type); !status)
    return status;
  // Behind a translation neither connection needs to name the VM: only the device knows then whose they are.
  bool isTranslated = row.natAddress.isSet() || !row.function.value.empty();
  const auto ends = {row.sourceAddress, row.destAddress, row.masterSourceAddress, row.masterDestAddress};
  bool isVms = std::any_of(ends.begin(), ends.end(), [&](const auto& end) { return rowCheck::isOneOf(end, addresses); });
  if (!isTranslated && !isVms)
    return failure(SnmpStatus::inconsistentName,
                   "neither the expected connection, from " + toString(row.sourceAddress) + " to " + toString(row.destAddress) +
                       ", nor its master has an address of the VM: add it to vmMigVmAddressTable first");
  return rowCheck::isVolatile("vmMigExpectStorageType", row.storageType);
}

}  // namespace vmmig

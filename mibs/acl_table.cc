// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/acl_table.h"

#include "mibs/element_name.h"
#include "mibs/row_check.h"

namespace vmmig {

AclRow completed(AclRow row) {
  completeElement(row.entry.value, row.match.value, row.timeout, row.lifetime);
  return row;
}

Status checkAcl(const void* data, std::span<const InetAddress> addresses) {
  auto row = completed(*static_cast<const AclRow*>(data));
  if (auto status = checkElement("vmMigAcl", row.entry.value, row.match.value, addresses); !status) return status;
  if (row.action == AclAction::other && row.data.value.empty())
    return failure(SnmpStatus::inconsistentValue, "vmMigAclAction is other, so vmMigAclData must say what the list does");
  if (row.timeout > row.lifetime)
    return failure(SnmpStatus::inconsistentValue, "vmMigAclTimeout is longer than vmMigAclLifetime");
  return rowCheck::isVolatile("vmMigAclStorageType", row.storageType);
}

}  // namespace vmmig

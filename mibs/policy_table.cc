// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/policy_table.h"

#include "mibs/row_check.h"

namespace vmmig {

Status checkComplete(std::span<const PolicyRow> pieces) {
  if (pieces.empty()) return {};
  const auto& first = pieces.front();
  auto refused = [&first](const std::string& why) {
    return failure(SnmpStatus::inconsistentValue, "policy " + first.name.value + " is not complete: " + why);
  };
  for (const auto& piece : pieces)
    if (piece.kind != first.kind || piece.pieces != first.pieces)
      return refused("its pieces differ in vmMigPolicyKind or vmMigPolicyPieces");
  if (pieces.size() != first.pieces)
    return refused("it has " + std::to_string(pieces.size()) + " of " + std::to_string(first.pieces) + " pieces");
  return {};
}

Status checkPolicy(const void* data, std::span<const InetAddress>) {
  const auto& row = *static_cast<const PolicyRow*>(data);
  if (row.piece > row.pieces)
    return failure(SnmpStatus::inconsistentName, "vmMigPolicyPiece is " + std::to_string(row.piece) +
                                                     ", but vmMigPolicyPieces only " + std::to_string(row.pieces));
  return rowCheck::isVolatile("vmMigPolicyStorageType", row.storageType);
}

}  // namespace vmmig

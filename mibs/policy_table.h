// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigPolicyTable: the static policies of a VM (draft-gu-dc-management-problem-statement-00 section 3.1), in the device's own
// language. One policy is one unit: its text stands in pieces, because a GETBULK of long values fits no PDU, and becomes active
// when all of them are there.
#pragma once

#include "mibs/row.h"

namespace vmmig {

enum class PolicyKind : std::int32_t {
  acl = 1,  // Linux: the rules of a chain of its own, a line each, as nft lists them
  qos = 2,  // Linux: the qdiscs, classes and filters of the VM's port, a line each, in the words of tc
};
template <>
struct Labels<PolicyKind> {
  static constexpr Label labels[] = {{1, "acl"}, {2, "qos"}};
};

struct PolicyRow {
  Uuid uuid;
  Text<64, 1> name;  // the same on every device; on Linux the chain's, or that of the configuration's line
  Ranged<1, 1024> piece;

  PolicyKind kind = PolicyKind::acl;
  std::uint32_t order = 1;  // of the policy among those of the VM on this device: lower ones first
  Ranged<1, 1024> pieces;   // that the policy has
  Text<512> text;           // this piece of it

  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array policyColumns{
    indexColumn<&PolicyRow::uuid>(0, "vmMigVmUuid"),
    naming(Names::policy, indexColumn<&PolicyRow::name>(1, "vmMigPolicyName")),
    indexColumn<&PolicyRow::piece>(2, "vmMigPolicyPiece"),
    column<&PolicyRow::kind>(3, "vmMigPolicyKind", Access::readCreate, Carry::exact, required),
    column<&PolicyRow::order>(4, "vmMigPolicyOrder", Access::readOnly, Carry::local),
    column<&PolicyRow::pieces>(5, "vmMigPolicyPieces", Access::readCreate, Carry::exact),
    naming(Names::ruleText, column<&PolicyRow::text>(6, "vmMigPolicyText", Access::readCreate, Carry::exact)),
    column<&PolicyRow::storageType>(7, "vmMigPolicyStorageType", Access::readCreate, Carry::local),
    column<&PolicyRow::rowStatus>(8, "vmMigPolicyRowStatus", Access::readCreate, Carry::local),
};

/// Are these all pieces of one policy, and do they agree about it? In any order, each once.
Status checkComplete(std::span<const PolicyRow> pieces);

Status checkPolicy(const void* row, std::span<const InetAddress> addresses);

template <>
struct TableOf<PolicyRow> {
  static constexpr TableInfo info =
      describeTable<PolicyRow>(10, "vmMigPolicyTable", "vmMigPolicyEntry", policyColumns, 3, true, checkPolicy);
};

}  // namespace vmmig

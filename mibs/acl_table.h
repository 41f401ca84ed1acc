// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigAclTable: dynamic ACL entries (draft-gu-dc-management-problem-statement-00 section 4.3): what a device permits or denies
// because a VM has authenticated, for a time. On Linux: elements of nftables sets and maps that the operator has named.
#pragma once

#include "mibs/row.h"

namespace vmmig {

enum class AclAction : std::int32_t { permit = 1, deny = 2, other = 3 };
template <>
struct Labels<AclAction> {
  static constexpr Label labels[] = {{1, "permit"}, {2, "deny"}, {3, "other"}};
};

struct AclRow {
  Uuid uuid;
  Text<32, 1> list;   // the same on every device; its configuration says which set or map it is
  Text<64, 1> entry;  // `match` where it is short enough, else '#' and 40 hex digits of its SHA-256

  Text<255> match;  // what is matched, in nft's notation: "10.1.0.5", "10.1.0.5 . 443"; empty when written: as the index says
  AclAction action = AclAction::permit;  // what the list does with it; other: `data` says
  Text<64> data;                         // a map's value: "accept", "0x00000005"; empty for a set
  std::uint32_t timeout = forEver;       // seconds of life that remain
  std::uint32_t lifetime = forEver;      // seconds of life that a refresh gives
  Text<128> identity;                    // who authenticated: nft's comment
  std::uint64_t packets = 0;             // hits
  std::uint64_t octets = 0;

  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array aclColumns{
    indexColumn<&AclRow::uuid>(0, "vmMigVmUuid"),
    naming(Names::list, indexColumn<&AclRow::list>(1, "vmMigAclList")),
    indexColumn<&AclRow::entry>(2, "vmMigAclEntryName"),
    column<&AclRow::match>(3, "vmMigAclMatch", Access::readCreate, Carry::exact),
    column<&AclRow::action>(4, "vmMigAclAction", Access::readCreate, Carry::exact),
    column<&AclRow::data>(5, "vmMigAclData", Access::readCreate, Carry::exact),
    column<&AclRow::timeout>(6, "vmMigAclTimeout", Access::readCreate, Carry::clock),
    column<&AclRow::lifetime>(7, "vmMigAclLifetime", Access::readCreate, Carry::exact),
    column<&AclRow::identity>(8, "vmMigAclIdentity", Access::readCreate, Carry::exact),
    lowColumn<&AclRow::packets>(9, "vmMigAclPackets", Access::readCreate, Carry::exact),
    highColumn<&AclRow::packets>(10, "vmMigAclPacketsHigh", Access::readCreate, Carry::exact),
    lowColumn<&AclRow::octets>(11, "vmMigAclOctets", Access::readCreate, Carry::exact),
    highColumn<&AclRow::octets>(12, "vmMigAclOctetsHigh", Access::readCreate, Carry::exact),
    column<&AclRow::storageType>(13, "vmMigAclStorageType", Access::readCreate, Carry::local),
    column<&AclRow::rowStatus>(14, "vmMigAclRowStatus", Access::readCreate, Carry::local),
};

/// What a row means that leaves things out: an empty match is the entry's name, and of timeout and lifetime the one that has an end
/// stands for both.
AclRow completed(AclRow row);
Status checkAcl(const void* row, std::span<const InetAddress> addresses);

template <>
struct TableOf<AclRow> {
  static constexpr TableInfo info =
      describeTable<AclRow>(6, "vmMigAclTable", "vmMigAclEntry", aclColumns, 3, true, checkAcl);
};

}  // namespace vmmig

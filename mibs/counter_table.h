// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigCounterTable: cumulated data (draft-gu-dc-management-problem-statement-00 section 4.2): what a device has counted of a VM,
// and the thresholds that it holds it to. A counter of single things (half-open connections, elements) has a row for each, its
// members, besides its own.
#pragma once

#include "mibs/row.h"

namespace vmmig {

enum class CounterKind : std::int32_t {
  halfOpen = 1,  // TCP connections that are not established yet: a set of limited size
  counter = 2,   // packets and octets
  quota = 3,     // octets that may pass: `threshold`, of which `octets` are used
  element = 4,   // packets and octets of each address, port... of the VM
};
template <>
struct Labels<CounterKind> {
  static constexpr Label labels[] = {{1, "halfOpen"}, {2, "counter"}, {3, "quota"}, {4, "element"}};
};

struct CounterRow {
  Uuid uuid;
  Text<32, 1> name;  // the same on every device; its configuration says what it is there
  Text<64> member;   // empty: the counter itself; else one of what it counts, as vmMigAclEntryName

  CounterKind kind = CounterKind::counter;
  // Of a member: "10.1.0.5 . 40000 . 192.0.2.9 . 80", in nft's notation; empty when written: as the index says.
  // Of halfOpen itself: the types of these components; of quota: "over" or "until".
  Text<255> match;
  std::uint64_t packets = 0;
  std::uint64_t octets = 0;
  std::uint64_t threshold = 0;       // halfOpen: connections, quota: octets; else 0
  std::uint32_t members = 0;         // how many it counts now
  std::uint32_t timeout = forEver;   // of a member: seconds of life that remain
  std::uint32_t lifetime = forEver;  // of halfOpen itself: what a new member is given

  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;

  /// The counter itself, not one of its members.
  bool isHead() const { return member.value.empty(); }
};

inline constexpr std::array counterColumns{
    indexColumn<&CounterRow::uuid>(0, "vmMigVmUuid"),
    naming(Names::counter, indexColumn<&CounterRow::name>(1, "vmMigCounterName")),
    indexColumn<&CounterRow::member>(2, "vmMigCounterMember"),
    column<&CounterRow::kind>(3, "vmMigCounterKind", Access::readCreate, Carry::exact, required),
    column<&CounterRow::match>(4, "vmMigCounterMatch", Access::readCreate, Carry::exact),
    lowColumn<&CounterRow::packets>(5, "vmMigCounterPackets", Access::readCreate, Carry::exact),
    highColumn<&CounterRow::packets>(6, "vmMigCounterPacketsHigh", Access::readCreate, Carry::exact),
    lowColumn<&CounterRow::octets>(7, "vmMigCounterOctets", Access::readCreate, Carry::exact),
    highColumn<&CounterRow::octets>(8, "vmMigCounterOctetsHigh", Access::readCreate, Carry::exact),
    lowColumn<&CounterRow::threshold>(9, "vmMigCounterThreshold", Access::readCreate, Carry::exact),
    highColumn<&CounterRow::threshold>(10, "vmMigCounterThresholdHigh", Access::readCreate, Carry::exact),
    column<&CounterRow::members>(11, "vmMigCounterMembers", Access::readOnly, Carry::local),
    column<&CounterRow::timeout>(12, "vmMigCounterTimeout", Access::readCreate, Carry::clock),
    column<&CounterRow::lifetime>(13, "vmMigCounterLifetime", Access::readCreate, Carry::exact),
    column<&CounterRow::storageType>(14, "vmMigCounterStorageType", Access::readCreate, Carry::local),
    column<&CounterRow::rowStatus>(15, "vmMigCounterRowStatus", Access::readCreate, Carry::local),
};

/// As that of an AclRow, for members.
CounterRow completed(CounterRow row);
Status checkCounter(const void* row, std::span<const InetAddress> addresses);

template <>
struct TableOf<CounterRow> {
  static constexpr TableInfo info =
      describeTable<CounterRow>(7, "vmMigCounterTable", "vmMigCounterEntry", counterColumns, 3, true, checkCounter);
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/counter_table.h"

#include "mibs/element_name.h"
#include "mibs/row_check.h"

namespace vmmig {

namespace {

Status checkHead(const CounterRow& row) {
  bool hasMatch = row.kind == CounterKind::halfOpen || row.kind == CounterKind::quota;
  if (!row.match.value.empty() && !hasMatch)
    return failure(SnmpStatus::inconsistentValue, "vmMigCounterMatch of the counter itself must be empty for this kind");
  if (row.timeout != forEver)
    return failure(SnmpStatus::inconsistentValue, "vmMigCounterTimeout is of members alone: the counter itself has no end");
  if (row.lifetime != forEver && row.kind != CounterKind::halfOpen)
    return failure(SnmpStatus::inconsistentValue, "vmMigCounterLifetime is of members and of halfOpen alone");
  if (row.threshold != 0 && row.kind != CounterKind::halfOpen && row.kind != CounterKind::quota)
    return failure(SnmpStatus::inconsistentValue, "vmMigCounterThreshold is for halfOpen and quota: for this kind it must be 0");
  return {};
}

Status checkMember(const CounterRow& row, std::span<const InetAddress> addresses) {
  if (row.kind != CounterKind::halfOpen && row.kind != CounterKind::element)
    return failure(SnmpStatus::inconsistentName,
                   "a counter of this vmMigCounterKind has no members: vmMigCounterMember must be empty");
  if (auto status = checkElement("vmMigCounter", row.member.value, row.match.value, addresses); !status) return status;
  if (row.threshold != 0)
    return failure(SnmpStatus::inconsistentValue, "vmMigCounterThreshold is the counter's: for a member it must be 0");
  if (row.timeout > row.lifetime)
    return failure(SnmpStatus::inconsistentValue, "vmMigCounterTimeout is longer than vmMigCounterLifetime");
  return {};
}

}  // namespace

CounterRow completed(CounterRow row) {
  if (!row.isHead()) completeElement(row.member.value, row.match.value, row.timeout, row.lifetime);
  return row;
}

Status checkCounter(const void* data, std::span<const InetAddress> addresses) {
  auto row = completed(*static_cast<const CounterRow*>(data));
  if (auto status = row.isHead() ? checkHead(row) : checkMember(row, addresses); !status) return status;
  return rowCheck::isVolatile("vmMigCounterStorageType", row.storageType);
}

}  // namespace vmmig

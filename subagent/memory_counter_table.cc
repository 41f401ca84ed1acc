// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/memory_counter_table.h"

namespace vmmig {

namespace {
AnyRow headOf(const CounterRow& row) {
  CounterRow head;
  head.uuid = row.uuid;
  head.name = row.name;
  return head;
}
}  // namespace

std::uint32_t MemoryCounterTable::membersOf(const CounterRow& counter) const {
  // The head's index ends in the length of its member, 0; so its members stand right behind it.
  std::uint32_t count = 0;
  for (auto item = rows().upper_bound(headOf(counter).index()); item != rows().end(); ++item) {
    const auto& row = item->second.row.as<CounterRow>();
    if (row.uuid != counter.uuid || row.name != counter.name) break;
    count += !hasEnded(item->second);
  }
  return count;
}

Status MemoryCounterTable::admit(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<CounterRow>();
  if (row.isHead() || row.kind != CounterKind::halfOpen) return {};
  auto head = find(vm, headOf(row)).value();
  if (!head) return {};
  auto threshold = head->as<CounterRow>().threshold;
  if (threshold == 0 || membersOf(row) < threshold) return {};
  return failure(SnmpStatus::resourceUnavailable,
                 "counter " + row.name.value + " of VM " + vm.label() + " has all " + std::to_string(threshold) +
                     " members that vmMigCounterThreshold allows: \"" + row.member.value + "\" has to wait for one to end");
}

void MemoryCounterTable::show(AnyRow& any) {
  auto& row = any.as<CounterRow>();
  if (row.isHead()) row.members = membersOf(row);
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigCounterTable of the back end `memory`: a counter of half-open connections holds a VM to its threshold
// (draft-gu-dc-management-problem-statement-00 section 4.2).
#pragma once

#include "mibs/counter_table.h"
#include "subagent/memory_table.h"

namespace vmmig {

class MemoryCounterTable final : public MemoryTable {
 public:
  explicit MemoryCounterTable(MemoryDevice device) : MemoryTable(TableOf<CounterRow>::info, std::move(device), true) {}

 protected:
  Status admit(const Vm& vm, const AnyRow& row) override;
  void show(AnyRow& row) override;

 private:
  /// The members that the counter of this row has now.
  std::uint32_t membersOf(const CounterRow& counter) const;
};

}  // namespace vmmig

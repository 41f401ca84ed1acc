// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigCounterTable: counters, quotas and sets of nftables that count what a VM does.
#pragma once

#include "subagent/linux_counter_kinds.h"

namespace vmmig {

class LinuxCounterTable final : public LinuxExchangedTable {
 public:
  LinuxCounterTable(Nft& nft, const std::vector<CounterSource>& sources);

  const TableInfo& table() const override { return TableOf<CounterRow>::info; }
  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  std::optional<Refusal> stage(NftTransaction& transaction, const Vm& vm, const ExchangePart& part) override;
  std::vector<CheckRow> checks() override;

 private:
  LinuxCounter* counterOf(const CounterRow& row) const;
  /// Without asking the counter itself, which stage() does for all rows at once.
  Status checkName(const Vm& vm, const CounterRow& row) const;

  std::vector<std::unique_ptr<LinuxCounter>> counters_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigCheckTable: the back end's checks as SNMP sees them. Read-only.
#pragma once

#include <functional>
#include <map>

#include "common/event_loop.h"
#include "mibs/check_table.h"
#include "subagent/row_store.h"

namespace vmmig {

class CheckStore final : public RowStore {
 public:
  using Source = std::function<std::vector<CheckRow>()>;
  explicit CheckStore(Source source) : source_(std::move(source)) {}

  const TableInfo& table() const override { return TableOf<CheckRow>::info; }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override;
  Result<std::optional<AnyRow>> next(OidSpan after) override;
  Status check(const Change& change) override;
  Status apply(const Change& change) override { return check(change); }

 private:
  /// By index. Looked at anew when they have become old: a walk asks once a column and row.
  const std::map<Oid, AnyRow>& rows();

  Source source_;
  std::map<Oid, AnyRow> rows_;
  Clock::time_point goodUntil_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A read-only table whose rows are all read at once, and again when they have become old: a walk asks once a column and row.
#pragma once

#include <functional>
#include <map>

#include "common/event_loop.h"
#include "subagent/row_store.h"

namespace vmmig {

class SnapshotStore final : public RowStore {
 public:
  using Source = std::function<Result<std::vector<AnyRow>>()>;
  SnapshotStore(const TableInfo& table, Source source) : table_(table), source_(std::move(source)) {}

  const TableInfo& table() const override { return table_; }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override;
  Result<std::optional<AnyRow>> next(OidSpan after) override;
  Status check(const Change& change) override;
  Status apply(const Change& change) override { return check(change); }

 private:
  Status refresh();

  const TableInfo& table_;
  Source source_;
  std::map<Oid, AnyRow> rows_;  // by index
  Clock::time_point goodUntil_;
};

}  // namespace vmmig

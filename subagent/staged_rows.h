// SPDX-License-Identifier: GPL-2.0-or-later
// Rows that a manager is still making (createAndWait) or has taken out of service: the agent keeps them, no device knows them.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "common/event_loop.h"
#include "mibs/row.h"
#include "subagent/row_status.h"

namespace vmmig {

struct StagedRow {
  AnyRow row;
  RowState state;                          // notReady or notInService
  std::vector<const ColumnInfo*> written;  // in a row that was active: all columns

  /// A required column that nobody has written has no value yet, and no instance.
  bool has(const ColumnInfo& column) const;
  /// No required column lacks a value.
  bool isComplete() const;
};

/// Bounded in number and in time: RFC 2579 has the agent remove rows that stay out of service for long.
class StagedRows {
 public:
  static constexpr std::size_t maxRows = 1024;
  static constexpr auto maxAge = std::chrono::minutes{5};
  using Now = std::function<Clock::time_point()>;

  explicit StagedRows(Now now = Clock::now) : now_(std::move(now)) {}

  /// Drops the rows that nobody has touched for maxAge.
  void dropOld();
  const StagedRow* find(const TableInfo& table, const Oid& index) const;
  /// The first row behind `after` (empty: the first of all).
  const StagedRow* next(const TableInfo& table, OidSpan after) const;
  std::size_t size() const { return rows_.size(); }

  void put(StagedRow row);
  void erase(const TableInfo& table, const Oid& index);
  /// All of a VM that is gone.
  void eraseOf(const Uuid& vm);

 private:
  using Key = std::pair<std::uint32_t, Oid>;  // table and index
  struct Entry {
    StagedRow row;
    Clock::time_point touched;
  };
  Now now_;
  std::map<Key, Entry> rows_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// All rows that SNMP sees: those of every table's store, and those that are still being made.
#pragma once

#include <optional>
#include <vector>

#include "subagent/row_store.h"
#include "subagent/staged_rows.h"

namespace vmmig {

/// A row and where it stands.
struct FoundRow {
  AnyRow row;
  RowState state;
  const StagedRow* staged = nullptr;  // null for an active row; valid until the next change

  /// Staged rows may lack a column.
  bool has(const ColumnInfo& column) const { return !staged || staged->has(column); }
};

class RowSource {
 public:
  explicit RowSource(std::vector<RowStore*> stores, StagedRows::Now now = Clock::now);

  /// Null for a table that this agent does not have.
  RowStore* store(const TableInfo& table) const;
  StagedRows& staged() { return staged_; }

  Result<std::optional<FoundRow>> find(RowStore& store, const AnyRow& key) const;
  /// The first row whose index is greater than `after`; empty `after`: the first of all.
  Result<std::optional<FoundRow>> next(RowStore& store, OidSpan after) const;

 private:
  std::vector<RowStore*> stores_;
  StagedRows staged_;
};

}  // namespace vmmig

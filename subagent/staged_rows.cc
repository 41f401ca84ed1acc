// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/staged_rows.h"

#include <algorithm>

namespace vmmig {

bool StagedRow::has(const ColumnInfo& column) const {
  return !column.required || std::find(written.begin(), written.end(), &column) != written.end();
}

bool StagedRow::isComplete() const {
  const auto& columns = row.table().columns;
  return std::all_of(columns.begin(), columns.end(), [this](const auto& column) { return has(column); });
}

void StagedRows::dropOld() {
  auto now = now_();
  std::erase_if(rows_, [now](const auto& entry) { return now - entry.second.touched >= maxAge; });
}

const StagedRow* StagedRows::find(const TableInfo& table, const Oid& index) const {
  auto found = rows_.find({table.subid, index});
  return found == rows_.end() ? nullptr : &found->second.row;
}

const StagedRow* StagedRows::next(const TableInfo& table, OidSpan after) const {
  auto found = rows_.upper_bound({table.subid, Oid(after.begin(), after.end())});
  return found == rows_.end() || found->first.first != table.subid ? nullptr : &found->second.row;
}

void StagedRows::put(StagedRow row) {
  Key key{row.row.table().subid, row.row.index()};
  rows_.insert_or_assign(std::move(key), Entry{std::move(row), now_()});
}

void StagedRows::eraseOf(const Uuid& vm) {
  std::erase_if(rows_, [&vm](const auto& entry) {
    const auto& row = entry.second.row.row;
    return !row.table().isScalars() && vmOf(row) == vm;
  });
}

void StagedRows::erase(const TableInfo& table, const Oid& index) { rows_.erase({table.subid, index}); }

}  // namespace vmmig

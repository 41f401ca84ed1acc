// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/row.h"

#include <algorithm>

namespace vmmig {

const ColumnInfo* TableInfo::column(std::uint32_t wanted) const {
  auto found = std::find_if(columns.begin(), columns.end(), [wanted](const auto& c) { return c.subid == wanted; });
  // An INDEX column of another table (the VM's UUID) has no sub-identifier here.
  return found == columns.end() || wanted == 0 ? nullptr : &*found;
}

const ColumnInfo* TableInfo::column(std::string_view wanted) const {
  auto found = std::find_if(columns.begin(), columns.end(), [wanted](const auto& c) { return c.name == wanted; });
  return found == columns.end() ? nullptr : &*found;
}

const ColumnInfo* TableInfo::rowStatus() const {
  auto found = std::find_if(columns.begin(), columns.end(), [](const auto& c) { return c.syntax == &Codec<RowStatus>::syntax; });
  return found == columns.end() ? nullptr : &*found;
}

Oid AnyRow::index() const {
  Oid index;
  for (const auto& column : table_->index()) column.appendIndex(index, data_);
  if (table_->isScalars()) index.push_back(0);
  return index;
}

bool AnyRow::equals(const AnyRow& other, Carry carry) const {
  if (table_ != other.table_) return false;
  auto same = [&](const ColumnInfo& column) { return column.equal(data_, other.data_); };
  auto sameIfCarried = [&](const ColumnInfo& column) { return column.carry != carry || same(column); };
  return std::all_of(table_->index().begin(), table_->index().end(), same) &&
         std::all_of(table_->values().begin(), table_->values().end(), sameIfCarried);
}

std::optional<AnyRow> rowFromIndex(const TableInfo& table, OidSpan index) {
  AnyRow row{table};
  if (table.isScalars()) {
    if (index.size() != 1 || index[0] != 0) return std::nullopt;
    return row;
  }
  for (const auto& column : table.index())
    if (!column.parseIndex(index, row.data())) return std::nullopt;
  if (!index.empty()) return std::nullopt;
  return row;
}

Uuid vmOf(const AnyRow& row) {
  Uuid uuid;
  if (row.table().isScalars()) return uuid;
  const auto& first = row.table().index().front();
  if (first.syntax == &Codec<Uuid>::syntax) Codec<Uuid>::assign(first.get(row.data()).octets, uuid);
  return uuid;
}

}  // namespace vmmig

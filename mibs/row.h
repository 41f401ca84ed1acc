// SPDX-License-Identifier: GPL-2.0-or-later
// A row of any table: owns the plain struct and knows its table's description.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "mibs/column.h"

namespace vmmig {

/// TableOf<Row>::info names the table of a row struct; each table's header specialises it.
template <class R>
struct TableOf;

class AnyRow {
 public:
  /// A row of default values.
  explicit AnyRow(const TableInfo& table) : table_(&table), data_(table.create()) {}
  template <class R>
    requires requires { TableOf<std::remove_cvref_t<R>>::info; }
  AnyRow(R&& row)  // NOLINT(google-explicit-constructor): a row struct is an AnyRow
      : table_(&TableOf<std::remove_cvref_t<R>>::info), data_(new std::remove_cvref_t<R>(std::forward<R>(row))) {}
  AnyRow(const AnyRow& other) : table_(other.table_), data_(other.table_->clone(other.data_)) {}
  AnyRow(AnyRow&& other) noexcept : table_(other.table_), data_(std::exchange(other.data_, nullptr)) {}
  AnyRow& operator=(AnyRow other) noexcept {
    std::swap(table_, other.table_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~AnyRow() {
    if (data_) table_->destroy(data_);
  }

  const TableInfo& table() const { return *table_; }
  const void* data() const { return data_; }
  void* data() { return data_; }

  /// The struct itself; the caller knows the table.
  template <class R>
  const R& as() const {
    assert(table_ == &TableOf<R>::info);
    return *static_cast<const R*>(data_);
  }
  template <class R>
  R& as() {
    assert(table_ == &TableOf<R>::info);
    return *static_cast<R*>(data_);
  }

  smi::Value get(const ColumnInfo& column) const { return column.get(data_); }
  SnmpStatus set(const ColumnInfo& column, const smi::Value& value) { return column.set(data_, value); }

  /// The instance part of the row's OIDs: the INDEX, or 0 for scalars.
  Oid index() const;
  /// Equal in the columns that `carry` names (and in the index).
  bool equals(const AnyRow& other, Carry carry) const;

 private:
  const TableInfo* table_;
  void* data_;
};

/// The row that an instance names, its other columns at their defaults; nothing when the index is malformed, too short or too
/// long.
std::optional<AnyRow> rowFromIndex(const TableInfo& table, OidSpan index);

/// The UUID of the VM that a row belongs to: the first INDEX column of every table but those of the device itself (the scalars,
/// vmMigCheckTable), which have the nil UUID.
Uuid vmOf(const AnyRow& row);

}  // namespace vmmig

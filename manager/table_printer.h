// SPDX-License-Identifier: GPL-2.0-or-later
// Tables for people: aligned columns, numbers to the right.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "mibs/row.h"

namespace vmmig {

class TablePrinter {
 public:
  explicit TablePrinter(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  /// As many cells as headings.
  void add(std::vector<std::string> cells);
  void print(std::ostream& out) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

/// "State" for vmMigTcpConnState: the descriptor without what all columns of its table begin with.
std::string headingOf(const TableInfo& table, const ColumnInfo& column);

/// Can a person do without this column? The type of an address shows in the address.
bool isAddressType(const ColumnInfo& column);

/// The high half of a 64 bit number, which its low half shows whole.
bool isHighHalf(const TableInfo& table, const ColumnInfo& column);
/// One value for people: MAC addresses with colons, both halves of a number as one, long octet strings cut, what has no end as such.
std::string cellOf(const ColumnInfo& column, const AnyRow& row);

/// The INDEX without the VM, as one names a row: "0 10.0.0.5 22 192.0.2.7 40022".
std::string rowLabel(const AnyRow& row);

/// Text that a peer sent, without what would move a terminal's cursor.
std::string printable(std::string_view text);

}  // namespace vmmig

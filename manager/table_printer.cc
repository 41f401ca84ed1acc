// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/table_printer.h"

#include <algorithm>

#include "common/hex.h"
#include "manager/counted.h"
#include "mibs/row_json.h"

namespace vmmig {

namespace {

// Characters, not octets: UTF-8 continuation octets take no room.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

bool isNumber(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '-'; });
}

constexpr std::size_t macSize = 6;

// One address, or several behind each other.
bool isMac(const ColumnInfo& column) {
  auto name = column.name;
  return name.ends_with("Mac") || name.ends_with("MacAddress") || name.ends_with("MacAddresses");
}

std::string macText(const std::string& octets) {
  std::string text;
  for (std::size_t i = 0; i < octets.size(); ++i)
    text += (i == 0 ? "" : i % macSize == 0 ? "," : ":") + toHex(octets.substr(i, 1));
  return text.empty() ? "-" : text;
}

}  // namespace

void TablePrinter::add(std::vector<std::string> cells) {
  for (auto& cell : cells) cell = printable(cell.empty() ? "-" : cell);
  rows_.push_back(std::move(cells));
}

void TablePrinter::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  std::vector<bool> numbers;
  for (std::size_t i = 0; i < headings_.size(); ++i) {
    std::size_t most = width(headings_[i]);
    bool number = !rows_.empty();
    for (const auto& row : rows_) {
      most = std::max(most, width(row[i]));
      number = number && isNumber(row[i]);
    }
    widths.push_back(most);
    numbers.push_back(number);
  }
  auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      std::string padding(widths[i] - width(cells[i]), ' ');
      text += (i ? "  " : "") + (numbers[i] ? padding + cells[i] : cells[i] + padding);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  };
  line(headings_);
  for (const auto& row : rows_) line(row);
}

std::string headingOf(const TableInfo& table, const ColumnInfo& column) {
  auto prefix = table.name;
  if (prefix.ends_with("Table")) prefix.remove_suffix(5);
  auto name = column.name;
  // vmMigPhase itself is a column of vmMigPhaseTable.
  if (!name.starts_with(prefix) || name == prefix) prefix = "vmMig";
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  return std::string{name};
}

bool isAddressType(const ColumnInfo& column) { return column.syntax == &Codec<InetAddressType>::syntax; }

bool isHighHalf(const TableInfo& table, const ColumnInfo& column) {
  if (!column.name.ends_with("High")) return false;
  return table.column(column.name.substr(0, column.name.size() - 4)) != nullptr;
}

std::string cellOf(const ColumnInfo& column, const AnyRow& row) {
  constexpr std::size_t mostOctets = 32;
  auto value = row.get(column);
  bool isHex = column.syntax->base == Syntax::Base::octetString && column.syntax->display == Syntax::Display::hex;
  if (isHex && isMac(column)) return macText(value.octets);
  if (isHex && value.octets.size() > mostOctets)
    return toHex(value.octets.substr(0, mostOctets)) + "... (" + counted(value.octets.size(), "octet") + ")";
  bool isTime = column.carry == Carry::clock || column.name.ends_with("Lifetime");
  if (isTime && value.type == smi::Type::gauge32 && value.number == forEver) return "forever";
  if (const auto* high = row.table().column(std::string{column.name} + "High"))
    return std::to_string(static_cast<std::uint64_t>(row.get(*high).number) << 32 | static_cast<std::uint64_t>(value.number));
  return displayValue(column, row);
}

std::string rowLabel(const AnyRow& row) {
  std::string label;
  for (const auto& column : row.table().index()) {
    bool vm = column.syntax == &Codec<Uuid>::syntax && row.table().indexCount > 1;
    if (vm || isAddressType(column)) continue;
    label += (label.empty() ? "" : " ") + cellOf(column, row);
  }
  return label;
}

/// On one line: rules stand one behind another.
std::string printable(std::string_view text) {
  std::string clean;
  if (text.ends_with('\n')) text.remove_suffix(1);
  for (char c : text) {
    bool isControl = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    clean += c == '\n' ? " | " : std::string(1, isControl ? '?' : c);
  }
  return clean;
}

}  // namespace vmmig

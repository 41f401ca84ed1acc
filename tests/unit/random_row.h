// SPDX-License-Identifier: GPL-2.0-or-later
// Rows of random legal values, for any table: made from nothing but the table's description.
#pragma once

#include <array>
#include <random>
#include <string>

#include "mibs/registry.h"

namespace vmmig::test {

/// Seeded, so that a failure can be repeated.
class RandomRows {
 public:
  explicit RandomRows(std::uint32_t seed) : random_(seed) {}

  /// Each value column keeps its default with a chance of one in three, as real rows do.
  AnyRow row(const TableInfo& table) {
    AnyRow row{table};
    for (const auto& column : table.index()) row.set(column, value(*column.syntax));
    for (const auto& column : table.values())
      if (number(0, 2) != 0) row.set(column, value(*column.syntax));
    return row;
  }

  /// A legal value of this syntax; the ends of its range more often than others.
  smi::Value value(const Syntax& syntax) {
    switch (syntax.base) {
      case Syntax::Base::enumeration: return {syntax.wire, syntax.labels[index(syntax.labels.size())].number, {}, {}};
      case Syntax::Base::bits: return smi::Value::string(bits(syntax));
      case Syntax::Base::octetString: return smi::Value::string(octets(syntax));
      default: return {syntax.wire, edgy(syntax.minimum, syntax.maximum), {}, {}};
    }
  }

  std::int64_t number(std::int64_t least, std::int64_t most) { return std::uniform_int_distribution{least, most}(random_); }
  std::size_t index(std::size_t size) { return static_cast<std::size_t>(number(0, static_cast<std::int64_t>(size) - 1)); }

 private:
  std::int64_t edgy(std::int64_t least, std::int64_t most) {
    switch (number(0, 3)) {
      case 0: return least;
      case 1: return most;
      default: return number(least, most);
    }
  }

  std::string octets(const Syntax& syntax) {
    if (syntax.display == Syntax::Display::text) return text(syntax.minimum, syntax.maximum);
    std::int64_t size = syntax.minimum + syntax.step * edgy(0, (syntax.maximum - syntax.minimum) / syntax.step);
    if (syntax.display == Syntax::Display::address) size = std::array{0, 4, 16}[index(3)];
    std::string octets;
    for (std::int64_t i = 0; i < size; ++i) octets += static_cast<char>(number(0, 255));
    return octets;
  }

  std::string bits(const Syntax& syntax) {
    std::string octets(static_cast<std::size_t>(syntax.maximum), '\0');
    for (const auto& label : syntax.labels)
      if (number(0, 1) != 0) octets[static_cast<std::size_t>(label.number) / 8] |= static_cast<char>(0x80 >> label.number % 8);
    return octets;
  }

  std::string text(std::int64_t least, std::int64_t most) {
    static constexpr std::array<std::string_view, 5> pieces{"a", "7", "-", "\xc3\xa9", "\xf0\x9f\x90\xa7"};
    std::string text;
    for (auto wanted = static_cast<std::size_t>(edgy(least, most)); text.size() < wanted;) {
      auto piece = pieces[index(pieces.size())];
      text += text.size() + piece.size() > wanted ? "." : piece;
    }
    return text;
  }

  std::mt19937 random_;
};

}  // namespace vmmig::test

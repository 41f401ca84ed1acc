// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/check/range.h"

#include <charconv>
#include <cmath>
#include <optional>

namespace vmmig::check {

namespace {

std::optional<double> parseNumber(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

Result<Range> parseRange(const std::string& text) {
  auto wrong = [&] {
    return failure(SnmpStatus::badValue, "\"" + text + "\" is no range; write [@][start:][end], such as 10, 10:, ~:10 or @10:20");
  };
  Range range;
  range.text = text;
  std::string_view rest = text;
  if (rest.starts_with('@')) {
    range.inside = true;
    rest.remove_prefix(1);
  }
  if (rest.empty()) return wrong();
  if (auto colon = rest.find(':'); colon != std::string_view::npos) {
    auto start = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
    auto number = parseNumber(start);
    if (start == "~")
      range.start = -std::numeric_limits<double>::infinity();
    else if (number)
      range.start = *number;
    else
      return wrong();
    if (rest.empty()) return range;
  }
  auto end = parseNumber(rest);
  if (!end || *end < range.start) return wrong();
  range.end = *end;
  return range;
}

}  // namespace vmmig::check

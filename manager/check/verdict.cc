// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/check/verdict.h"

#include <algorithm>
#include <cstdio>

#include "manager/table_printer.h"

namespace vmmig::check {

namespace {

/// A bar begins performance data, wherever it stands.
std::string forPlugins(const std::string& text) {
  auto clean = printable(text);
  std::replace(clean.begin(), clean.end(), '|', '!');
  return clean;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value == static_cast<double>(static_cast<long long>(value)) ? "%.0f" : "%.6f", value);
  return text;
}

}  // namespace

void Verdict::measure(const std::string& label, double value, const std::string& unit, const Thresholds& thresholds) {
  auto rangeText = [](const std::optional<Range>& range) { return range ? range->text : std::string{}; };
  measures_ +=
      " '" + label + "'=" + number(value) + unit + ";" + rangeText(thresholds.warning) + ";" + rangeText(thresholds.critical);
}

std::string Verdict::print() const {
  constexpr const char* names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
  auto text = std::string{"VMMIG "} + names[static_cast<int>(state_)] + " - " + forPlugins(text_);
  if (!measures_.empty()) text += " |" + measures_;
  text += '\n';
  for (const auto& line : lines_) text += forPlugins(line) + '\n';
  return text;
}

}  // namespace vmmig::check

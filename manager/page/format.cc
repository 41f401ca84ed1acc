// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/page/format.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "manager/report.h"

namespace vmmig::page {

namespace {

constexpr std::int64_t millisecond = 1000, second = 1000 * millisecond, minute = 60 * second, hour = 60 * minute;

std::string decimal(const char* format, double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return std::string{text} + " " + unit;
}

/// Without zeros behind the point.
std::string plain(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string signOf(std::int64_t value) { return value < 0 ? "−" : value > 0 ? "+" : ""; }

}  // namespace

std::string grouped(std::uint64_t number) {
  auto digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string durationText(std::int64_t microseconds) {
  auto value = static_cast<double>(microseconds);
  auto rest = [&](std::int64_t unit, std::int64_t part, const char* name) {
    auto count = microseconds % unit / part;
    return count == 0 ? std::string{} : " " + std::to_string(count) + " " + name;
  };
  if (microseconds < 100 * millisecond) return decimal("%.3f", value / millisecond, "ms");
  if (microseconds < second) return decimal("%.1f", value / millisecond, "ms");
  if (microseconds < minute) return decimal("%.2f", value / second, "s");
  if (microseconds < hour) return std::to_string(microseconds / minute) + " min" + rest(minute, second, "s");
  return std::to_string(microseconds / hour) + " h" + rest(hour, minute, "min");
}

std::string offsetText(std::int64_t microseconds) {
  if (microseconds == 0) return "0 ms";
  return signOf(microseconds) + durationText(std::llabs(microseconds));
}

std::string tickText(std::int64_t microseconds, std::int64_t step) {
  if (microseconds == 0) return "0";
  auto unit = step < 200 * millisecond ? std::pair{1.0 * millisecond, " ms"}
              : step < minute          ? std::pair{1.0 * second, " s"}
              : step < hour            ? std::pair{1.0 * minute, " min"}
                                       : std::pair{1.0 * hour, " h"};
  return signOf(microseconds) + plain(static_cast<double>(std::llabs(microseconds)) / unit.first) + unit.second;
}

std::string isoText(std::uint64_t utcMicroseconds) {
  auto text = utcText(utcMicroseconds);
  if (auto space = text.find(' '); space != std::string::npos) text[space] = 'T';
  return text + "Z";
}

}  // namespace vmmig::page

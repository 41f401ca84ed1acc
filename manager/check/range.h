// SPDX-License-Identifier: GPL-2.0-or-later
// A threshold as all monitoring plugins write it: [@][start:][end].
#pragma once

#include <limits>
#include <string>

#include "common/result.h"

namespace vmmig::check {

/// "10": alert below 0 and above 10. "10:": below 10. "~:10": above 10. "10:20": outside. "@10:20": inside, ends included.
struct Range {
  double start = 0;
  double end = std::numeric_limits<double>::infinity();
  bool inside = false;
  std::string text;  // as it was given, which performance data repeats

  bool alerts(double value) const { return (value < start || value > end) != inside; }
};

/// badValue with a sentence that says what is wrong.
Result<Range> parseRange(const std::string& text);

}  // namespace vmmig::check

// SPDX-License-Identifier: GPL-2.0-or-later
// What a plugin says: one line with performance data, more lines for people, and the exit status of the monitoring plugins.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "manager/check/range.h"

namespace vmmig::check {

enum class State : int { ok = 0, warning = 1, critical = 2, unknown = 3 };

struct Thresholds {
  std::optional<Range> warning, critical;

  State judge(double value) const {
    if (critical && critical->alerts(value)) return State::critical;
    return warning && warning->alerts(value) ? State::warning : State::ok;
  }
};

class Verdict {
 public:
  explicit Verdict(State state, std::string text) : state_(state), text_(std::move(text)) {}

  /// `unit`: "s", "c" (it only rises) or none.
  void measure(const std::string& label, double value, const std::string& unit = "", const Thresholds& thresholds = {});
  void addLine(const std::string& line) { lines_.push_back(line); }

  State state() const { return state_; }
  /// "VMMIG OK - text | 'vms'=3;;", then the lines.
  std::string print() const;

 private:
  State state_;
  std::string text_;
  std::string measures_;
  std::vector<std::string> lines_;
};

}  // namespace vmmig::check

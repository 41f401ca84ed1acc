// SPDX-License-Identifier: GPL-2.0-or-later
// A line that counts, on standard error, for a person at a terminal; silent for everyone else.
#pragma once

#include <chrono>
#include <string>

#include "common/event_loop.h"

namespace vmmig {

class Progress {
 public:
  Progress();
  explicit Progress(bool isTerminal) : isTerminal_(isTerminal) {}
  /// Takes the line away.
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// "fw-b: 1200 rows", a few times a second, and only when there is something to wait for.
  void show(const std::string& text);
  void clear();

 private:
  bool isTerminal_;
  bool shown_ = false;
  Clock::time_point next_ = Clock::now() + std::chrono::milliseconds{400};
};

}  // namespace vmmig

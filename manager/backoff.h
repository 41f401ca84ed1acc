// SPDX-License-Identifier: GPL-2.0-or-later
// How long to wait between two looks at a device that is at work: a quarter of the time that it has been at it, so that no look
// comes much too late, and long work is not disturbed by many. 1 to 20 ms.
#pragma once

#include <algorithm>

#include "common/event_loop.h"

namespace vmmig {

class Backoff {
 public:
  Clock::duration next() const {
    return std::clamp<Clock::duration>((Clock::now() - began_) / 4, std::chrono::milliseconds{1}, std::chrono::milliseconds{20});
  }
  void reset() { began_ = Clock::now(); }

 private:
  Clock::time_point began_ = Clock::now();
};

}  // namespace vmmig

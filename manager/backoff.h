// SPDX-License-Identifier: GPL-2.0-or-later
// How long to wait between two looks at a device that is at work: 1, 2, 5, 10 and then 20 ms.
#pragma once

#include <algorithm>
#include <array>

#include "common/event_loop.h"

namespace vmmig {

class Backoff {
 public:
  Clock::duration next() {
    static constexpr std::array<int, 5> milliseconds{1, 2, 5, 10, 20};
    auto delay = std::chrono::milliseconds{milliseconds[at_]};
    at_ = std::min(at_ + 1, milliseconds.size() - 1);
    return delay;
  }
  void reset() { at_ = 0; }

 private:
  std::size_t at_ = 0;
};

}  // namespace vmmig

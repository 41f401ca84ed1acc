// SPDX-License-Identifier: GPL-2.0-or-later
// Following a table of the back end `memory`: a model has no need for more than to look again and compare.
#pragma once

#include <functional>

#include "common/event_loop.h"
#include "subagent/back_end.h"

namespace vmmig {

/// What differs from one call to the next in the rows that `read` gives.
std::unique_ptr<RowFollower> followerOver(std::function<std::vector<AnyRow>()> read, std::function<Clock::time_point()> now);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Many tasks of one kind, some of them under way at the same time.
#pragma once

#include <functional>

#include "common/task.h"

namespace vmmig {

/// Runs job(0) to job(count - 1), started in this order, at most `limit` under way; ends when all have ended. To end early, let the
/// jobs that are left return at once.
Task<> forEachAtOnce(std::size_t count, std::size_t limit, std::function<Task<>(std::size_t)> job);

}  // namespace vmmig

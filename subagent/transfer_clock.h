// SPDX-License-Identifier: GPL-2.0-or-later
// The columns that a clock changes by itself (Carry::clock): what the passing of time explains, and what it does not.
// Those whose descriptor ends in IdleTime count up from the last change; all others are remaining life and count down, unless
// they say forEver (mibs/column.h).
#pragma once

#include <optional>

#include "common/event_loop.h"
#include "mibs/row.h"

namespace vmmig {

/// What two clocks may differ by, and what reading and telling may take.
inline constexpr std::chrono::seconds clockTolerance{2};

/// Seconds until the row goes by itself; nothing when it does not: its table has no such column, or it says forEver.
std::optional<std::int64_t> remainingLifeSeconds(const AnyRow& row);

/// Is `now` what becomes of the clock columns of `before` when nothing happens for `elapsed`?
bool explainedByTime(const AnyRow& before, const AnyRow& now, Clock::duration elapsed);

/// Is `now` what becomes of the whole row `before` when nothing happens for `elapsed`?
bool isUndisturbed(const AnyRow& before, const AnyRow& now, Clock::duration elapsed);

/// Does what it can, so that a row that was read `elapsed` ago is as it would be read now. A life does not fall below one second.
void age(AnyRow& row, Clock::duration elapsed);

}  // namespace vmmig

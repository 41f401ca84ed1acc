// SPDX-License-Identifier: GPL-2.0-or-later
// A migration as the journal has it, told: its timeline with the proof of the order, rows, octets, added blackout and digest.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <vector>

#include "manager/journal.h"

namespace vmmig {

/// The moments of one migration in microseconds of the manager's monotone clock, each the last that was told where several
/// devices take part (the stop and the block: the first); absent when it did not come to it.
struct Timeline {
  std::optional<std::int64_t> stop, blocked, lastRead, commit, release, resume;

  /// From "stopped" until the hold's release was acknowledged.
  std::optional<double> addedBlackoutMs() const;
  /// stop <= last read <= commit <= resume; absent when one of them is.
  std::optional<bool> isInOrder() const;
};
Timeline timelineOf(const std::vector<JournalEvent>& events);

nlohmann::json toJson(const JournalMigration& migration);
/// With the timeline, and every event.
nlohmann::json toJson(const JournalMigration& migration, const std::vector<JournalEvent>& events);
void print(std::ostream& out, const JournalMigration& migration, const std::vector<JournalEvent>& events);

/// "moved", "not moved", ..., "running", "interrupted".
std::string stateOf(const JournalMigration& migration);
/// "2026-01-02 03:04:05.678" in UTC.
std::string utcText(std::uint64_t microseconds);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Reading vmMigPhaseTable: what of it is going on, and what is history.
#pragma once

#include "manager/device.h"
#include "manager/migration.h"
#include "mibs/labels.h"

namespace vmmig {

/// A row stays after its migration, so a stop that holds nobody may be long ago: only what still leads somewhere is under way.
inline bool isUnderWay(const PhaseRow& row) {
  return row.phase == Phase::prepared || row.phase == Phase::preCopy ||
         (row.phase == Phase::stopped && row.holdStatus == HoldStatus::held);
}

/// A host that does not say all is believed: a source may not know its destination, nor a destination its source.
inline bool isBetween(const PhaseRow& row, const std::string& sourceHost, const std::string& destinationHost) {
  auto fits = [](const std::string& told, const std::string& wanted) { return told.empty() || wanted.empty() || told == wanted; };
  return fits(row.sourceHost.value, sourceHost) && fits(row.destinationHost.value, destinationHost);
}

inline bool isNewer(const PhaseRow& row, const migration::SeenPhase& seen) {
  return row.sequence > seen.sequence || (row.sequence == seen.sequence && row.holdStatus > seen.hold);
}

inline migration::SeenPhase seenOf(const PhaseRow& row) { return {row.sequence, row.holdStatus}; }

/// "preCopy", "stopped, held".
inline std::string describe(const PhaseRow& row) {
  auto text = labelOf(row.phase);
  if (row.holdStatus != HoldStatus::none) text += ", " + labelOf(row.holdStatus);
  return text;
}

}  // namespace vmmig

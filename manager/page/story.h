// SPDX-License-Identifier: GPL-2.0-or-later
// One migration as pictures and tables need it, out of the journal's events: who was in which state from when to when. Times are
// microseconds of the manager's monotone clock, as in the journal.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "manager/report.h"

namespace vmmig::page {

/// waits: nothing happens there; works: it is at work; over: it has ended well; undoes, undone: it was taken back.
enum class Tone { waits, works, over, undoes, undone };

struct Span {
  std::string word;
  Tone tone;
  std::int64_t from, to;
};

enum class LaneKind { vm, host, source, destination };

struct Lane {
  std::string name;
  std::string role;  // "VM", "host", "source", "destination"
  LaneKind kind;
  std::vector<Span> spans;
};

struct Moment {
  std::string name;  // "stop", "last read", ...
  std::int64_t at;
};

/// What a device last said of its part.
struct DevicePart {
  std::string name;
  std::string step = "untouched";
  std::optional<std::uint32_t> rows;  // nothing when it was never asked
  std::uint32_t missing = 0, chunks = 0;
  std::uint64_t octets = 0;
  std::string digest, error;
  std::uint64_t blockedUtc = 0, lastReadUtc = 0, commitUtc = 0, finishedUtc = 0;  // by the device's clock
};

struct LegPart {
  DevicePart source, destination;
  std::map<std::string, std::uint32_t> tables;  // rows that were carried, by descriptor
  std::string failure;
};

struct Refusal {
  std::int64_t at;
  std::string device;  // empty: of none
  std::string text;
};

struct Story {
  std::int64_t begin = 0, end = 0;
  std::int64_t zero = 0;      // the stop, or the begin when it never came to it
  std::int64_t stopEnds = 0;  // when the VM ran again, or was given up
  Timeline timeline;
  std::vector<Moment> moments;  // in the order in which they must come
  std::vector<Lane> lanes;
  std::vector<LegPart> legs;  // as in the plan
  std::vector<Refusal> refusals;

  bool hasStop() const { return timeline.stop.has_value(); }
};

/// `now`: the monotone clock, to which a migration lasts that is still running.
Story storyOf(const JournalMigration& migration, const std::vector<JournalEvent>& events, std::int64_t now);

}  // namespace vmmig::page

// SPDX-License-Identifier: GPL-2.0-or-later
// What the journal keeps of a migration beside what is reported: each device's steps and each host's phases, with the figures
// that `vmmig report` draws. The keys of the data are SMI descriptors where there is one.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "manager/migration.h"

namespace vmmig {

struct TraceEntry {
  std::string text;  // "fw-a: freezing"
  std::string data;  // {"device": "fw-a", "role": "source", "leg": 0, "step": "freezing", "vmMigTransferRows": 1200, ...}
};

class MigrationTrace {
 public:
  /// Rows by table of a leg's image, as far as it has been copied; asked once the leg has come to an end.
  using TablesOf = std::function<std::map<std::string, std::uint32_t>(std::size_t leg)>;

  MigrationTrace(const migration::State& begin, TablesOf tablesOf);

  /// What is new after an event has been taken.
  std::vector<TraceEntry> look(const migration::Event& event, const migration::State& now);
  /// What belongs to a moment that was reported of a device; empty for others.
  static std::string dataOf(const migration::Action& report, const migration::State& now);

 private:
  struct LegSteps {
    migration::SideStep source = migration::SideStep::idle, destination = migration::SideStep::idle;
  };
  void lookAtHost(const migration::PhaseSeen& event, const migration::State& now, std::vector<TraceEntry>& entries);
  void lookAtSide(const migration::State& now, std::size_t leg, TransferRole role, std::vector<TraceEntry>& entries);

  TablesOf tablesOf_;
  std::vector<LegSteps> legs_;
  std::map<std::string, migration::SeenPhase> hosts_;
};

}  // namespace vmmig

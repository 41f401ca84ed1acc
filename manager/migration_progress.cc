// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/migration_progress.h"

namespace vmmig {

using namespace migration;

namespace {

std::string stateOf(const Side& side, TransferRole role) {
  bool isSource = role == TransferRole::source;
  switch (side.step) {
    case SideStep::idle: return "untouched";
    case SideStep::claiming: return "claiming";
    case SideStep::claimed: return isSource ? "tracking" : "prepared";
    case SideStep::working: return isSource ? "freezing" : "committing";
    case SideStep::ready: return isSource ? "frozen" : "committed";
    case SideStep::ending: return isSource ? "releasing" : "committed";
    case SideStep::ended: return isSource ? "released" : "done";
    case SideStep::aborting: return "aborting";
    case SideStep::aborted: return "aborted";
    case SideStep::left: return "left to its deadline";
    case SideStep::lost: return "lost";
  }
  return "";
}

}  // namespace

std::string progressLine(const MigrationRunner& runner) {
  const auto& state = runner.state();
  std::string line = runner.plan().vmName + " " + std::string{name(state.stage)};
  std::uint64_t rows = 0;
  for (std::size_t leg = 0; leg < state.legs.size(); ++leg) {
    const auto& is = state.legs[leg];
    line += " | " + state.plan.legs[leg].source + " " + stateOf(is.source, TransferRole::source) + " > " +
            state.plan.legs[leg].destination + " " + stateOf(is.destination, TransferRole::destination);
    rows += is.source.row.rows;
  }
  return line + " | " + std::to_string(rows) + " rows, " + std::to_string(runner.totals().octets) + " octets";
}

}  // namespace vmmig

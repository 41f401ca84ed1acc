// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/migration_progress.h"

#include "manager/counted.h"
#include "manager/migration_trace.h"

namespace vmmig {

using namespace migration;

namespace {

std::string stateOf(const Side& side, TransferRole role) {
  // To who waits, a destination is what it was until it is done.
  if (side.step == SideStep::ending && role == TransferRole::destination) return "committed";
  if (side.step == SideStep::left) return "left to its deadline";
  return std::string{stepWord(side.step, role)};
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
  return line + " | " + counted(rows, "row") + ", " + counted(runner.totals().octets, "octet");
}

}  // namespace vmmig

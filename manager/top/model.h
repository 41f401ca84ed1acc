// SPDX-License-Identifier: GPL-2.0-or-later
// From what the agents answered to what is shown: a pure function, without any clock or terminal of its own.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "manager/inventory.h"
#include "manager/top/picture.h"
#include "manager/top/snapshot.h"

namespace vmmig::top {

enum class Sort { state, vm, device, rows };
std::string_view name(Sort sort);

/// What the person at the terminal has chosen.
struct View {
  std::size_t width = 80;
  Sort sort = Sort::state;
  bool isReversed = false;
  bool isPaused = false;
  bool hidesFinished = false;
  double delaySeconds = 1;
};

struct Frame {
  std::vector<Line> head;  // stays where it is
  std::vector<Line> body;  // can be scrolled
};

Frame frameOf(const Snapshot& snapshot, const Inventory& inventory, const View& view);
/// The same for programs: agents, transfers and phases; the keys are SMI descriptors where there is one.
nlohmann::json jsonOf(const Snapshot& snapshot, const Inventory& inventory);

/// A transfer as it is shown, with what other agents know of it.
struct ShownTransfer {
  const Agent* agent;
  const TransferRow* row;
  std::string vm;                         // its name, or the UUID
  std::optional<std::uint32_t> expected;  // destination: rows that the source has; nothing when that is not clear
  std::optional<std::uint32_t> left;      // seconds until it is taken back; nothing when it has ended
};
std::vector<ShownTransfer> transfersOf(const Snapshot& snapshot, const Inventory& inventory);

struct ShownPhase {
  const Agent* agent;
  const PhaseRow* row;
  std::string vm;
  std::optional<std::uint32_t> leftMilliseconds;  // of a hold
};
/// Of migrations that are under way.
std::vector<ShownPhase> phasesOf(const Snapshot& snapshot, const Inventory& inventory);

/// "up", "degraded", "down", "no agent", "unreachable", "asking".
std::string stateOf(const Agent& agent);

}  // namespace vmmig::top

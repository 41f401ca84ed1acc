// SPDX-License-Identifier: GPL-2.0-or-later
// Plans and events for the tests of the migration's state machine.
#pragma once

#include <string>

#include "manager/migration.h"

namespace vmmig::migration {

using namespace std::chrono_literals;

inline Plan planOf(std::size_t legs, TransferPolicy policy = TransferPolicy::require, bool now = false) {
  Plan plan;
  for (std::size_t leg = 0; leg < legs; ++leg) plan.legs.push_back({"src" + std::to_string(leg), "dst" + std::to_string(leg)});
  plan.policy = policy;
  plan.now = now;
  return plan;
}

inline PhaseSeen phase(Phase is, std::uint32_t sequence, HoldStatus hold = HoldStatus::none, std::string host = "host-a") {
  PhaseRow row;
  row.phase = is;
  row.sequence = sequence;
  row.holdStatus = hold;
  if (hold == HoldStatus::held) row.holdDeadline = {5000};
  return {std::move(host), row};
}

inline TransferRow transfer(TransferOper oper, std::uint32_t epoch, std::uint32_t rows = 7, std::string digest = "same") {
  TransferRow row;
  row.operStatus = oper;
  row.epoch = {epoch};
  row.rows = rows;
  row.digest.value = std::move(digest);
  row.blockedTime.value = 1;
  return row;
}

}  // namespace vmmig::migration

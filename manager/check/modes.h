// SPDX-License-Identifier: GPL-2.0-or-later
// What check_vmmig looks at. Each mode asks the agent for a few objects, and judges.
#pragma once

#include <map>
#include <span>

#include "manager/check/verdict.h"
#include "manager/device.h"

namespace vmmig::check {

/// Which agent, and how it is judged.
struct Question {
  std::shared_ptr<Device> device;
  Thresholds thresholds;
  std::int64_t recentSeconds = 3600;  // how long a transfer or a hold that failed counts
};

struct Mode {
  std::string_view name;
  std::string_view meaning;
  bool hasRanges;
  std::string_view warning, critical;  // ranges that hold unless others are given
  Task<Verdict> (*ask)(Question question);
};

std::span<const Mode> modes();
/// A number among the scalars (vmMigVms); there are no ranges unless given.
Task<Verdict> askScalar(Question question, std::string name);
bool isNumber(std::string_view scalar);

/// No answer is critical, as all plugins have it; what the user has to put right here (users, passphrases) is unknown.
Verdict trouble(Device& device, const Error& error);

}  // namespace vmmig::check

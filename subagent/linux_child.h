// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a program of the system (tc, ip) without a shell, and hands back what it prints.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/result.h"

namespace vmmig {

struct ChildResult {
  int status = 0;  // of exit(3); -1 when a signal ended it
  std::string output;
  std::string errors;
};

/// `words`: the program's name and its arguments. It is looked for where Debian has such programs, not along PATH, gets no
/// environment but LC_ALL=C, and is ended when it takes too long. Error: it could not be run.
Result<ChildResult> runChild(const std::vector<std::string>& words, const std::string& input = {},
                             std::chrono::milliseconds limit = std::chrono::seconds{5});

/// Where a program is, empty when it is not there.
std::string pathOfProgram(const std::string& name);

}  // namespace vmmig

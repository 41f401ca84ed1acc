// SPDX-License-Identifier: GPL-2.0-or-later
// The users file of a TrapListener: the lines of snmptrapd.conf(5) that say who may notify.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/result.h"

namespace vmmig {

struct TrapUsers {
  std::vector<std::string> createUser;  // arguments of each `createUser` line: they hold passphrases, never log them
  std::set<std::string> authorized;     // the users that an `authUser` line names
  std::string engineId;                 // `exactEngineID`, or empty
};

/// Parses the text; errors name the line by number only, since a line may hold a passphrase.
Result<TrapUsers> parseTrapUsers(const std::string& file, const std::string& text);
/// Reads the file, which others must not be able to read.
Result<TrapUsers> readTrapUsers(const std::string& file);

}  // namespace vmmig

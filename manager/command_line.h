// SPDX-License-Identifier: GPL-2.0-or-later
// vmmig's command line: `vmmig [SNMP options] COMMAND [options] [arguments]`, SNMP options as in snmpcmd(1) and allowed anywhere.
#pragma once

#include <optional>

#include "manager/command.h"

namespace vmmig {

struct CommandLine {
  const Command* command = nullptr;  // null: only `output` is wanted
  SessionOptions session;
  boost::program_options::variables_map values;
  std::vector<std::string> arguments;
  bool dumpPackets = false;
  std::string debugTokens;
  std::string output;  // of --help or --version: print it and end
};

/// `words` without the program's name. An error is a usage error, and says what to type.
Result<CommandLine> parseCommandLine(const std::vector<std::string>& words);

/// Every option that stands before or behind this command; of vmmig itself without one.
boost::program_options::options_description optionsOf(const Command* command);

/// Blanks the passphrases and the community in argv, so that ps(1) does not show them for as long as we run.
void hideSecrets(int argc, char** argv);

}  // namespace vmmig

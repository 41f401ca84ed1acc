// SPDX-License-Identifier: GPL-2.0-or-later
// vmmig(1): parses the command line, runs one command in the event loop, and ends with its exit code.
#include <cstdio>
#include <exception>

#include "common/log.h"
#include "manager/command_line.h"
#include "manager/snmp_library.h"

namespace vmmig {
namespace {

Task<> runCommand(const Command& command, Invocation invocation, std::optional<ExitCode>& code) {
  code = co_await command.run(std::move(invocation));
}

int runVmmig(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  hideSecrets(argc, argv);
  auto line = parseCommandLine(words);
  if (!line) return static_cast<int>(complain(ExitCode::usage, line.error().text));
  if (!line->command) return std::fputs(line->output.c_str(), stdout) < 0 || std::fflush(stdout) != 0;
  if (line->dumpPackets || !line->debugTokens.empty()) log::setLevel(log::Level::debug);
  if (line->dumpPackets) snmp::dumpPackets();
  if (!line->debugTokens.empty()) snmp::debug(line->debugTokens);
  EventLoop loop;
  std::optional<ExitCode> code;
  spawn(runCommand(*line->command, Invocation{loop, line->session, line->values, line->arguments}, code));
  loop.runUntil([&code] { return code.has_value(); });
  return static_cast<int>(code.value_or(ExitCode::device));
}

}  // namespace
}  // namespace vmmig

int main(int argc, char** argv) {
  vmmig::log::setProgram("vmmig");
  try {
    return vmmig::runVmmig(argc, argv);
  } catch (const std::exception& error) {
    vmmig::log::error(error.what());
    return static_cast<int>(vmmig::ExitCode::usage);
  }
}

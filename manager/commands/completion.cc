// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig completion`: what a shell needs to complete vmmig's command lines.
#include "manager/completion.h"

#include <iostream>

#include "manager/command.h"

namespace vmmig {

namespace {

constexpr const char* description =
    "Prints a script with which a shell completes commands, options, and the names of the inventory. The package vmmig has\n"
    "installed it for bash; without the package, put it where your shell looks.\n"
    "\n"
    "Examples:\n"
    "  vmmig completion bash > ~/.local/share/bash-completion/completions/vmmig\n";

void addOptions(boost::program_options::options_description&) {}

Task<ExitCode> run(Invocation invocation) {
  const auto& shell = invocation.arguments[0];
  if (shell != "bash")
    co_return complain(ExitCode::usage, "there is no completion for the shell \"" + shell + "\"; there is bash");
  std::cout << bashCompletion() << std::flush;
  co_return std::cout ? ExitCode::ok : complain(ExitCode::usage, "cannot write to standard output");
}

}  // namespace

const Command& completionCommand() {
  static const Command command{
      "completion", "Print what a shell needs to complete command lines", {"SHELL"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// One command of vmmig: its words in the help, its options, and what it does. A new command is a file in commands/ and a line in
// command_list.cc.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "manager/device.h"
#include "manager/inventory.h"

namespace vmmig {

/// What `vmmig` tells a script; documented in --help.
enum class ExitCode : int {
  ok = 0,
  negative = 1,  // the answer is no: different, cancelled, refused
  usage = 2,     // usage or configuration
  device = 3,    // a device was not reachable, or SNMP failed
};

/// One call of a command.
struct Invocation {
  EventLoop& loop;
  SessionOptions session;  // of the command line, without a peer
  boost::program_options::variables_map values;
  std::vector<std::string> arguments;  // as many as the command has `arguments`, or less by those in brackets

  bool has(const char* option) const { return values.count(option) != 0; }
  std::string text(const char* option) const { return has(option) ? values[option].as<std::string>() : std::string{}; }
  /// That of --config; else the default file, if it is there and may be read; else an empty one.
  Result<Inventory> inventory() const;
  /// The device (or host) that a name of the inventory or a peer in the notation of snmpcmd(1) means, with progress on a
  /// terminal; opens its session at the first request.
  Result<std::shared_ptr<Device>> device(const std::string& name) const { return agent(name, false); }
  Result<std::shared_ptr<Device>> host(const std::string& name) const { return agent(name, true); }

 private:
  Result<std::shared_ptr<Device>> agent(const std::string& name, bool isHost) const;
};

struct Command {
  std::string_view name;
  std::string_view summary;                 // one line of `vmmig --help`
  std::vector<std::string_view> arguments;  // "DEVICE"; "[TABLE]" may be left out, "[DEVICE...]" be repeated too
  std::string_view description;             // paragraphs and examples of `vmmig NAME --help`
  void (*addOptions)(boost::program_options::options_description& options);
  Task<ExitCode> (*run)(Invocation invocation);
};

/// Each command's own file has it.
const Command& showCommand();
const Command& exportCommand();
const Command& importCommand();
const Command& diffCommand();
const Command& phaseCommand();
const Command& migrateCommand();
const Command& serveCommand();
const Command& journalCommand();
const Command& locateCommand();
const Command& doctorCommand();
const Command& nmsCommand();
const Command& reportCommand();
const Command& topCommand();
const Command& completionCommand();

std::span<const Command* const> commands();

/// --config, for commands that read the inventory.
void addConfigOption(boost::program_options::options_description& options);

/// badValue is what the user gave, noSuchName a VM that is not there; everything else came from a device.
ExitCode exitCodeOf(const Error& error);
/// Replaces the file, or writes to standard output when it is empty or "-".
ExitCode writeOutput(const std::string& file, std::string_view text);
/// Writes "vmmig: ..." to standard error and answers the code.
ExitCode complain(ExitCode code, const std::string& text);

}  // namespace vmmig

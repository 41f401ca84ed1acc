// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/command.h"

#include <unistd.h>

#include "common/log.h"
#include "common/replace_file.h"
#include "manager/counted.h"
#include "manager/device_pool.h"
#include "manager/progress.h"

namespace vmmig {

Result<Inventory> Invocation::inventory() const {
  if (has("config")) return Inventory::read(text("config"));
  // Who may not read it can still name agents by their addresses.
  if (::access(Inventory::defaultFile, R_OK) != 0) return Inventory{};
  return Inventory::read(Inventory::defaultFile);
}

Result<std::shared_ptr<Device>> Invocation::agent(const std::string& name, bool isHost) const {
  auto known = inventory();
  if (!known) return failure(SnmpStatus::badValue, known.error().text);
  // What is wrong before anything was sent is what the user gave.
  auto opened = DevicePool{loop, *known, session}.open(name, isHost);
  if (!opened) return failure(SnmpStatus::badValue, opened.error().text);
  auto progress = std::make_shared<Progress>();
  (*opened)->onProgress([progress, name](std::size_t rows) { progress->show(name + ": " + counted(rows, "row")); });
  return opened;
}

void addConfigOption(boost::program_options::options_description& options) {
  options.add_options()("config", boost::program_options::value<std::string>()->value_name("FILE"),
                        "the inventory (/etc/vmmig/vmmig.conf)");
}

ExitCode exitCodeOf(const Error& error) {
  if (error.status == SnmpStatus::badValue) return ExitCode::usage;
  return error.status == SnmpStatus::noSuchName ? ExitCode::negative : ExitCode::device;
}

ExitCode writeOutput(const std::string& file, std::string_view text) {
  // It names addresses: not for everybody.
  constexpr mode_t mode = 0640;
  if (file.empty() || file == "-")
    return writeAll(STDOUT_FILENO, text) ? ExitCode::ok : complain(ExitCode::usage, "cannot write to standard output");
  auto status = replaceFile(file, text, mode);
  return status ? ExitCode::ok : complain(ExitCode::usage, status.error().text);
}

ExitCode complain(ExitCode code, const std::string& text) {
  log::error(text);
  return code;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig diff`: one VM's state on two devices, or as two files have it.
#include <sys/stat.h>

#include <cstdio>

#include "manager/command.h"
#include "manager/vm_state.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "A and B are each a device or a file of `vmmig export`. What moves with a VM is compared: its addresses and rows. Columns "
    "that\n"
    "a clock changes by itself (idle time, remaining life) may differ by --tolerance. A line a difference:\n"
    "  - TABLE ROW                        only in A\n"
    "  + TABLE ROW                        only in B\n"
    "  ! TABLE ROW: COLUMN a -> b, ...    in both, but not equal\n"
    "Exit status: 0 equal, 1 different, 2 or 3 error.\n"
    "\n"
    "Examples:\n"
    "  vmmig diff tcp:fw-a tcp:fw-b --vm web1\n"
    "  vmmig diff before.json tcp:fw-b --tolerance 60\n";

void addOptions(po::options_description& options) {
  options.add_options()("vm", po::value<std::string>()->value_name("UUID|NAME"), "the VM; a file knows its own")(
      "tolerance", po::value<unsigned>()->value_name("SECONDS")->default_value(5), "what clock columns may differ")(
      "quiet,q", "only the exit status");
  addConfigOption(options);
}

bool isFile(const std::string& name) {
  struct stat status;
  return ::stat(name.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

Result<VmState> loadFile(const std::string& file) {
  auto state = readVmStateFile(file);
  if (!state) return failure(SnmpStatus::badValue, state.error().text);
  return state;
}

Task<Result<VmState>> loadDevice(const Invocation& invocation, std::string peer, std::string uuidOrName) {
  if (uuidOrName.empty()) co_return failure(SnmpStatus::badValue, "--vm is missing: which VM?");
  auto device = invocation.device(peer);
  if (!device) co_return failure(device.error());
  auto vm = co_await findVm(**device, uuidOrName);
  if (!vm) co_return failure(vm.error());
  auto state = co_await readVmState(**device, *vm);
  // A device that does not know the VM has nothing of it: that is a difference, and no error.
  if (state || state.error().status != SnmpStatus::noSuchName) co_return state;
  VmState nothing;
  nothing.vm.uuid = *vm;
  co_return nothing;
}

Task<ExitCode> run(Invocation invocation) {
  std::optional<VmState> states[2];
  auto vm = invocation.text("vm");
  for (bool files : {true, false}) {
    // Files first: they tell which VM, where --vm does not.
    for (std::size_t side = 0; side < 2; ++side) {
      auto name = invocation.arguments[side];
      if (isFile(name) != files) continue;
      Result<VmState> state;
      if (files)
        state = loadFile(name);
      else
        state = co_await loadDevice(invocation, name, vm);
      if (!state) co_return complain(exitCodeOf(state.error()), state.error().text);
      if (vm.empty()) vm = toString(state->vm.uuid);
      states[side] = std::move(*state);
    }
  }
  if (states[0]->vm.uuid != states[1]->vm.uuid)
    co_return complain(ExitCode::usage,
                       "these are two VMs: " + toString(states[0]->vm.uuid) + " and " + toString(states[1]->vm.uuid));
  auto lines = differences(*states[0], *states[1], invocation.values["tolerance"].as<unsigned>());
  if (!invocation.has("quiet"))
    for (const auto& line : lines) std::puts(line.c_str());
  co_return lines.empty() ? ExitCode::ok : ExitCode::negative;
}

}  // namespace

const Command& diffCommand() {
  static const Command command{"diff", "Compare a VM's state on two devices or in files", {"A", "B"}, description, addOptions,
                               run};
  return command;
}

}  // namespace vmmig

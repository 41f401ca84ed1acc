// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig export`: a VM's state on one device, as a JSON file.
#include <nlohmann/json.hpp>

#include "manager/command.h"
#include "manager/vm_state.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "Writes the VM, its addresses and the rows of every table that moves with it, as one JSON object. `vmmig import` reads it,\n"
    "`vmmig diff` compares it.\n"
    "\n"
    "Examples:\n"
    "  vmmig export tcp:fw-a --vm web1 -o web1.json\n"
    "  vmmig export tcp:fw-a --vm 6ba7b810-9dad-41d1-80b4-00c04fd430c8 | jq '.tables.vmMigTcpConnTable | length'\n";

void addOptions(po::options_description& options) {
  options.add_options()("vm", po::value<std::string>()->value_name("UUID|NAME")->required(), "the VM")(
      "output,o", po::value<std::string>()->value_name("FILE"), "write to FILE instead of standard output (-)");
  addConfigOption(options);
}

Task<Result<VmState>> load(const Invocation& invocation) {
  auto device = invocation.device(invocation.arguments[0]);
  if (!device) co_return failure(device.error());
  auto vm = co_await findVm(**device, invocation.text("vm"));
  if (!vm) co_return failure(vm.error());
  co_return co_await readVmState(**device, *vm);
}

Task<ExitCode> run(Invocation invocation) {
  auto state = co_await load(invocation);
  if (!state) co_return complain(exitCodeOf(state.error()), state.error().text);
  auto text = toJson(*state, invocation.arguments[0]).dump(1) + "\n";
  co_return writeOutput(invocation.text("output"), text);
}

}  // namespace

const Command& exportCommand() {
  static const Command command{"export", "Write a VM's state on a device to a file", {"DEVICE"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig import`: writes an exported VM's state to a device, all or nothing.
#include <cstdio>
#include <map>

#include "manager/command.h"
#include "manager/counted.h"
#include "manager/table_printer.h"
#include "manager/vm_state.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "Makes the device hold what the file says: the VM, its addresses, its rows. What is there already with the same values stays "
    "as\n"
    "it is. What is there with other values, or is not in the file, is a refusal (exit status 1) unless --replace is given, "
    "which\n"
    "then changes and removes it. If anything fails, what was done is undone. The VM must not have traffic through the device\n"
    "meanwhile: for a VM that runs, use `vmmig migrate`.\n"
    "\n"
    "Examples:\n"
    "  vmmig import tcp:fw-b web1.json --dry-run\n"
    "  vmmig import tcp:fw-b web1.json --replace\n";

void addOptions(po::options_description& options) {
  options.add_options()("replace", "change and remove what is there and differs")("dry-run", "only say what would be done");
  addConfigOption(options);
}

/// What is to do so that the device holds what the file says.
struct Plan {
  bool createVm = false;
  std::vector<AnyRow> addresses;  // to create
  std::vector<AnyRow> created, changed, removed;
  std::vector<AnyRow> before;  // the changed and removed, as they are now
};

Oid keyOf(const AnyRow& row) { return Oid{row.table().subid} + row.index(); }

Plan makePlan(const VmState& wanted, const std::optional<VmState>& present) {
  Plan plan;
  plan.createVm = !present;
  std::map<Oid, const AnyRow*> there;
  if (present)
    for (const auto* list : {&present->addresses, &present->rows})
      for (const auto& row : *list) there[keyOf(row)] = &row;
  for (const auto& address : wanted.addresses)
    if (there.erase(keyOf(address)) == 0) plan.addresses.push_back(address);
  for (const auto& row : wanted.rows) {
    auto found = there.find(keyOf(row));
    if (found == there.end()) {
      plan.created.push_back(row);
      continue;
    }
    if (!row.equals(*found->second, Carry::exact)) {
      plan.changed.push_back(row);
      plan.before.push_back(*found->second);
    }
    there.erase(found);
  }
  for (const auto& [key, row] : there) {
    // A further address is no conflict: its rows would be.
    if (!row->table().moves) continue;
    plan.removed.push_back(*row);
    plan.before.push_back(*row);
  }
  return plan;
}

std::string describe(const Plan& plan) {
  std::string text = plan.createVm ? "the VM, " : "";
  return text + counted(plan.addresses.size(), "address") + " and " + counted(plan.created.size(), "row") + " created, " +
         counted(plan.changed.size(), "row") + " changed, " + counted(plan.removed.size(), "row") + " removed";
}

// In this order: rows need the VM and its addresses; removing first makes room.
Task<Status> carryOut(Device& device, const VmState& wanted, const Plan& plan) {
  std::vector<AnyRow> vm;
  if (plan.createVm) vm.emplace_back(wanted.vm);
  auto status = co_await device.create(vm);
  if (status) status = co_await device.create(plan.addresses);
  if (status) status = co_await device.destroyInOrder(plan.removed);
  if (status) status = co_await device.createInOrder(plan.changed);
  if (status) status = co_await device.createInOrder(plan.created);
  co_return status;
}

Task<Status> undo(Device& device, const VmState& wanted, const Plan& plan) {
  auto status = co_await device.destroyInOrder(plan.created);
  auto note = [&status](const Status& next) {
    if (status && !next) status = next;
  };
  auto restored = co_await device.createInOrder(plan.before);
  note(restored);
  auto addresses = co_await device.destroy(plan.addresses);
  note(addresses);
  std::vector<AnyRow> vm;
  if (plan.createVm) vm.emplace_back(wanted.vm);
  auto gone = co_await device.destroy(vm);
  note(gone);
  co_return status;
}

ExitCode refuse(const std::string& device, const Plan& plan) {
  auto conflicts = plan.changed;
  conflicts.insert(conflicts.end(), plan.removed.begin(), plan.removed.end());
  constexpr std::size_t shown = 5;
  std::string rows;
  for (std::size_t i = 0; i < std::min(conflicts.size(), shown); ++i)
    rows += "\n  " + std::string{conflicts[i].table().name} + " " + rowLabel(conflicts[i]);
  if (conflicts.size() > shown) rows += "\n  ...";
  std::fprintf(stderr,
               "vmmig: %s holds %s of the VM that the file has otherwise or not at all; nothing was done (--replace):%s\n",
               device.c_str(), counted(conflicts.size(), "row").c_str(), rows.c_str());
  return ExitCode::negative;
}

Task<ExitCode> carryOutOrUndo(Device& device, const VmState& wanted, const Plan& plan) {
  auto status = co_await carryOut(device, wanted, plan);
  if (status) {
    std::printf("%s: %s\n", device.name().c_str(), describe(plan).c_str());
    co_return ExitCode::ok;
  }
  auto undone = co_await undo(device, wanted, plan);
  auto text = status.error().text;
  if (undone) co_return complain(ExitCode::device, text + ". What was done is undone: the device is as before");
  co_return complain(ExitCode::device, text + ". It could not all be undone (" + undone.error().text +
                                           "): compare with `vmmig diff`, then import again with --replace");
}

Task<ExitCode> run(Invocation invocation) {
  auto wanted = readVmStateFile(invocation.arguments[1]);
  if (!wanted) co_return complain(ExitCode::usage, wanted.error().text);
  auto device = invocation.device(invocation.arguments[0]);
  if (!device) co_return complain(exitCodeOf(device.error()), device.error().text);
  auto present = co_await readVmState(**device, wanted->vm.uuid);
  if (!present && present.error().status != SnmpStatus::noSuchName) co_return complain(ExitCode::device, present.error().text);
  std::optional<VmState> there;
  if (present) there = std::move(*present);
  auto plan = makePlan(*wanted, there);
  if (!plan.before.empty() && !invocation.has("replace")) co_return refuse((*device)->name(), plan);
  if (invocation.has("dry-run")) {
    std::printf("%s: would be: %s\n", (*device)->name().c_str(), describe(plan).c_str());
    co_return ExitCode::ok;
  }
  co_return co_await carryOutOrUndo(**device, *wanted, plan);
}

}  // namespace

const Command& importCommand() {
  static const Command command{"import", "Write an exported VM's state to a device", {"DEVICE", "FILE"}, description, addOptions,
                               run};
  return command;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig migrate`: moves one VM's state between devices, following a hypervisor's phases or (--now) at once.
#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "manager/command.h"
#include "manager/device_pool.h"
#include "manager/locate.h"
#include "manager/migration_progress.h"
#include "manager/phases.h"
#include "manager/progress.h"
#include "manager/report.h"
#include "manager/vm_state.h"
#include "mibs/labels.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;
using Words = std::vector<std::string>;

constexpr const char* description =
    "VM is a UUID, or a name that the inventory or the source device knows. Devices and hosts are names of the inventory, or "
    "SNMP\n"
    "agents as in snmpcmd(1). Give --from and --to once for each pair of devices; all of them move, or none. Without them the\n"
    "inventory tells the devices in front of the two hosts.\n"
    "\n"
    "The state moves when the hosts tell the phases of the VM's migration (vmmig phase, or their hypervisor); with --now nobody "
    "is\n"
    "waited for: the VM is taken to be stopped or gone already. ^C takes everything back, until the hypervisor was told to go "
    "on.\n"
    "\n"
    "Exit status: 0 moved; 1 not moved, everything was taken back; 2 usage or configuration; 3 a device was not reachable, "
    "nothing\n"
    "was moved; 4 the VM moved and something of its state is missing.\n"
    "\n"
    "Examples:\n"
    "  vmmig migrate web1 --source-host host-a --destination-host host-b\n"
    "  vmmig migrate 6ba7b810-9dad-41d1-80b4-00c04fd430c8 --from tcp:fw-a --to tcp:fw-b --now\n";

void addOptions(po::options_description& options) {
  auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  auto list = [](const char* name) { return po::value<Words>()->value_name(name); };
  options.add_options()("from", list("DEVICE"), "a device that the VM leaves; may be repeated")(
      "to", list("DEVICE"), "the device that takes its place; as often as --from")(
      "source-host", text("HOST"), "the host that the VM leaves")("destination-host", text("HOST"), "the host that it goes to")(
      "now", "wait for no phases: freeze and commit at once")(
      "policy", text("POLICY"), "require (all or nothing) or bestEffort (what cannot be moved is reported)")(
      "row-by-row", "use no packed image, but plain rows")("config", text("FILE"), "the inventory (/etc/vmmig/vmmig.conf)")(
      "journal", text("FILE"), "the journal, instead of the inventory's")("json", "print the result as JSON");
}

/// What the command line means, once the devices have been asked about the VM.
struct Request {
  Inventory inventory;
  MigrationRunner::Setup setup;
  bool mustLocate = false;  // the devices in front of a host are still to be found
};

Words listOf(const Invocation& invocation, const char* option) {
  return invocation.has(option) ? invocation.values[option].as<Words>() : Words{};
}

Result<std::vector<migration::LegPlan>> chooseLegs(const Invocation& invocation, const Inventory& inventory) {
  auto from = listOf(invocation, "from");
  auto to = listOf(invocation, "to");
  if (from.size() != to.size()) return failure("each --from needs its --to: which device takes the place of which?");
  bool hasHosts = invocation.has("source-host") && invocation.has("destination-host");
  if (from.empty() && !hasHosts)
    return failure("between which devices? Give --from and --to, or --source-host and --destination-host of the inventory");
  if (from.empty()) return inventory.legsBetween(invocation.text("source-host"), invocation.text("destination-host"));
  std::vector<migration::LegPlan> legs;
  for (std::size_t at = 0; at < from.size(); ++at) {
    if (from[at] == to[at]) return failure("--from and --to are both " + from[at] + ": there is nothing to move");
    legs.push_back({from[at], to[at]});
  }
  return legs;
}

Status choosePlan(const Invocation& invocation, Request& request) {
  auto& plan = request.setup.plan;
  plan.now = invocation.has("now");
  plan.rowByRow = invocation.has("row-by-row");
  plan.sourceHost = invocation.text("source-host");
  plan.destinationHost = invocation.text("destination-host");
  if (!plan.now && (plan.sourceHost.empty() || plan.destinationHost.empty()))
    return failure("give --source-host and --destination-host, whose phases are waited for, or --now");
  DevicePool none{invocation.loop, request.inventory, invocation.session};
  request.mustLocate = !invocation.has("from") && !invocation.has("to") &&
                       Locator{request.inventory, none}.mustAsk(plan.sourceHost, plan.destinationHost);
  if (!request.mustLocate) {
    auto legs = chooseLegs(invocation, request.inventory);
    if (!legs) return failure(legs.error());
    plan.legs = std::move(*legs);
  }
  if (!invocation.has("policy")) return {};
  auto policy = fromLabel<TransferPolicy>(invocation.text("policy"));
  if (!policy) return failure("--policy is require or bestEffort");
  plan.policy = *policy;
  return {};
}

Status openAgents(DevicePool& pool, MigrationRunner::Setup& setup) {
  for (const auto& leg : setup.plan.legs) {
    auto source = pool.device(leg.source);
    if (!source) return failure(source.error());
    auto destination = pool.device(leg.destination);
    if (!destination) return failure(destination.error());
    setup.devices.push_back({*source, *destination});
  }
  if (setup.plan.now) return {};
  for (const auto* name : {&setup.plan.sourceHost, &setup.plan.destinationHost}) {
    auto host = pool.host(*name);
    if (!host) return failure(host.error());
    setup.hosts.push_back({*name, *host});
  }
  return {};
}

/// The VM by UUID, by the inventory's name or by the source device's.
Task<Result<Uuid>> chooseVm(std::string text, const Inventory& inventory, const MigrationRunner::Setup& setup) {
  if (auto uuid = parseUuid(text)) co_return *uuid;
  if (auto found = inventory.vms.find(text); found != inventory.vms.end()) co_return found->second.uuid;
  if (setup.devices.empty()) co_return failure(SnmpStatus::noSuchName, "VM " + text + " is not in the inventory; give its UUID");
  co_return co_await findVm(*setup.devices.front().source, text);
}

/// What the hosts tell of earlier migrations is not taken for this one.
Task<Status> readHistory(MigrationRunner::Setup& setup) {
  for (const auto& host : setup.hosts) {
    PhaseRow key;
    key.uuid = setup.plan.vm;
    auto row = co_await readRow(*host.agent, key);
    if (!row) co_return failure(row.error());
    if (*row && !isUnderWay(**row)) setup.seen[host.name] = seenOf(**row);
  }
  co_return Status{};
}

/// The VM's addresses are those of the inventory and those that its hosts tell.
Task<Status> locateDevices(const std::string& word, DevicePool& pool, Request& request) {
  auto& setup = request.setup;
  auto vm = co_await chooseVm(word, request.inventory, setup);
  if (!vm) co_return failure(vm.error());
  std::vector<HostSays> told;
  for (const auto* name : {&setup.plan.sourceHost, &setup.plan.destinationHost}) {
    auto host = pool.host(*name);
    if (!host) co_return failure(host.error());
    PhaseRow key;
    key.uuid = *vm;
    auto row = co_await readRow(**host, key);
    if (!row) co_return failure(row.error());
    if (*row) told.push_back({*name, **row});
  }
  Locator locator{request.inventory, pool};
  Locator::Journey journey{.vm = word, .source = setup.plan.sourceHost, .destination = setup.plan.destinationHost, .macs = {}};
  journey.macs = macsOf(*vm, told, request.inventory);
  auto legs = co_await locator.legsBetween(std::move(journey));
  if (!legs) co_return failure(legs.error());
  setup.plan.legs = std::move(*legs);
  co_return Status{};
}

Task<Status> resolve(const Invocation& invocation, DevicePool& pool, Request& request) {
  auto& setup = request.setup;
  if (request.mustLocate) {
    auto located = co_await locateDevices(invocation.arguments[0], pool, request);
    if (!located) co_return located;
  }
  if (auto status = openAgents(pool, setup); !status) co_return status;
  const auto& word = invocation.arguments[0];
  auto vm = co_await chooseVm(word, request.inventory, setup);
  if (!vm) co_return failure(vm.error());
  setup.plan.vm = *vm;
  setup.plan.vmName = word;
  setup.addresses = request.inventory.addressesOf(*vm);
  if (!invocation.has("policy")) setup.plan.policy = request.inventory.policyOf(*vm);
  setup.limits = request.inventory.limits;
  setup.transferDeadlineSeconds = request.inventory.transferDeadlineSeconds;
  co_return co_await readHistory(setup);
}

Result<std::unique_ptr<Journal>> openJournal(const Invocation& invocation, const Inventory& inventory) {
  bool isChosen = invocation.has("journal") || invocation.has("config");
  auto journal = Journal::open(invocation.has("journal") ? invocation.text("journal") : inventory.journal);
  if (journal || isChosen) return journal;
  log::notice(journal.error().text + "; this migration is not recorded (see --journal)");
  return Journal::open(":memory:");
}

void printResult(const Invocation& invocation, Journal& journal, std::int64_t id) {
  auto migration = journal.find(id);
  auto events = journal.events(id);
  if (!migration || !*migration || !events) return;
  if (invocation.has("json"))
    std::cout << toJson(**migration, *events).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  else
    print(std::cout, **migration, *events), std::cout.flush();
}

Task<ExitCode> run(Invocation invocation) {
  auto inventory = invocation.inventory();
  if (!inventory) co_return complain(ExitCode::usage, inventory.error().text);
  Request request{.inventory = std::move(*inventory), .setup = {}};
  if (auto status = choosePlan(invocation, request); !status) co_return complain(ExitCode::usage, status.error().text);
  auto journal = openJournal(invocation, request.inventory);
  if (!journal) co_return complain(ExitCode::usage, journal.error().text);
  DevicePool pool{invocation.loop, request.inventory, invocation.session};
  auto resolved = co_await resolve(invocation, pool, request);
  if (!resolved) co_return complain(exitCodeOf(resolved.error()), resolved.error().text);

  Progress progress;
  auto show = [&](const MigrationRunner& runner) { progress.show(progressLine(runner)); };
  // A person at a terminal sees how far it is, and then the timeline, which has all of it.
  request.setup.isLogged = invocation.has("json") || ::isatty(STDERR_FILENO) != 1;
  MigrationRunner runner{invocation.loop, std::move(request.setup), **journal, show};
  for (int signal : {SIGINT, SIGTERM}) invocation.loop.onSignal(signal, [&] { runner.abort("the operator stopped it"); });
  auto outcome = co_await runner.run();
  progress.clear();
  printResult(invocation, **journal, runner.journalId());
  co_return static_cast<ExitCode>(outcome);
}

}  // namespace

const Command& migrateCommand() {
  static const Command command{"migrate", "Move a VM's state from device to device", {"VM"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig doctor`: is everything there that a migration needs?
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "manager/at_once.h"
#include "manager/command.h"
#include "manager/counted.h"
#include "manager/device_pool.h"
#include "manager/doctor.h"
#include "manager/progress.h"
#include "manager/table_printer.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;
using namespace doctor;

constexpr const char* description =
    "Examines devices and hosts: the way to them, SNMPv3, what the user may do, AgentX, the back end, snmpd's settings as far as "
    "they\n"
    "can be seen, clock, capacity. What is not well comes with its remedy. Nothing is changed. DEVICE is a name of the inventory "
    "or an\n"
    "agent as in snmpcmd(1); without any, all devices and hosts of the inventory are examined, and whether the devices that take "
    "each\n"
    "other's place in a migration fit each other.\n"
    "\n"
    "Exit status: 0 all is well; 1 something needs a hand (warning or fault); 2 usage or configuration; 3 an agent could not be "
    "asked.\n"
    "\n"
    "Examples:\n"
    "  vmmig doctor\n"
    "  vmmig doctor tcp:fw-a fw-b --json | jq '.agents[].findings[] | select(.level != \"ok\")'\n";

constexpr std::size_t atOnce = 16;
// One answer that does not come must not use up the time for all that follow.
constexpr const char* timeoutSeconds = "2";
constexpr const char* retries = "1";

void addOptions(po::options_description& options) {
  options.add_options()("deadline", po::value<double>()->value_name("SECONDS")->default_value(20, "20"),
                        "how long one agent is examined at most")("json", "print JSON");
  addConfigOption(options);
}

using Examinations = std::vector<std::shared_ptr<Examination>>;

Result<Subject> subjectOf(DevicePool& pool, const Inventory& inventory, const std::string& name, Role role) {
  Subject subject{.name = name, .role = role, .peer = pool.options(name, role == Role::host).peer, .agent = {}};
  auto agent = role == Role::host ? pool.host(name) : pool.device(name);
  if (!agent) return failure(agent.error());
  subject.agent = *agent;
  auto endpoint = endpointOf(inventory.listen);
  subject.informPort = static_cast<std::uint16_t>(endpoint && !inventory.listen.empty() ? std::atoi(endpoint->port.c_str()) : 0);
  return subject;
}

Result<std::vector<Subject>> subjects(DevicePool& pool, const Inventory& inventory, const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, Role>> wanted;
  for (const auto& name : names) {
    auto role = inventory.devices.contains(name) ? Role::device : inventory.hosts.contains(name) ? Role::host : Role::unknown;
    wanted.emplace_back(name, role);
  }
  if (names.empty()) {
    for (const auto& [name, options] : inventory.devices) wanted.emplace_back(name, Role::device);
    for (const auto& [name, host] : inventory.hosts) wanted.emplace_back(name, Role::host);
  }
  if (wanted.empty()) return failure("DEVICE is missing, and there is no inventory that names any: give one, or --config FILE");
  std::vector<Subject> all;
  for (const auto& [name, role] : wanted) {
    auto subject = subjectOf(pool, inventory, name, role);
    if (!subject) return failure(subject.error());
    all.push_back(std::move(*subject));
  }
  return all;
}

const DeviceScalars* scalarsOf(const Examinations& all, const std::string& device) {
  for (const auto& each : all)
    if (each->subject().name == device && each->subject().role != Role::host && each->scalars()) return &*each->scalars();
  return nullptr;
}

/// Whether the devices in front of the hosts fit each other, each pair once.
std::vector<Finding> comparePairs(const Inventory& inventory, const Examinations& all) {
  std::vector<Finding> findings;
  std::vector<std::pair<std::string, std::string>> done;
  for (const auto& [source, ignored] : inventory.hosts)
    for (const auto& [destination, alsoIgnored] : inventory.hosts) {
      if (source == destination) continue;
      auto legs = inventory.legsBetween(source, destination);
      if (!legs && source < destination)
        findings.push_back({source + " to " + destination, Level::fault, legs.error().text, "correct devices= in vmmig.conf"});
      if (!legs) continue;
      for (const auto& leg : *legs) {
        std::pair pair{leg.source, leg.destination};
        const auto* from = scalarsOf(all, leg.source);
        const auto* to = scalarsOf(all, leg.destination);
        if (!from || !to || std::find(done.begin(), done.end(), pair) != done.end()) continue;
        done.push_back(std::move(pair));
        for (auto& finding : comparePair(leg.source, *from, leg.destination, *to)) findings.push_back(std::move(finding));
      }
    }
  return findings;
}

nlohmann::json toJson(const std::vector<Finding>& findings) {
  auto list = nlohmann::json::array();
  for (const auto& each : findings)
    list.push_back(
        {{"check", each.check}, {"level", std::string{name(each.level)}}, {"text", each.text}, {"remedy", each.remedy}});
  return list;
}

void printJson(const Examinations& all, const std::vector<Finding>& pairs) {
  auto agents = nlohmann::json::array();
  for (const auto& each : all)
    agents.push_back({{"name", each->subject().name},
                      {"peer", each->subject().peer},
                      {"reached", each->isReached()},
                      {"findings", toJson(each->findings())}});
  nlohmann::json root{{"agents", std::move(agents)}, {"pairs", toJson(pairs)}};
  std::cout << root.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

void print(const std::string& heading, const std::vector<Finding>& findings) {
  std::cout << printable(heading) << '\n';
  std::size_t widest = 0;
  for (const auto& each : findings) widest = std::max(widest, each.check.size());
  for (const auto& each : findings) {
    std::string level{name(each.level)};
    level.resize(9, ' ');
    auto check = each.check;
    check.resize(widest + 2, ' ');
    std::cout << "  " << level << printable(check) << printable(each.text) << '\n';
    if (!each.remedy.empty()) std::cout << std::string(11 + widest + 2, ' ') << "-> " << printable(each.remedy) << '\n';
  }
  std::cout << '\n';
}

bool isWell(const std::vector<Finding>& findings) {
  return std::all_of(findings.begin(), findings.end(), [](const Finding& each) { return each.level == Level::ok; });
}

ExitCode verdict(const Examinations& all, const std::vector<Finding>& pairs) {
  bool isReached = std::all_of(all.begin(), all.end(), [](const auto& each) { return each->isReached(); });
  if (!isReached) return ExitCode::device;
  bool allWell = std::all_of(all.begin(), all.end(), [](const auto& each) { return isWell(each->findings()); });
  return allWell && isWell(pairs) ? ExitCode::ok : ExitCode::negative;
}

Task<ExitCode> run(Invocation invocation) {
  auto inventory = invocation.inventory();
  if (!inventory) co_return complain(ExitCode::usage, inventory.error().text);
  auto seconds = invocation.values["deadline"].as<double>();
  if (!(seconds >= 0.1 && seconds <= 3600))
    co_return complain(ExitCode::usage, "--deadline is a number of seconds from 0.1 to 3600");
  auto session = invocation.session;
  if (session.timeoutSeconds.empty()) session.timeoutSeconds = timeoutSeconds;
  if (session.retries.empty()) session.retries = retries;
  DevicePool pool{invocation.loop, *inventory, session};
  auto found = subjects(pool, *inventory, invocation.arguments);
  if (!found) co_return complain(ExitCode::usage, found.error().text);

  Examinations all;
  for (auto& subject : *found) all.push_back(std::make_shared<Examination>(invocation.loop, std::move(subject)));
  auto limit = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{seconds});
  std::size_t done = 0;
  Progress progress;
  std::function<Task<>(std::size_t)> job = [&](std::size_t number) -> Task<> {
    co_await examineWithin(invocation.loop, all[number], limit);
    progress.show(std::to_string(++done) + " of " + counted(all.size(), "agent") + " examined");
  };
  co_await forEachAtOnce(all.size(), atOnce, job);
  progress.clear();

  auto pairs = comparePairs(*inventory, all);
  if (invocation.has("json")) {
    printJson(all, pairs);
  } else {
    for (const auto& each : all) {
      const auto& subject = each->subject();
      print(subject.name == subject.peer ? subject.name : subject.name + " (" + subject.peer + ")", each->findings());
    }
    if (!pairs.empty()) print("between devices", pairs);
    std::cout.flush();
  }
  co_return verdict(all, pairs);
}

}  // namespace

const Command& doctorCommand() {
  static const Command command{
      "doctor", "Examine devices and hosts, and say what to do", {"[DEVICE...]"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig

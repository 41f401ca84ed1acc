// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/qmp_checks.h"

#include <algorithm>

#include "subagent/finding.h"

namespace vmmig {

namespace {

using namespace std::chrono_literals;

/// QEMU answers within milliseconds; also one that is busy, within this.
constexpr auto patience = 2s;

std::string plural(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

CheckRow problem(const std::string& what, std::string text, std::string remedy) {
  return finding("qmp " + what, Health::degraded, std::move(text), std::move(remedy));
}

/// What is the matter with one QEMU; the first that is found.
std::optional<CheckRow> check(const QmpClient& client) {
  const auto& machine = client.machine();
  const auto& path = client.path();
  auto debt = client.monitor().debt();
  if (debt && Clock::now() - debt->since > patience && !client.wasReady())
    return problem(path, path + ": QEMU does not greet",
                   "a monitor serves one client at a time: give vmmigd one of its own (a second -qmp)");
  if (debt && Clock::now() - debt->since > patience)
    return problem(path, path + ": QEMU does not answer " + debt->what,
                   "see whether QEMU hangs; its VM cannot be held or let go");
  if (machine.stage() == QmpMachine::Stage::unknown) return std::nullopt;
  if (!client.isVm()) return problem(path, path + ": its VM has no UUID, and is not followed", "start QEMU with -uuid");
  auto label = machine.identity().label();
  if (!machine.unheldReason().empty())
    return problem(path, label + ": its migration cannot be held: " + machine.unheldReason(),
                   "leave QEMU's capability pause-before-switchover to vmmigd");
  if (machine.identity().macAddresses().empty())
    return problem(path, label + ": no MAC address was found", "name the VM's addresses in the manager's inventory");
  if (client.monitor().malformed() > 0)
    return problem(path, path + ": " + plural(client.monitor().malformed(), "line") + " that were no QMP",
                   "see vmmigd's log; is it QEMU?");
  return std::nullopt;
}

/// Where it runs now; what has left, and what is still to come, may have a twin.
bool isHere(const QmpClient& client) {
  auto stage = client.machine().stage();
  return client.isVm() && stage != QmpMachine::Stage::incoming && stage != QmpMachine::Stage::left &&
         !client.machine().isLeaving() && stage != QmpMachine::Stage::postcopy;
}

void addTwins(std::vector<CheckRow>& rows, const std::list<QmpClient>& clients) {
  std::map<Uuid, const QmpClient*> seen;
  for (const auto& client : clients) {
    if (!isHere(client)) continue;
    auto [other, isNew] = seen.try_emplace(client.machine().identity().uuid(), &client);
    if (!isNew)
      rows.push_back(problem("twin " + client.path(),
                             client.machine().identity().label() + " is at " + other->second->path() + " and at " + client.path(),
                             "two VMs must not have the same UUID: end one of them"));
  }
}

CheckRow summary(const QmpSockets& sockets, std::size_t vms, std::size_t stale) {
  auto text = "follows " + plural(vms, "VM") + " at " + plural(sockets.size(), "socket");
  if (sockets.size() == 0) text += "; none matches qmp-socket now";
  if (stale > 0) text += "; nobody listens at " + std::to_string(stale);
  return finding("qmp", Health::up, text);
}

}  // namespace

std::vector<CheckRow> qmpChecks(const QmpSockets& sockets, const std::list<QmpClient>& clients) {
  std::vector<CheckRow> rows;
  std::size_t stale = 0;
  for (const auto& [path, why] : sockets.problems()) {
    if (why.isStale)
      ++stale;
    else
      rows.push_back(problem(path, path + ": cannot connect: " + why.text,
                             "let vmmigd's user read and write it, keep other clients from it, or correct qmp-socket"));
  }
  for (const auto& directory : sockets.unwatched())
    rows.push_back(problem("watch " + directory, "sockets that appear are not seen: " + directory,
                           "let vmmigd's user read the directory, or raise the sysctl fs.inotify.max_user_watches"));
  for (const auto& client : clients)
    if (auto row = check(client)) rows.push_back(std::move(*row));
  addTwins(rows, clients);
  auto vms = std::count_if(clients.begin(), clients.end(), [](const QmpClient& client) { return client.isVm(); });
  rows.push_back(summary(sockets, static_cast<std::size_t>(vms), stale));
  return rows;
}

}  // namespace vmmig

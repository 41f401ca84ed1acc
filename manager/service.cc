// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/service.h"

#include <algorithm>

#include "common/inet_address.h"
#include "common/log.h"

namespace vmmig {

namespace {

constexpr auto longestGoodbye = std::chrono::seconds{20};

/// "10.9.0.3" of "tcp:10.9.0.3:161" or "udp6:[fd00::3]:161"; a name stays a name.
std::string addressOf(std::string peer) {
  for (const char* transport : {"udp:", "tcp:", "udp6:", "tcp6:", "udpv6:", "tcpv6:"})
    if (peer.starts_with(transport)) {
      peer.erase(0, std::string_view{transport}.size());
      break;
    }
  if (peer.starts_with('[')) return peer.substr(1, peer.find(']') - 1);
  bool isV6 = std::count(peer.begin(), peer.end(), ':') > 1;
  return isV6 ? peer : peer.substr(0, peer.find(':'));
}

std::string labelOf(const PhaseRow& row) {
  return "VM " + (row.vmName.value.empty() ? toString(row.uuid) : row.vmName.value + " (" + toString(row.uuid) + ")");
}

}  // namespace

Task<> Service::run() {
  recoverAll();
  for (const auto& [name, host] : inventory_.hosts) spawn(followHost(name));
  while (!stopping_) co_await changed_.wait(loop_, std::chrono::hours{1});
  auto giveUpAt = Clock::now() + longestGoodbye;
  while (!canStop() && Clock::now() < giveUpAt) co_await changed_.wait(loop_, std::chrono::milliseconds{100});
  if (!running_.empty())
    log::notice(std::to_string(running_.size()) + " migrations are left to the next manager; the devices keep them for " +
                std::to_string(inventory_.transferDeadlineSeconds) + " s");
}

void Service::stop() {
  stopping_ = true;
  changed_.notify();
}

bool Service::canStop() const {
  using migration::Stage;
  return std::all_of(running_.begin(), running_.end(), [](const auto& entry) {
    auto stage = entry.second->state().stage;
    return stage == Stage::surveying || stage == Stage::following || stage == Stage::awaiting;
  });
}

std::string Service::status() const {
  return std::to_string(running_.size()) + " migrations, " + std::to_string(recovering_.size()) + " being recovered";
}

// --- what the hosts tell -----------------------------------------------------------------------------------------------

Task<> Service::followHost(std::string host) {
  auto& pause = polls_[host];
  bool silent = false;
  while (!stopping_) {
    auto status = co_await readHost(host);
    if (!status && !silent) log::warning("host " + host + " does not tell its phases: " + status.error().text);
    if (status && silent) log::notice("host " + host + " tells its phases again");
    silent = !status;
    co_await pause.wait(loop_, inventory_.poll);
  }
}

Task<Status> Service::readHost(std::string host) {
  auto agent = pool_.host(host);
  if (!agent) co_return failure(agent.error());
  auto rows = co_await (*agent)->readAll(TableOf<PhaseRow>::info, std::nullopt);
  if (!rows) co_return failure(rows.error());
  for (const auto& row : *rows) phase(host, row.as<PhaseRow>());
  co_return Status{};
}

void Service::notified(const std::string& sourceAddress, const PhaseRow& row) {
  std::vector<std::string> found;
  auto from = parseInetAddress(sourceAddress);
  for (const auto& [name, host] : inventory_.hosts)
    if (from && parseInetAddress(addressOf(host.agent.peer)) == from) found.push_back(name);
  if (found.size() == 1) return phase(found.front(), row);
  for (auto& [name, poll] : polls_)
    if (name == row.sourceHost.value || name == row.destinationHost.value) poll.notify();
}

void Service::phase(const std::string& host, const PhaseRow& row) {
  auto& seen = seen_[host][row.uuid];
  if (!isNewer(row, seen) || stopping_) return;
  bool isFree = !running_.contains(row.uuid) && !recovering_.contains(row.uuid);
  if (isFree && isUnderWay(row)) begin(host, row);
  if (isFree && row.phase == Phase::resumed) recoverLeft(row.uuid, row);
  auto found = running_.find(row.uuid);
  bool isTaken = found != running_.end() && found->second->seen(host, row);
  // What nobody could take yet belongs to the VM's next migration; the next poll brings it again.
  if (isFree || isTaken) seen = seenOf(row);
}

void Service::begin(const std::string& host, const PhaseRow& row) {
  log::info(labelOf(row) + ": host " + host + " says " + describe(row) + ", from host " + row.sourceHost.value + " to host " +
            row.destinationHost.value);
  auto legs = inventory_.legsBetween(row.sourceHost.value, row.destinationHost.value);
  if (!legs) return log::error(labelOf(row) + " is not followed: " + legs.error().text);
  JournalPlan plan;
  plan.vm = row.uuid;
  plan.vmName = row.vmName.value.empty() ? toString(row.uuid) : row.vmName.value;
  plan.sourceHost = row.sourceHost.value;
  plan.destinationHost = row.destinationHost.value;
  plan.legs = std::move(*legs);
  plan.policy = inventory_.policyOf(row.uuid);
  auto setup = setupFor(std::move(plan));
  if (!setup) return log::error(labelOf(row) + " is not followed: " + setup.error().text);
  // What was seen before this row belongs to migrations before.
  for (const auto& each : setup->hosts) setup->seen[each.name] = seen_[each.name][row.uuid];
  start(std::move(*setup), 0);
}

Result<MigrationRunner::Setup> Service::setupFor(JournalPlan plan) {
  MigrationRunner::Setup setup;
  setup.limits = inventory_.limits;
  setup.addresses = inventory_.addressesOf(plan.vm);
  setup.transferDeadlineSeconds = inventory_.transferDeadlineSeconds;
  setup.phasePoll = inventory_.poll;
  for (const auto& leg : plan.legs) {
    auto source = pool_.device(leg.source);
    if (!source) return failure(source.error());
    auto destination = pool_.device(leg.destination);
    if (!destination) return failure(destination.error());
    setup.devices.push_back({*source, *destination});
  }
  for (const auto* name : {&plan.sourceHost, &plan.destinationHost}) {
    if (name->empty()) continue;
    auto agent = pool_.host(*name);
    if (!agent) return failure(agent.error());
    setup.hosts.push_back({*name, *agent});
  }
  setup.plan = std::move(plan);
  return setup;
}

void Service::start(MigrationRunner::Setup setup, std::int64_t continues) {
  spawn(migrate(std::move(setup), continues), [this] { changed_.notify(); });
}

Task<> Service::migrate(MigrationRunner::Setup setup, std::int64_t continues) {
  auto vm = setup.plan.vm;
  auto made = std::make_unique<MigrationRunner>(loop_, std::move(setup), journal_);
  auto* runner = made.get();
  running_[vm] = std::move(made);
  auto outcome = co_await runner->run();
  if (continues != 0)
    journal_.end(continues, outcome, "its manager was killed; migration " + std::to_string(runner->journalId()) + " ended it",
                 runner->totals());
  // Not from inside its own coroutine.
  loop_.post([this, vm] {
    running_.erase(vm);
    changed_.notify();
  });
}

}  // namespace vmmig

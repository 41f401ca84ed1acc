// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/service.h"

#include <algorithm>

#include "common/inet_address.h"
#include "common/log.h"
#include "manager/counted.h"

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

}  // namespace

Service::Service(EventLoop& loop, const Inventory& inventory, DevicePool& pool, Journal& journal)
    : loop_(loop), inventory_(inventory), pool_(pool), journal_(journal), locator_(inventory, pool) {
  for (const auto& [name, host] : inventory.hosts) hostNames_.insert(name);
}

Task<> Service::run() {
  recoverAll();
  for (const auto& [name, host] : inventory_.hosts) spawn(followHost(name));
  while (!stopping_) co_await changed_.wait(loop_, std::chrono::hours{1});
  auto giveUpAt = Clock::now() + longestGoodbye;
  while (!canStop() && Clock::now() < giveUpAt) co_await changed_.wait(loop_, std::chrono::milliseconds{100});
  if (!running_.empty())
    log::notice("left to the next manager: " + counted(running_.size(), "migration") + "; the devices keep what is theirs for " +
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
  return counted(running_.size(), "migration") + ", " + std::to_string(recovering_.size()) + " being recovered";
}

// --- what the hosts tell -----------------------------------------------------------------------------------------------

Task<> Service::followHost(std::string host) {
  auto& pause = polls_[host];
  while (!stopping_ && isFollowed(host)) {
    auto status = co_await readHost(host);
    if (unlisted_.isGivenUp(host, status.has_value(), Clock::now())) forget(host);
    if (!isFollowed(host)) break;
    if (!status && dead_.insert(host).second)
      log::warning("host " + host + " does not tell its phases: " + status.error().text + hintFor(host));
    if (status && dead_.erase(host) > 0) log::notice("host " + host + " tells its phases again");
    co_await pause.wait(loop_, inventory_.poll);
  }
  if (!inventory_.hosts.contains(host)) polls_.erase(host);
}

Task<Status> Service::readHost(std::string host) {
  auto agent = pool_.host(host);
  if (!agent) co_return failure(agent.error());
  auto asked = Clock::now();
  auto rows = co_await (*agent)->readAll(TableOf<PhaseRow>::info, std::nullopt);
  if (!rows) co_return failure(rows.error());
  if (!isFollowed(host)) co_return Status{};
  hostNames_.insert(host);
  for (auto& [vm, told] : told_[host]) told.isThere = false;
  for (const auto& row : *rows) {
    told_[host][row.as<PhaseRow>().uuid].isThere = true;
    phase(host, row.as<PhaseRow>());
  }
  lastAnswer_[host] = asked;
  forgetDoubles();
  co_return Status{};
}

void Service::notified(const std::string& sourceAddress, const PhaseRow& row) {
  std::vector<std::string> found;
  auto from = parseInetAddress(sourceAddress);
  for (const auto& [name, host] : inventory_.hosts)
    if (from && parseInetAddress(addressOf(host.agent.peer)) == from) found.push_back(name);
  if (found.size() == 1) return phase(found.front(), row);
  for (auto& [name, poll] : polls_) {
    bool isFound = std::find(found.begin(), found.end(), name) != found.end();
    if (isFound || name == row.sourceHost.value || name == row.destinationHost.value) poll.notify();
  }
  if (from && found.empty()) hearUnlisted(*from, row);
}

void Service::phase(const std::string& host, const PhaseRow& told) {
  auto& last = told_[host][told.uuid];
  if (!isNewer(told, seenOf(last.row)) || stopping_) return;
  auto row = namedAsInventory(host, told, hostNames_);
  auto vm = row.uuid;
  bool isFree = !running_.contains(vm) && !recovering_.contains(vm);
  if (isFree) {
    last = {told, true};
    if (isUnderWay(row) || unclear_.contains(vm)) consider(vm);
    if (row.phase == Phase::resumed) recoverLeft(vm, row);
  }
  auto found = running_.find(vm);
  bool isTaken = found != running_.end() && found->second->seen(host, row);
  // What nobody could take yet belongs to the VM's next migration; the next poll brings it again.
  if (isTaken) last = {told, true};
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
    // What came of the VM's next migration meanwhile.
    askHosts();
  });
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// What a manager does about the migrations that its predecessor did not end: the journal says which, the hosts say where the VM
// is, the destinations say how far its state had come.
#include <algorithm>

#include "common/log.h"
#include "manager/phases.h"
#include "manager/service.h"

namespace vmmig {

using How = MigrationRunner::Setup::Adoption::How;

namespace {

/// The furthest of what two hosts tell.
int rank(const PhaseRow& row) {
  if (row.phase == Phase::resumed) return 4;
  if (row.phase == Phase::failed || row.phase == Phase::cancelled) return 3;
  if (row.phase == Phase::stopped) return 2;
  return 1;
}

bool goesBack(const PhaseRow& row) {
  bool isExpired = row.holdStatus == HoldStatus::expired && row.holdPolicy == HoldPolicy::require;
  return row.phase == Phase::failed || row.phase == Phase::cancelled || row.holdStatus == HoldStatus::cancelled || isExpired;
}

/// How to go on with what was left; nothing: by a new migration with a newer epoch.
std::optional<How> decide(const JournalMigration& old, const std::optional<PhaseRow>& phase, bool committed) {
  if (old.plan.now) return committed ? How::resumed : How::takeBack;
  // The host does not know any more where the VM runs: the destination's rows tell, at its deadline.
  if (!phase && committed) return How::wait;
  if (!phase || goesBack(*phase)) return How::takeBack;
  if (!committed || isUnderWay(*phase)) return std::nullopt;
  return phase->phase == Phase::resumed ? How::resumed : How::wait;
}

}  // namespace

void Service::recoverAll() {
  auto left = journal_.unfinished();
  if (!left) return log::error(left.error().text + "; what an earlier manager left is not looked for");
  // Of several of one VM only the latest can still hold it.
  std::map<Uuid, JournalMigration> latest;
  for (auto& migration : *left) {
    auto& slot = latest[migration.plan.vm];
    if (slot.id != 0)
      journal_.end(slot.id, migration::Outcome::notMoved, "its manager was killed; a later migration followed", {});
    slot = std::move(migration);
  }
  for (auto& [vm, migration] : latest) {
    recovering_.insert(vm);
    spawn(recover(std::move(migration), false));
  }
}

/// A VM that came after its migration had been given up.
void Service::recoverLeft(const Uuid& vm, const PhaseRow& row) {
  auto latest = journal_.latestOf(vm);
  if (!latest || !*latest || (*latest)->isRunning || (*latest)->outcome != migration::Outcome::incomplete) return;
  if (!isBetween(row, (*latest)->plan.sourceHost, (*latest)->plan.destinationHost)) return;
  recovering_.insert(vm);
  spawn(recover(std::move(**latest), true));
}

Task<> Service::recover(JournalMigration old, bool onlyCommitted) {
  auto vm = old.plan.vm;
  auto label = "VM " + old.plan.vmName;
  for (const auto& [name, address] : old.plan.unlisted) followUnlisted(name, address);
  if (!onlyCommitted) log::notice(label + ": an earlier manager did not end migration " + std::to_string(old.id));
  auto giveUpAt = Clock::now() + std::chrono::seconds{inventory_.transferDeadlineSeconds};
  auto standing = co_await standingOf(old);
  while (!standing && !stopping_ && Clock::now() < giveUpAt) {
    co_await sleepFor(loop_, inventory_.poll);
    standing = co_await standingOf(old);
  }
  recovering_.erase(vm);
  if (stopping_) co_return;
  if (!standing) {
    log::error(label + ": " + standing.error().text + "; it is taken back as far as the devices answer");
    standing = Standing{};
  }
  auto how = decide(old, standing->phase, standing->committed);
  if (onlyCommitted && how != How::resumed) co_return;
  if (old.epoch == 0 && how) {
    journal_.end(old.id, migration::Outcome::notMoved, "its manager was killed before it had claimed anything", {});
    co_return;
  }
  auto setup = setupFor(old.plan);
  if (!setup) co_return log::error(label + ": " + setup.error().text);
  for (const auto& [host, sequence] : old.plan.seen) setup->seen[host] = {sequence, HoldStatus::expired};
  auto where = standing->phase ? " (" + describe(*standing->phase) + ")" : std::string{};
  if (how) {
    setup->adoption = {*how, old.epoch, "its manager was killed" + where};
    log::notice(label + (*how == How::takeBack ? " is taken back" : " had been committed; it is brought to its end") + where);
  } else {
    setup->plan.rowByRow = false;
    log::notice(label + " is begun again" + where);
  }
  start(std::move(*setup), old.id);
}

Task<Result<Service::Standing>> Service::standingOf(JournalMigration old) {
  Standing standing;
  for (const auto* name : {&old.plan.sourceHost, &old.plan.destinationHost}) {
    if (name->empty()) continue;
    auto host = pool_.host(*name);
    if (!host) co_return failure(host.error());
    PhaseRow key;
    key.uuid = old.plan.vm;
    auto row = co_await readRow(**host, key);
    if (!row) co_return failure(row.error());
    if (!*row) continue;
    auto told = namedAsInventory(*name, **row, {old.plan.sourceHost, old.plan.destinationHost});
    auto before = old.plan.seen.find(*name);
    bool isOfThis = isBetween(told, old.plan.sourceHost, old.plan.destinationHost) &&
                    (before == old.plan.seen.end() || told.sequence > before->second);
    if (isOfThis && (!standing.phase || rank(told) > rank(*standing.phase))) standing.phase = std::move(told);
  }
  auto committed = co_await isCommitted(old);
  if (!committed) co_return failure(committed.error());
  standing.committed = *committed;
  co_return standing;
}

Task<Result<bool>> Service::isCommitted(JournalMigration old) {
  if (old.plan.rowByRow) {
    // The destination knows nothing of it; the journal does.
    auto events = journal_.events(old.id);
    if (!events) co_return failure(events.error());
    auto commits = std::count_if(events->begin(), events->end(),
                                 [](const JournalEvent& event) { return event.mark == migration::Mark::commit; });
    co_return static_cast<std::size_t>(commits) >= old.plan.legs.size();
  }
  for (const auto& leg : old.plan.legs) {
    auto device = pool_.device(leg.destination);
    if (!device) co_return failure(device.error());
    TransferRow key;
    key.uuid = old.plan.vm;
    auto row = co_await readRow(**device, key);
    if (!row) co_return failure(row.error());
    bool isThere = *row && (*row)->epoch == old.epoch &&
                   ((*row)->operStatus == TransferOper::committed || (*row)->operStatus == TransferOper::done);
    if (!isThere) co_return false;
  }
  co_return true;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/migration_runner.h"

#include <algorithm>

#include "common/log.h"
#include "manager/itinerary.h"
#include "manager/phases.h"

namespace vmmig {

using namespace migration;

namespace {

Task<Status> nothing() { co_return Status{}; }

State beginOf(const MigrationRunner::Setup& setup) {
  const auto& plan = setup.plan;
  Plan machine{.legs = plan.legs, .policy = plan.policy, .now = plan.now, .limits = setup.limits};
  return setup.adoption ? adopt(std::move(machine), plan.vmName, setup.seen, setup.adoption->epoch, Clock::now())
                        : start(std::move(machine), plan.vmName, setup.seen);
}

}  // namespace

MigrationRunner::MigrationRunner(EventLoop& loop, Setup setup, Journal& journal, Observer observer)
    : loop_(loop),
      setup_(std::move(setup)),
      journal_(journal),
      observer_(std::move(observer)),
      state_(beginOf(setup_)),
      trace_(state_, [this](std::size_t leg) { return rowsByTable(leg); }) {
  for (const auto& [host, seen] : setup_.seen) setup_.plan.seen[host] = seen.sequence;
  const auto& plan = setup_.plan;
  for (const auto& devices : setup_.devices) {
    for (const auto& device : {devices.source, devices.destination}) device->hasten(plan.vm, haste_);
    Leg leg;
    leg.source = std::make_unique<TransferSide>(loop, devices.source, plan.vm, TransferRole::source);
    leg.destination = std::make_unique<TransferSide>(loop, devices.destination, plan.vm, TransferRole::destination);
    if (setup_.adoption) {
      leg.source->adopt(setup_.adoption->epoch);
      leg.destination->adopt(setup_.adoption->epoch);
      if (plan.rowByRow)
        leg.rows = std::make_unique<RowCopier>(*devices.source, *devices.destination, plan.vm, RowCopier::Found::halfWritten);
    }
    legs_.push_back(std::move(leg));
  }
  for (const auto& host : setup_.hosts) host.agent->hasten(plan.vm, haste_);
}

Task<Outcome> MigrationRunner::run() {
  auto id = journal_.begin(setup_.plan);
  if (id)
    id_ = *id;
  else
    log::error(id.error().text + "; VM " + setup_.plan.vmName + " is migrated without a journal");
  begin();
  for (const auto& host : setup_.hosts) {
    ++underWay_;
    spawn(followHost(host));
  }
  ++underWay_;
  spawn(keepAlive());
  while (state_.stage != Stage::over || underWay_ > 0) co_await idle_.wait(loop_, std::chrono::hours{1});
  loop_.cancel(timer_);
  journal_.end(id_, state_.outcome, state_.reason, totals());
  co_return state_.outcome;
}

void MigrationRunner::begin() {
  if (!setup_.adoption) return feed(Begin{});
  const auto& adoption = *setup_.adoption;
  journal_.setClaim(id_, adoption.epoch, setup_.plan);
  using How = Setup::Adoption::How;
  if (adoption.how == How::takeBack) return feed(OperatorAbort{adoption.reason});
  if (adoption.how == How::wait) return feed(Tick{});
  PhaseRow row;
  row.phase = Phase::resumed;
  row.sequence = UINT32_MAX;  // newer than all that the host has told
  feed(PhaseSeen{setup_.plan.destinationHost, row});
}

bool MigrationRunner::seen(const std::string& host, const PhaseRow& told) {
  const auto& plan = setup_.plan;
  if (host != plan.sourceHost && host != plan.destinationHost) return false;
  auto row = namedAsInventory(host, told, {plan.sourceHost, plan.destinationHost});
  if (!isBetween(row, plan.sourceHost, plan.destinationHost)) return false;
  if (host == plan.sourceHost && isUnderWay(row) && !setup_.adoption && !std::exchange(policyTold_, true)) {
    ++underWay_;
    spawn(tellPolicy(host));
  }
  feed(PhaseSeen{host, std::move(row)});
  return true;
}

/// A hold that nobody answers ends as this VM's policy says, which the host does not know.
Task<> MigrationRunner::tellPolicy(std::string host) {
  PhaseRow row;
  row.uuid = setup_.plan.vm;
  row.holdPolicy = setup_.plan.policy == TransferPolicy::require ? HoldPolicy::require : HoldPolicy::bestEffort;
  std::vector<std::string_view> columns{"vmMigPhaseHoldPolicy"};
  auto status = co_await writeToHost(std::move(host), std::move(row), std::move(columns));
  if (!status)
    log::warning("VM " + setup_.plan.vmName + ": an expired hold does what the host's own policy says: " + status.error().text);
  --underWay_;
  finishIfIdle();
}

void MigrationRunner::abort(std::string reason) { feed(OperatorAbort{std::move(reason)}); }

JournalTotals MigrationRunner::totals() const {
  JournalTotals totals;
  for (const auto& leg : state_.legs) {
    totals.rows += leg.destination.row.rows;
    totals.missing += leg.destination.row.missing;
  }
  for (const auto& leg : legs_)
    if (leg.images) totals.octets += leg.images->totals().octets;
  if (!state_.legs.empty()) totals.digest = state_.legs.front().destination.row.digest.value;
  return totals;
}

/// Events that come while one is being handled wait for it.
void MigrationRunner::feed(Event event) {
  events_.push_back(std::move(event));
  if (std::exchange(feeding_, true)) return;
  while (!events_.empty()) {
    auto next = std::move(events_.front());
    events_.pop_front();
    auto epoch = state_.epoch;
    auto result = step(std::move(state_), next, Clock::now());
    state_ = std::move(result.state);
    *haste_ = isVmWaiting(state_);
    if (state_.epoch != epoch) journal_.setClaim(id_, state_.epoch, setup_.plan);
    // Behind the requests where the VM may wait for them.
    bool isUrgent = state_.stage != Stage::over;
    if (!isUrgent) trace(next);
    for (auto& action : result.actions) perform(std::move(action));
    if (isUrgent) trace(next);
  }
  feeding_ = false;
  armTimer();
  if (observer_) observer_(*this);
  if (state_.stage == Stage::over)
    for (auto& pause : pauses_) pause.notify();
  finishIfIdle();
}

void MigrationRunner::trace(const Event& event) {
  for (const auto& entry : trace_.look(event, state_)) journal_.append(id_, Mark::none, entry.text, entry.data);
}

void MigrationRunner::perform(Action action) {
  if (action.kind == ActionKind::report) return tell(action);
  if (action.kind == ActionKind::abort) halt(action);
  ++underWay_;
  spawn(execute(std::move(action)));
}

void MigrationRunner::tell(const Action& action) {
  journal_.append(id_, action.mark, action.text, MigrationTrace::dataOf(action, state_));
  if (setup_.isLogged) log::write(action.isWarning ? log::Level::warning : log::Level::info, action.text);
}

/// What is under way on this side gives up after its next answer, so that the abort comes soon.
void MigrationRunner::halt(const Action& abort) {
  auto& leg = legs_[abort.leg];
  leg.side(abort.role).giveUp();
  if (leg.images) leg.images->stop();
}

void MigrationRunner::armTimer() {
  loop_.cancel(timer_);
  if (auto at = wakeAt(state_)) timer_ = loop_.after(*at - Clock::now(), [this] { feed(Tick{}); });
}

void MigrationRunner::finishIfIdle() {
  if (state_.stage == Stage::over && underWay_ == 0) idle_.notify();
}

std::map<std::string, std::uint32_t> MigrationRunner::rowsByTable(std::size_t leg) {
  if (legs_[leg].rows) return legs_[leg].rows->rowsByTable();
  return legs_[leg].images ? legs_[leg].images->rowsByTable() : std::map<std::string, std::uint32_t>{};
}

TransferSide::Seen MigrationRunner::seenOf(std::size_t leg, TransferRole role) {
  return [this, leg, role](const TransferRow& row) { feed(TransferSeen{leg, role, row}); };
}

Task<> MigrationRunner::execute(Action action) {
  if (action.kind == ActionKind::survey) {
    co_await survey();
  } else {
    auto status = co_await dispatch(action);
    ActionDone done{.action = std::move(action)};
    if (!status) {
      done.failure = toFailure(status.error());
      bool isRefused = !done.failure->unreachable && done.action.kind <= ActionKind::commit;
      if (isRefused) co_await explainRefusal(done);
    }
    feed(std::move(done));
  }
  --underWay_;
  finishIfIdle();
}

/// The error-status of a SET says little; the device's own row has the reason.
Task<> MigrationRunner::explainRefusal(ActionDone& done) {
  auto& leg = legs_[done.action.leg];
  done.failure->superseded = co_await leg.source->isSuperseded();
  if (leg.rows) co_return;
  for (auto* side : {leg.destination.get(), leg.source.get()}) {
    auto why = co_await side->refusal();
    if (why.empty()) continue;
    done.failure->text = why;
    co_return;
  }
}

Task<Status> MigrationRunner::dispatch(const Action& action) {
  auto& leg = legs_[action.leg];
  switch (action.kind) {
    case ActionKind::claim: return claim(action.leg, action.role);
    case ActionKind::copy: return leg.rows ? copyRows(action.leg) : copy(action.leg);
    case ActionKind::freeze:
      if (leg.images) leg.images->hurry();
      return leg.source->ask(TransferAdmin::freeze);
    case ActionKind::commit: return commit(action.leg);
    case ActionKind::release:
      return leg.source->reach(TransferAdmin::release, TransferOper::released, seenOf(action.leg, action.role));
    case ActionKind::done: return finishDestination(action.leg);
    case ActionKind::abort: return abortSide(action.leg, action.role);
    case ActionKind::releaseHold: return act(action.host, PhaseAction::release);
    case ActionKind::cancelHold: return act(action.host, PhaseAction::cancel);
    default: return nothing();
  }
}

/// The hypervisor's answer to a hold.
Task<Status> MigrationRunner::act(std::string host, PhaseAction action) {
  PhaseRow row;
  row.uuid = setup_.plan.vm;
  row.action = action;
  // A request that the network delivers late must not end a later hold.
  row.actionSequence = state_.holdSequence;
  std::vector<std::string_view> columns{"vmMigPhaseAction", "vmMigPhaseActionSequence"};
  co_return co_await writeToHost(std::move(host), std::move(row), std::move(columns));
}

Task<Status> MigrationRunner::writeToHost(std::string host, PhaseRow row, std::vector<std::string_view> columns) {
  auto found = std::find_if(setup_.hosts.begin(), setup_.hosts.end(), [&](const Host& h) { return h.name == host; });
  if (found == setup_.hosts.end()) co_return failure(SnmpStatus::inconsistentValue, "host " + host + " takes no part in this");
  co_return co_await found->agent->write(std::move(row), std::move(columns));
}

/// The safety net for notifications that were lost, and all there is without a listener.
Task<> MigrationRunner::followHost(Host host) {
  auto& pause = pauses_.emplace_back();
  bool silent = false;
  while (state_.stage != Stage::over) {
    PhaseRow key;
    key.uuid = setup_.plan.vm;
    auto row = co_await readRow(*host.agent, key);
    if (!row && !std::exchange(silent, true))
      log::warning("host " + host.name + " does not tell its phases: " + row.error().text);
    if (row) silent = false;
    if (row && *row) seen(host.name, **row);
    if (state_.stage == Stage::over) break;
    co_await pause.wait(loop_, setup_.phasePoll);
  }
  --underWay_;
  finishIfIdle();
}

/// The devices take everything back when they hear nothing of the manager for their deadline.
Task<> MigrationRunner::keepAlive() {
  auto& pause = pauses_.emplace_back();
  while (state_.stage != Stage::over) {
    co_await pause.wait(loop_, std::chrono::milliseconds{setup_.transferDeadlineSeconds * 1000 / 3});
    for (std::size_t index = 0; index < legs_.size() && state_.stage < Stage::finishing; ++index)
      for (auto role : {TransferRole::source, TransferRole::destination}) {
        const auto& side = role == TransferRole::source ? state_.legs[index].source : state_.legs[index].destination;
        bool isOurs = side.step >= SideStep::claimed && side.step <= SideStep::ready;
        bool hasTransfer = role == TransferRole::source || !legs_[index].rows;
        if (!isOurs || !hasTransfer) continue;
        auto status = co_await legs_[index].side(role).keepAlive(setup_.transferDeadlineSeconds);
        // What matters of it is seen where the transfer is followed.
        if (!status) log::warning("VM " + setup_.plan.vmName + ": " + status.error().text);
      }
  }
  --underWay_;
  finishIfIdle();
}

}  // namespace vmmig

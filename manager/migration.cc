// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/migration.h"

#include "manager/counted.h"
#include "manager/migration_stepper.h"
#include "mibs/labels.h"

namespace vmmig::migration {

namespace {
bool isEndedBadly(TransferOper oper) {
  return oper == TransferOper::aborted || oper == TransferOper::failed || oper == TransferOper::expired;
}
}  // namespace

// --- events ------------------------------------------------------------------------------------------------------------

void Stepper::on(const Begin&) {
  if (s_.stage != Stage::begin) return;
  enter(Stage::surveying, s_.plan.limits.ending);
  emit(ActionKind::survey);
}

void Stepper::on(const Surveyed& event) {
  if (s_.stage != Stage::surveying) return;
  s_.epoch = std::max(event.unixSeconds, event.highestEpoch + 1);
  enter(Stage::following, s_.plan.limits.waitForStop);
  for (const auto& [leg, failure] : event.failures) failLeg(leg, failure.text, failure.unreachable);
  if (s_.stage != Stage::following) return;
  for (std::size_t leg = 0; leg < s_.legs.size(); ++leg) {
    if (!s_.legs[leg].isLive()) continue;
    for (auto role : {TransferRole::source, TransferRole::destination}) {
      side(leg, role).step = SideStep::claiming;
      emit(ActionKind::claim, leg, role);
    }
  }
  // A phase that came while the devices were being read.
  if (s_.stopped && s_.stage == Stage::following) enter(Stage::switching, s_.plan.limits.stop);
}

void Stepper::on(const PhaseSeen& event) {
  auto& seen = s_.seen[event.host];
  const auto& row = event.row;
  bool isNews = row.sequence > seen.sequence || (row.sequence == seen.sequence && row.holdStatus > seen.hold);
  if (!isNews || s_.stage == Stage::over) return;
  seen = {row.sequence, row.holdStatus};

  if (row.holdStatus == HoldStatus::held && s_.stage == Stage::takingBack && !s_.resumed && !s_.superseded) {
    // It stopped while everything was being taken back.
    s_.holdHost = event.host;
    s_.holdSequence = row.sequence;
    cancelHold();
  }
  if (row.holdStatus == HoldStatus::held && s_.stage < Stage::releasing) {
    s_.holdHost = event.host;
    s_.holdSequence = row.sequence;
    if (row.holdDeadline > 0) s_.holdUntil = now_ + std::chrono::milliseconds{row.holdDeadline.value};
    if (s_.stage == Stage::switching) s_.deadline = std::min(s_.deadline, s_.holdUntil);
  }
  switch (row.phase) {
    case Phase::prepared:
    case Phase::preCopy: break;
    case Phase::stopped:
      markStopped();
      holdEnded(row);
      break;
    case Phase::resumed: markResumed(); break;
    case Phase::failed:
    case Phase::cancelled:
      // When the destination failed, the source is still held, and told to go on there.
      if (s_.holdHost == event.host) s_.holdHost.clear();
      // While it is taken back, each host says so in its turn.
      if (s_.resumed || s_.stage == Stage::finishing)
        warn("host " + event.host + " says " + std::string{row.phase == Phase::failed ? "failed" : "cancelled"} +
             " after the VM had resumed at the destination; this is not believed");
      else
        takeBack("the hypervisor on host " + event.host + (row.phase == Phase::failed ? " failed" : " cancelled") +
                 " the migration" + (row.error.value.empty() ? "" : ": " + row.error.value));
      break;
  }
}

void Stepper::on(const TransferSeen& event) {
  auto& at = side(event.leg, event.role);
  if (s_.stage == Stage::over || at.isFinal() || event.row.epoch.value < s_.epoch) return;
  at.row = event.row;
  if (!s_.legs[event.leg].isLive() || at.step >= SideStep::ending || at.step == SideStep::claiming) return;
  sideAdvanced(event.leg, event.role, event.row);
}

void Stepper::on(const ActionDone& event) {
  const auto& action = event.action;
  if (s_.stage == Stage::over) return;
  if (action.kind == ActionKind::releaseHold || action.kind == ActionKind::cancelHold) return holdDone(event);
  if (action.kind == ActionKind::survey || action.kind == ActionKind::report) return;
  auto& leg = s_.legs[action.leg];
  auto& at = side(action.leg, action.role);
  bool isEnding = action.kind == ActionKind::release || action.kind == ActionKind::done || action.kind == ActionKind::abort;
  if (isEnding) {
    auto expected = action.kind == ActionKind::abort ? SideStep::aborting : SideStep::ending;
    if (at.step != expected) return;
    if (event.failure) return endingFailed(event, at);
    at.step = action.kind == ActionKind::abort ? SideStep::aborted : SideStep::ended;
    return;
  }
  if (!leg.isLive() || s_.stage >= Stage::finishing) return;
  if (event.failure) {
    if (event.failure->superseded) supersede();
    return failLeg(action.leg, event.failure->text, event.failure->unreachable);
  }
  if (action.kind == ActionKind::claim && at.step == SideStep::claiming) at.step = SideStep::claimed;
  if (action.kind == ActionKind::copy) leg.copied = true;
}

void Stepper::on(const Tick&) {
  if (s_.stage == Stage::over) return;
  if (now_ >= s_.deadline) stageTimedOut();
  retrySides();
  if (s_.holdRetryAt && now_ >= *s_.holdRetryAt) {
    s_.holdRetryAt.reset();
    if (s_.holdHost.empty()) return;
    s_.holdEnding = true;
    emitHold(s_.stage == Stage::takingBack ? ActionKind::cancelHold : ActionKind::releaseHold);
  }
}

void Stepper::on(const OperatorAbort& event) {
  if (s_.stage >= Stage::releasing)
    warn("VM " + s_.vm + " cannot be taken back any more: the hypervisor was told to go on");
  else
    takeBack(event.reason);
}

// --- what events mean --------------------------------------------------------------------------------------------------

void Stepper::markStopped() {
  if (s_.stopped || s_.stage >= Stage::releasing) return;
  s_.stopped = true;
  report("VM " + s_.vm + (s_.plan.now ? ": no hypervisor to wait for, its traffic is frozen now" : " is stopped"), Mark::stop);
  if (s_.stage == Stage::following) enter(Stage::switching, s_.plan.limits.stop);
}

void Stepper::markResumed() {
  if (s_.resumed || s_.stage == Stage::takingBack) return;
  markStopped();
  s_.resumed = true;
  s_.holdHost.clear();
  s_.late = s_.stage < Stage::releasing && !(allLive([](const Leg& leg) { return leg.good; }));
  report("VM " + s_.vm + " runs at the destination", Mark::resume);
  if (s_.late) warn("VM " + s_.vm + " resumed before its state was there; it is moved now, late");
}

/// A hold that somebody else ended: another operator, or the hypervisor's own deadline.
void Stepper::holdEnded(const PhaseRow& row) {
  if (row.holdStatus == HoldStatus::none || row.holdStatus == HoldStatus::held || s_.stage >= Stage::finishing) return;
  bool goesBack =
      row.holdStatus == HoldStatus::cancelled || (row.holdStatus == HoldStatus::expired && row.holdPolicy == HoldPolicy::require);
  if (s_.stage >= Stage::releasing && row.holdStatus == HoldStatus::released) return;
  s_.holdHost.clear();
  if (goesBack)
    takeBack(row.holdStatus == HoldStatus::cancelled ? "the hold was cancelled at the hypervisor"
                                                     : "the hold expired before the devices were ready" + awaited());
  else if (s_.stage < Stage::releasing)
    warn("the hold of VM " + s_.vm + " ended before the devices were ready; its state follows late");
}

void Stepper::sideAdvanced(std::size_t leg, TransferRole role, const TransferRow& row) {
  auto& at = side(leg, role);
  if (row.epoch.value > s_.epoch) {
    supersede();
    return failLeg(leg, "another manager has claimed VM " + s_.vm + " on " + device(leg, role) + " with the newer epoch " +
                            std::to_string(row.epoch.value));
  }
  if (isEndedBadly(row.operStatus)) {
    // A source whose deadline passed after the commit has kept its rows; a release is still accepted when the VM has resumed.
    if (role == TransferRole::source && at.step == SideStep::ready && s_.stage >= Stage::releasing) return;
    return failLeg(leg, refusalOf(device(leg, role), row));
  }
  if (at.step != SideStep::working) return;
  if (role == TransferRole::source && row.blockedTime.value != 0 && !s_.legs[leg].blocked) {
    s_.legs[leg].blocked = true;
    report(device(leg, role) + " has blocked the traffic of VM " + s_.vm, Mark::blocked, leg);
  }
  if (role == TransferRole::source && row.operStatus == TransferOper::frozen) {
    at.step = SideStep::ready;
    report(device(leg, role) + " is frozen and its last read is over: " + counted(row.rows, "row"), Mark::lastRead, leg);
  }
  if (role == TransferRole::destination && row.operStatus == TransferOper::committed) {
    at.step = SideStep::ready;
    report(device(leg, role) + " has committed " + counted(row.rows, "row"), Mark::commit, leg);
  }
}

void Stepper::holdDone(const ActionDone& event) {
  s_.holdEnding = false;
  bool isRelease = event.action.kind == ActionKind::releaseHold;
  if (!event.failure) {
    s_.holdHost.clear();
    if (isRelease && s_.stage == Stage::releasing) {
      report("host " + event.action.host + " was told to go on", Mark::release);
      enter(Stage::awaiting, s_.plan.limits.resume);
    }
    return;
  }
  warn("the hold of VM " + s_.vm + " on host " + event.action.host + " could not be " + (isRelease ? "released" : "cancelled") +
       ": " + event.failure->text);
  if (event.failure->unreachable && now_ < s_.holdGiveUpAt) {
    s_.holdRetryAt = now_ + s_.plan.limits.retry;
    return;
  }
  s_.holdHost.clear();
  // The host's own deadline ends the hold; its phases tell how.
  if (isRelease && s_.stage == Stage::releasing) enter(Stage::awaiting, s_.plan.limits.resume);
}

void Stepper::endingFailed(const ActionDone& event, Side& at) {
  if (event.failure->unreachable && now_ < at.giveUpAt) {
    at.retryAt = now_ + s_.plan.limits.retry;
    return;
  }
  at.step = SideStep::lost;
  warn(device(event.action.leg, event.action.role) + " did not take " + std::string{name(event.action.kind)} + " for VM " +
       s_.vm + ": " + event.failure->text + "; its own deadline ends the transfer");
}

std::string refusalOf(const std::string& device, const TransferRow& row) {
  return device + ": its transfer is " + labelOf(row.operStatus) + ": " +
         (row.error.value.empty() ? "it says no reason; see its log" : row.error.value);
}

State start(Plan plan, std::string vm, std::map<std::string, SeenPhase> seen) {
  State state{.plan = std::move(plan), .vm = std::move(vm)};
  state.legs.resize(state.plan.legs.size());
  state.seen = std::move(seen);
  return state;
}

State adopt(Plan plan, std::string vm, std::map<std::string, SeenPhase> seen, std::uint32_t epoch, Time now) {
  auto state = start(std::move(plan), std::move(vm), std::move(seen));
  state.epoch = epoch;
  state.stopped = true;
  state.stage = Stage::switching;
  state.deadline = now + state.plan.limits.stop;
  for (auto& leg : state.legs) {
    leg.source.step = leg.destination.step = SideStep::ready;
    leg.copying = leg.copied = leg.good = true;
  }
  return state;
}

Step step(State state, const Event& event, Time now) {
  Stepper stepper{std::move(state), now};
  std::visit([&](const auto& e) { stepper.on(e); }, event);
  stepper.advance();
  return stepper.take();
}

bool isVmWaiting(const State& state) { return state.stopped && state.stage != Stage::finishing && state.stage != Stage::over; }

std::optional<Time> wakeAt(const State& state) {
  if (state.stage == Stage::over) return std::nullopt;
  auto at = state.deadline;
  if (state.holdRetryAt) at = std::min(at, *state.holdRetryAt);
  for (const auto& leg : state.legs)
    for (const auto* side : {&leg.source, &leg.destination})
      if (side->retryAt) at = std::min(at, *side->retryAt);
  return at == Time::max() ? std::nullopt : std::optional{at};
}

}  // namespace vmmig::migration

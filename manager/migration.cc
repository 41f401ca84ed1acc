// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/migration.h"

#include <algorithm>

#include "common/hex.h"

namespace vmmig::migration {

namespace {

bool isEndedBadly(TransferOper oper) {
  return oper == TransferOper::aborted || oper == TransferOper::failed || oper == TransferOper::expired;
}

/// Works on a copy of the state: event by event it notes the facts, then advance() asks for all that they permit.
class Stepper {
 public:
  Stepper(State state, Time now) : s_(std::move(state)), now_(now) {}

  void on(const Begin&);
  void on(const Surveyed&);
  void on(const PhaseSeen&);
  void on(const TransferSeen&);
  void on(const ActionDone&);
  void on(const Tick&);
  void on(const OperatorAbort&);
  void advance();
  Step take() { return {std::move(s_), std::move(actions_)}; }

 private:
  Side& side(std::size_t leg, TransferRole role) {
    return role == TransferRole::source ? s_.legs[leg].source : s_.legs[leg].destination;
  }
  const std::string& device(std::size_t leg, TransferRole role) const {
    return role == TransferRole::source ? s_.plan.legs[leg].source : s_.plan.legs[leg].destination;
  }
  bool isRequired() const { return s_.plan.policy == TransferPolicy::require; }
  bool allLive(bool (*holds)(const Leg&)) const {
    return std::all_of(s_.legs.begin(), s_.legs.end(), [&](const Leg& leg) { return !leg.isLive() || holds(leg); });
  }

  void emit(ActionKind kind, std::size_t leg = 0, TransferRole role = TransferRole::source) {
    actions_.push_back({.kind = kind, .leg = leg, .role = role});
  }
  void emitHold(ActionKind kind) { actions_.push_back({.kind = kind, .host = s_.holdHost}); }
  void report(std::string text, Mark mark = Mark::none, std::size_t leg = 0) {
    actions_.push_back({.kind = ActionKind::report, .leg = leg, .text = std::move(text), .mark = mark});
  }
  void warn(std::string text) {
    report(std::move(text));
    actions_.back().isWarning = true;
  }

  void enter(Stage stage, Clock::duration limit) {
    s_.stage = stage;
    s_.deadline = now_ + limit;
  }
  void markStopped();
  void markResumed();
  void holdEnded(const PhaseRow& row);
  bool survivesAfterStop(const PhaseSeen& event);
  void sideAdvanced(std::size_t leg, TransferRole role, const TransferRow& row);
  void holdDone(const ActionDone& event);
  void endingFailed(const ActionDone& event, Side& at);
  void compare(std::size_t leg);
  void failLeg(std::size_t leg, std::string text, bool unreachable = false);
  void abortSide(std::size_t leg, TransferRole role);
  void abortLeg(std::size_t leg);
  void endSide(std::size_t leg, TransferRole role, ActionKind kind);
  void takeBack(std::string reason);
  void leaveUnknown();
  void advanceLeg(std::size_t leg);
  void advanceSwitch();
  void finish();
  void stageTimedOut();
  void retrySides();
  void overIfAllFinal();

  State s_;
  Time now_;
  std::vector<Action> actions_;
};

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
  if (s_.plan.now) markStopped();
  // A phase that came while the devices were being read.
  if (s_.stopped) enter(Stage::switching, s_.plan.limits.stop);
}

void Stepper::on(const PhaseSeen& event) {
  auto& seen = s_.seen[event.host];
  const auto& row = event.row;
  bool isNews = row.sequence > seen.sequence || (row.sequence == seen.sequence && row.holdStatus > seen.hold);
  if (!isNews || s_.stage == Stage::over) return;
  seen = {row.sequence, row.holdStatus};

  if (row.holdStatus == HoldStatus::held && s_.stage < Stage::releasing) {
    s_.holdHost = event.host;
    if (row.holdDeadline > 0)
      s_.deadline = std::min(s_.deadline, now_ + std::chrono::milliseconds{row.holdDeadline.value});
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
      s_.holdHost.clear();
      if (s_.resumed || s_.stage >= Stage::finishing)
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
  if (s_.stage == Stage::over || at.isFinal()) return;
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
  if (event.failure) return failLeg(action.leg, event.failure->text, event.failure->unreachable);
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
  if (s_.stage != Stage::following) return;
  auto holdUntil = s_.holdHost.empty() ? Time::max() : s_.deadline;
  enter(Stage::switching, s_.plan.limits.stop);
  s_.deadline = std::min(s_.deadline, holdUntil);
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
  bool goesBack = row.holdStatus == HoldStatus::cancelled ||
                  (row.holdStatus == HoldStatus::expired && row.holdPolicy == HoldPolicy::require);
  if (s_.stage >= Stage::releasing && row.holdStatus == HoldStatus::released) return;
  s_.holdHost.clear();
  if (goesBack)
    takeBack(row.holdStatus == HoldStatus::cancelled ? "the hold was cancelled at the hypervisor"
                                                     : "the hold expired before the devices were ready");
  else if (s_.stage < Stage::releasing)
    warn("the hold of VM " + s_.vm + " ended before the devices were ready; its state follows late");
}

void Stepper::sideAdvanced(std::size_t leg, TransferRole role, const TransferRow& row) {
  auto& at = side(leg, role);
  if (row.epoch.value > s_.epoch)
    return failLeg(leg, "another manager has claimed VM " + s_.vm + " on " + device(leg, role) + " with the newer epoch " +
                            std::to_string(row.epoch.value));
  if (isEndedBadly(row.operStatus)) {
    // A source whose deadline passed after the commit has kept its rows; a release is still accepted when the VM has resumed.
    if (role == TransferRole::source && at.step == SideStep::ready && s_.stage >= Stage::releasing) return;
    return failLeg(leg, device(leg, role) + " gave the transfer up: " +
                            (row.error.value.empty() ? "it says no reason; see its log" : row.error.value));
  }
  if (at.step != SideStep::working) return;
  if (role == TransferRole::source && row.operStatus == TransferOper::frozen) {
    at.step = SideStep::ready;
    report(device(leg, role) + " is frozen and its last read is over: " + std::to_string(row.rows) + " rows", Mark::lastRead, leg);
  }
  if (role == TransferRole::destination && row.operStatus == TransferOper::committed) {
    at.step = SideStep::ready;
    report(device(leg, role) + " has committed " + std::to_string(row.rows) + " rows", Mark::commit, leg);
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
  if (event.failure->unreachable && now_ < s_.deadline) {
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
  warn(device(event.action.leg, event.action.role) + " did not take " + std::string{name(event.action.kind)} + " for VM " + s_.vm +
       ": " + event.failure->text + "; its own deadline ends the transfer");
}

void Stepper::compare(std::size_t index) {
  auto& leg = s_.legs[index];
  const auto& was = leg.source.row;
  const auto& is = leg.destination.row;
  bool isComplete = is.missing == 0 && is.rows == was.rows && is.digest == was.digest;
  bool isTold = !isRequired() && is.missing > 0 && is.rows + is.missing == was.rows;
  if (isComplete || isTold) {
    leg.good = true;
    if (isTold) warn(s_.plan.legs[index].destination + " could not take " + std::to_string(is.missing) + " rows of VM " + s_.vm);
    return;
  }
  failLeg(index, s_.plan.legs[index].destination + " does not hold what " + s_.plan.legs[index].source + " had: " +
                     std::to_string(is.rows) + " rows with digest " + toHex(is.digest.value).substr(0, 16) + " instead of " +
                     std::to_string(was.rows) + " with " + toHex(was.digest.value).substr(0, 16));
}

void Stepper::failLeg(std::size_t index, std::string text, bool unreachable) {
  auto& leg = s_.legs[index];
  if (!leg.isLive() || s_.stage >= Stage::finishing) return;
  leg.failure = text.empty() ? "it failed without a reason" : std::move(text);
  leg.good = false;
  warn("VM " + s_.vm + ", " + s_.plan.legs[index].source + " to " + s_.plan.legs[index].destination + ": " + leg.failure);
  // Once the hypervisor was told to go on, the other legs belong to the destination.
  if (isRequired() && s_.stage < Stage::releasing) {
    s_.causeUnreachable = unreachable;
    return takeBack(leg.failure);
  }
  abortLeg(index);
}

void Stepper::abortSide(std::size_t leg, TransferRole role) {
  auto& at = side(leg, role);
  if (at.isFinal() || at.step == SideStep::ending || at.step == SideStep::aborting) return;
  at.step = SideStep::aborting;
  at.giveUpAt = now_ + s_.plan.limits.ending;
  emit(ActionKind::abort, leg, role);
}

void Stepper::abortLeg(std::size_t leg) {
  // The source first: its traffic is what waits.
  abortSide(leg, TransferRole::source);
  abortSide(leg, TransferRole::destination);
}

void Stepper::takeBack(std::string reason) {
  if (s_.stage >= Stage::finishing) return;
  s_.reason = std::move(reason);
  // A resumed VM has left; what stays at the source is of no use to it, but nothing was lost there.
  s_.outcome = s_.causeUnreachable ? Outcome::unreachable : Outcome::notMoved;
  warn("VM " + s_.vm + " is taken back: " + s_.reason);
  enter(Stage::takingBack, s_.plan.limits.ending);
  for (std::size_t leg = 0; leg < s_.legs.size(); ++leg) abortLeg(leg);
  s_.holdRetryAt.reset();
  if (s_.holdHost.empty()) return;
  s_.holdEnding = true;
  emitHold(ActionKind::cancelHold);
}

/// The hypervisor was told to go on and nobody knows where the VM runs. The source may let its traffic flow; the destination sees
/// by the life of its rows whether the VM has come.
void Stepper::leaveUnknown() {
  warn("no host tells where VM " + s_.vm +
       " runs now; look there. The source keeps its rows, the destination decides by the life of its rows at its own deadline");
  s_.reason = "no host told that the VM resumed";
  s_.outcome = Outcome::incomplete;
  for (auto& leg : s_.legs)
    if (leg.destination.step == SideStep::ready) leg.destination.step = SideStep::left;
  enter(Stage::takingBack, s_.plan.limits.ending);
  for (std::size_t leg = 0; leg < s_.legs.size(); ++leg) abortLeg(leg);
}

// --- what the facts permit ---------------------------------------------------------------------------------------------

void Stepper::advance() {
  if (s_.stage == Stage::following || s_.stage == Stage::switching) {
    for (std::size_t leg = 0; leg < s_.legs.size(); ++leg)
      if (s_.stage < Stage::releasing) advanceLeg(leg);
  }
  if (s_.stage == Stage::switching) advanceSwitch();
  if ((s_.stage == Stage::awaiting || s_.stage == Stage::releasing) && s_.resumed) finish();
  if (s_.stage == Stage::finishing || s_.stage == Stage::takingBack) overIfAllFinal();
}

void Stepper::advanceLeg(std::size_t index) {
  auto& leg = s_.legs[index];
  if (!leg.isLive()) return;
  if (!leg.copying && leg.source.step == SideStep::claimed && leg.destination.step == SideStep::claimed) {
    leg.copying = true;
    emit(ActionKind::copy, index);
  }
  if (s_.stopped && leg.source.step == SideStep::claimed) {
    leg.source.step = SideStep::working;
    emit(ActionKind::freeze, index, TransferRole::source);
  }
  if (leg.source.step == SideStep::ready && leg.copied && leg.destination.step == SideStep::claimed) {
    leg.destination.step = SideStep::working;
    emit(ActionKind::commit, index, TransferRole::destination);
  }
  if (leg.source.step == SideStep::ready && leg.destination.step == SideStep::ready && !leg.good) compare(index);
}

void Stepper::advanceSwitch() {
  if (!allLive([](const Leg& leg) { return leg.good; })) return;
  if (s_.plan.now) {
    report("every device has committed", Mark::release);
    markResumed();
  }
  if (s_.resumed) return finish();
  if (s_.holdHost.empty()) return enter(Stage::awaiting, s_.plan.limits.resume);
  s_.stage = Stage::releasing;  // the deadline stays: that of the hold
  s_.holdEnding = true;
  emitHold(ActionKind::releaseHold);
}

void Stepper::finish() {
  enter(Stage::finishing, s_.plan.limits.ending);
  s_.holdHost.clear();
  s_.holdRetryAt.reset();
  for (std::size_t leg = 0; leg < s_.legs.size(); ++leg) {
    if (!s_.legs[leg].isLive()) continue;
    endSide(leg, TransferRole::destination, ActionKind::done);
    endSide(leg, TransferRole::source, ActionKind::release);
  }
}

void Stepper::endSide(std::size_t leg, TransferRole role, ActionKind kind) {
  auto& at = side(leg, role);
  at.step = SideStep::ending;
  at.giveUpAt = now_ + s_.plan.limits.ending;
  emit(kind, leg, role);
}

void Stepper::stageTimedOut() {
  s_.deadline = Time::max();
  switch (s_.stage) {
    case Stage::surveying: return takeBack("the devices did not answer in time");
    case Stage::following: return takeBack("no host told that the VM stopped");
    case Stage::switching:
      for (std::size_t leg = 0; leg < s_.legs.size(); ++leg)
        if (!s_.legs[leg].good) failLeg(leg, "it took longer than the stop may last");
      return;
    case Stage::releasing: return enter(Stage::awaiting, s_.plan.limits.resume);
    case Stage::awaiting: return leaveUnknown();
    default: return;  // each side has its own limit
  }
}

void Stepper::retrySides() {
  for (std::size_t leg = 0; leg < s_.legs.size(); ++leg)
    for (auto role : {TransferRole::source, TransferRole::destination}) {
      auto& at = side(leg, role);
      if (!at.retryAt || now_ < *at.retryAt) continue;
      at.retryAt.reset();
      if (at.step == SideStep::aborting) emit(ActionKind::abort, leg, role);
      if (at.step == SideStep::ending)
        emit(role == TransferRole::source ? ActionKind::release : ActionKind::done, leg, role);
    }
}

void Stepper::overIfAllFinal() {
  for (const auto& leg : s_.legs)
    if (!leg.source.isFinal() || !leg.destination.isFinal()) return;
  if (s_.stage == Stage::takingBack && (s_.holdEnding || s_.holdRetryAt)) return;
  if (s_.stage == Stage::finishing) {
    bool isWhole = std::all_of(s_.legs.begin(), s_.legs.end(), [](const Leg& leg) {
      return leg.good && leg.destination.row.missing == 0 && leg.source.step == SideStep::ended &&
             leg.destination.step == SideStep::ended;
    });
    s_.outcome = isWhole && !s_.late ? Outcome::moved : Outcome::incomplete;
  }
  s_.stage = Stage::over;
  s_.deadline = Time::max();
  report("VM " + s_.vm + ": " + std::string{name(s_.outcome)} + (s_.reason.empty() ? "" : " (" + s_.reason + ")"));
}

}  // namespace

State start(Plan plan, std::string vm, std::map<std::string, SeenPhase> seen) {
  State state{.plan = std::move(plan), .vm = std::move(vm)};
  state.legs.resize(state.plan.legs.size());
  state.seen = std::move(seen);
  return state;
}

State adopt(Plan plan, std::string vm, std::uint32_t epoch, Time now) {
  auto state = start(std::move(plan), std::move(vm), {});
  state.epoch = epoch;
  state.stopped = true;
  state.stage = Stage::awaiting;
  state.deadline = now + state.plan.limits.resume;
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

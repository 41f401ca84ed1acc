// SPDX-License-Identifier: GPL-2.0-or-later
// What the facts of a migration permit: the actions, the failures of a leg, the ways to the end.
#include "common/hex.h"
#include "manager/counted.h"
#include "manager/migration_stepper.h"

namespace vmmig::migration {

// --- what the facts permit ---------------------------------------------------------------------------------------------

void Stepper::advance() {
  if (s_.stage == Stage::following || s_.stage == Stage::switching) {
    bool isClaimed =
        allLive([](const Leg& leg) { return leg.source.step >= SideStep::claimed && leg.destination.step >= SideStep::claimed; });
    // With nobody to tell the stop, the VM's traffic stops when everything is prepared.
    if (s_.plan.now && isClaimed) markStopped();
    for (std::size_t leg = 0; leg < s_.legs.size(); ++leg)
      if (s_.stage < Stage::releasing) advanceLeg(leg);
  }
  if (s_.stage == Stage::switching) advanceSwitch();
  if ((s_.stage == Stage::awaiting || s_.stage == Stage::releasing) && s_.resumed) finish();
  if (s_.stage == Stage::finishing) {
    for (std::size_t leg = 0; leg < s_.legs.size(); ++leg) advanceEnding(leg);
  }
  if (s_.stage == Stage::finishing || s_.stage == Stage::takingBack) overIfAllFinal();
}

void Stepper::advanceLeg(std::size_t index) {
  auto& leg = s_.legs[index];
  if (!leg.isLive()) return;
  // The source may be freezing or frozen already, when the VM stopped before the destination answered.
  bool canCopy = leg.source.step >= SideStep::claimed && leg.source.step <= SideStep::ready;
  if (!leg.copying && canCopy && leg.destination.step == SideStep::claimed) {
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
  s_.holdGiveUpAt = s_.deadline;
  s_.holdEnding = true;
  emitHold(ActionKind::releaseHold);
}

void Stepper::finish() {
  enter(Stage::finishing, s_.plan.limits.ending);
  s_.holdHost.clear();
  s_.holdRetryAt.reset();
  for (std::size_t leg = 0; leg < s_.legs.size(); ++leg) {
    if (s_.legs[leg].isLive()) endSide(leg, TransferRole::destination, ActionKind::done);
  }
}

/// The source deletes only what the destination has for good.
void Stepper::advanceEnding(std::size_t leg) {
  const auto& source = s_.legs[leg].source;
  const auto& destination = s_.legs[leg].destination;
  if (source.step != SideStep::ready) return;
  if (destination.step == SideStep::ended) endSide(leg, TransferRole::source, ActionKind::release);
  if (destination.step == SideStep::lost) abortSide(leg, TransferRole::source);
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
      for (std::size_t leg = 0; leg < s_.legs.size(); ++leg) {
        // Where all legs fall with the first, its reason is that of all.
        auto only = isRequired() ? std::nullopt : std::optional{leg};
        if (!s_.legs[leg].good) failLeg(leg, "it took longer than the stop may last" + awaited(only));
      }
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
      if (at.step == SideStep::ending) emit(role == TransferRole::source ? ActionKind::release : ActionKind::done, leg, role);
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
  // The reason has been told.
  report("VM " + s_.vm + ": " + std::string{name(s_.outcome)});
}

void Stepper::compare(std::size_t index) {
  auto& leg = s_.legs[index];
  const auto& was = leg.source.row;
  const auto& is = leg.destination.row;
  bool isComplete = is.missing == 0 && is.rows == was.rows && is.digest == was.digest;
  bool isTold = !isRequired() && is.missing > 0 && is.rows + is.missing == was.rows;
  if (isComplete || isTold) {
    leg.good = true;
    if (isTold) warn(s_.plan.legs[index].destination + " could not take " + counted(is.missing, "row") + " of VM " + s_.vm);
    return;
  }
  failLeg(index, s_.plan.legs[index].destination + " does not hold what " + s_.plan.legs[index].source +
                     " had: " + counted(is.rows, "row") + " with digest " + toHex(is.digest.value).substr(0, 16) +
                     " instead of " + std::to_string(was.rows) + " with " + toHex(was.digest.value).substr(0, 16));
}

void Stepper::failLeg(std::size_t index, std::string text, bool unreachable) {
  auto& leg = s_.legs[index];
  if (!leg.isLive() || s_.stage >= Stage::finishing) return;
  leg.failure = text.empty() ? "it failed without a reason" : std::move(text);
  leg.good = false;
  // Once the hypervisor was told to go on, the other legs belong to the destination.
  if (isRequired() && s_.stage < Stage::releasing) {
    s_.causeUnreachable = unreachable;
    return takeBack(leg.failure);
  }
  warn("VM " + s_.vm + ", " + s_.plan.legs[index].source + " to " + s_.plan.legs[index].destination + ": " + leg.failure);
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
  if (!s_.holdHost.empty()) cancelHold();
}

void Stepper::cancelHold() {
  s_.holdGiveUpAt = s_.deadline;
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

}  // namespace vmmig::migration

// SPDX-License-Identifier: GPL-2.0-or-later
// The inside of the migration's state machine; only migration*.cc include it. migration.cc has what each event says,
// migration_advance.cc what the facts then permit, migration_words.cc the words.
#pragma once

#include <algorithm>

#include "manager/migration.h"

namespace vmmig::migration {

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
    if (stage == Stage::switching) s_.deadline = std::min(s_.deadline, s_.holdUntil);
  }
  void markStopped();
  void markResumed();
  void holdEnded(const PhaseRow& row);
  void sideAdvanced(std::size_t leg, TransferRole role, const TransferRow& row);
  void holdDone(const ActionDone& event);
  void endingFailed(const ActionDone& event, Side& at);
  void compare(std::size_t leg);
  void failLeg(std::size_t leg, std::string text, bool unreachable = false);
  void abortSide(std::size_t leg, TransferRole role);
  void abortLeg(std::size_t leg);
  void endSide(std::size_t leg, TransferRole role, ActionKind kind);
  void takeBack(std::string reason);
  void cancelHold();
  void supersede() {
    s_.superseded = true;
    s_.holdHost.clear();
  }
  void leaveUnknown();
  /// ", waiting for fw-b (committing)": of a leg, or of all that are not good.
  std::string awaited(std::optional<std::size_t> only = std::nullopt) const;
  void advanceLeg(std::size_t leg);
  void advanceSwitch();
  void finish();
  void advanceEnding(std::size_t leg);
  void stageTimedOut();
  void retrySides();
  void overIfAllFinal();

  State s_;
  Time now_;
  std::vector<Action> actions_;
};

}  // namespace vmmig::migration

// SPDX-License-Identifier: GPL-2.0-or-later
// The migration's state machine: the story told straight, and what each failure leads to.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/unit/migration_events.h"

namespace vmmig::migration {
namespace {

/// Feeds events one by one and remembers what was asked for.
class Story : public testing::Test {
 protected:
  void begin(Plan plan) { state = start(std::move(plan), "web1", {}); }
  std::vector<Action> feed(const Event& event) {
    auto result = step(std::move(state), event, now);
    state = std::move(result.state);
    now += 1ms;
    std::vector<Action> wanted;
    for (auto& action : result.actions) (action.kind == ActionKind::report ? reports : wanted).push_back(action);
    asked.insert(asked.end(), wanted.begin(), wanted.end());
    return wanted;
  }
  std::vector<Action> done(ActionKind kind, std::size_t leg = 0, TransferRole role = TransferRole::source,
                           std::optional<Failure> failure = {}) {
    return feed(ActionDone{{.kind = kind, .leg = leg, .role = role, .host = "host-a"}, std::move(failure)});
  }
  void claimAll() {
    feed(Begin{});
    feed(Surveyed{.unixSeconds = 1000, .highestEpoch = 5});
    for (std::size_t leg = 0; leg < state.legs.size(); ++leg) {
      done(ActionKind::claim, leg, TransferRole::source);
      done(ActionKind::claim, leg, TransferRole::destination);
    }
  }
  void freezeAndCommit(std::size_t leg = 0, std::string digestThere = "same") {
    feed(TransferSeen{leg, TransferRole::source, transfer(TransferOper::frozen, state.epoch)});
    done(ActionKind::copy, leg);
    feed(TransferSeen{leg, TransferRole::destination, transfer(TransferOper::committed, state.epoch, 7, std::move(digestThere))});
  }
  std::size_t count(ActionKind kind) const {
    return static_cast<std::size_t>(std::count_if(asked.begin(), asked.end(), [&](const auto& a) { return a.kind == kind; }));
  }
  static std::vector<std::string> kinds(const std::vector<Action>& actions) {
    std::vector<std::string> names;
    for (const auto& action : actions)
      names.push_back(std::string{name(action.kind)} + (action.role == TransferRole::source ? " source" : " destination"));
    return names;
  }

  State state;
  Time now = Time{} + 1h;
  std::vector<Action> asked, reports;
};
using Names = std::vector<std::string>;

TEST_F(Story, aHoldThatBeginsWhileEverythingIsTakenBackIsCancelled) {
  begin(planOf(2));
  claimAll();
  auto row = transfer(TransferOper::failed, state.epoch);
  row.error.value = "there is no port srv-b";
  feed(TransferSeen{1, TransferRole::destination, row});
  EXPECT_EQ(state.stage, Stage::takingBack);
  EXPECT_EQ(count(ActionKind::abort), 4u) << "both legs, both sides";
  EXPECT_EQ(count(ActionKind::cancelHold), 0u) << "nobody is held yet";
  feed(phase(Phase::stopped, 3, HoldStatus::held));
  EXPECT_EQ(count(ActionKind::cancelHold), 1u);
  for (std::size_t leg : {0u, 1u})
    for (auto role : {TransferRole::source, TransferRole::destination}) done(ActionKind::abort, leg, role);
  EXPECT_NE(state.stage, Stage::over) << "the hypervisor waits for its answer";
  done(ActionKind::cancelHold);
  EXPECT_EQ(state.stage, Stage::over);
  EXPECT_EQ(state.outcome, Outcome::notMoved);
}

TEST_F(Story, aRefusalIsReportedOnceAndWhole) {
  begin(planOf(1));
  claimAll();
  auto row = transfer(TransferOper::failed, state.epoch);
  row.error.value = "there is no port srv-b";
  feed(TransferSeen{0, TransferRole::destination, row});
  done(ActionKind::abort, 0, TransferRole::source);
  done(ActionKind::abort, 0, TransferRole::destination);
  ASSERT_EQ(state.stage, Stage::over);
  int told = 0;
  for (const auto& report : reports)
    if (report.text.find("there is no port srv-b") != std::string::npos) {
      ++told;
      EXPECT_EQ(report.text, "VM web1 is taken back: dst0: its transfer is failed: there is no port srv-b");
      EXPECT_TRUE(report.isWarning);
    }
  EXPECT_EQ(told, 1);
}

TEST_F(Story, aHoldOfANewerManagersMigrationIsNotCancelled) {
  begin(planOf(1));
  claimAll();
  feed(TransferSeen{0, TransferRole::source, transfer(TransferOper::tracking, state.epoch + 1)});
  ASSERT_EQ(state.stage, Stage::takingBack);
  feed(phase(Phase::stopped, 3, HoldStatus::held));
  EXPECT_EQ(count(ActionKind::cancelHold), 0u);
}

TEST_F(Story, aMigrationGoesFromPreCopyToReleaseInItsOrder) {
  begin(planOf(1));
  EXPECT_EQ(kinds(feed(Begin{})), Names{"survey source"});
  EXPECT_EQ(kinds(feed(Surveyed{.unixSeconds = 1000, .highestEpoch = 5})), (Names{"claim source", "claim destination"}));
  EXPECT_EQ(state.epoch, 1000u);
  EXPECT_TRUE(done(ActionKind::claim).empty());
  EXPECT_EQ(kinds(done(ActionKind::claim, 0, TransferRole::destination)), Names{"copy source"});
  EXPECT_TRUE(feed(phase(Phase::preCopy, 1)).empty());
  EXPECT_EQ(kinds(feed(phase(Phase::stopped, 2, HoldStatus::held))), Names{"freeze source"});
  EXPECT_TRUE(feed(TransferSeen{0, TransferRole::source, transfer(TransferOper::frozen, 1000)}).empty());
  EXPECT_EQ(kinds(done(ActionKind::copy)), Names{"commit destination"});
  EXPECT_EQ(kinds(feed(TransferSeen{0, TransferRole::destination, transfer(TransferOper::committed, 1000)})),
            Names{"release the hold source"});
  EXPECT_TRUE(done(ActionKind::releaseHold).empty());
  EXPECT_EQ(kinds(feed(phase(Phase::resumed, 1, HoldStatus::none, "host-b"))), Names{"done destination"});
  EXPECT_EQ(kinds(done(ActionKind::done, 0, TransferRole::destination)), Names{"release source"});
  done(ActionKind::release);
  EXPECT_EQ(state.stage, Stage::over);
  EXPECT_EQ(state.outcome, Outcome::moved);
  std::vector<Mark> marks;
  for (const auto& report : reports)
    if (report.mark != Mark::none) marks.push_back(report.mark);
  EXPECT_EQ(marks, (std::vector{Mark::stop, Mark::blocked, Mark::lastRead, Mark::commit, Mark::release, Mark::resume}));
}

TEST_F(Story, anEpochIsNewerThanAllThatTheDevicesHaveSeen) {
  begin(planOf(1));
  feed(Begin{});
  feed(Surveyed{.unixSeconds = 1000, .highestEpoch = 2000});
  EXPECT_EQ(state.epoch, 2001u);
}

TEST_F(Story, phasesThatComeTwiceOrTooLateChangeNothing) {
  begin(planOf(1));
  claimAll();
  EXPECT_EQ(feed(phase(Phase::stopped, 3, HoldStatus::held)).size(), 1u);
  EXPECT_TRUE(feed(phase(Phase::stopped, 3, HoldStatus::held)).empty());
  EXPECT_TRUE(feed(phase(Phase::cancelled, 2)).empty());
  EXPECT_EQ(state.stage, Stage::switching);
}

TEST_F(Story, phasesOfAnEarlierMigrationAreNotTakenForThisOne) {
  state = start(planOf(1), "web1", {{"host-b", {9, HoldStatus::none}}});
  claimAll();
  EXPECT_TRUE(feed(phase(Phase::resumed, 9, HoldStatus::none, "host-b")).empty());
  EXPECT_EQ(state.stage, Stage::following);
}

TEST_F(Story, aStopDuringTheSurveyFreezesAsSoonAsTheSourceIsClaimed) {
  begin(planOf(1));
  feed(Begin{});
  EXPECT_TRUE(feed(phase(Phase::stopped, 1, HoldStatus::held)).empty());
  feed(Surveyed{.unixSeconds = 1000});
  EXPECT_EQ(state.stage, Stage::switching);
  EXPECT_EQ(kinds(done(ActionKind::claim)), Names{"freeze source"});
  EXPECT_EQ(kinds(done(ActionKind::claim, 0, TransferRole::destination)), Names{"copy source"});
}

TEST_F(Story, withoutAHypervisorEverythingFollowsAtOnce) {
  begin(planOf(1, TransferPolicy::require, true));
  claimAll();
  EXPECT_EQ(count(ActionKind::freeze), 1u);
  freezeAndCommit();
  EXPECT_EQ(count(ActionKind::releaseHold), 0u);
  done(ActionKind::done, 0, TransferRole::destination);
  EXPECT_EQ(count(ActionKind::release), 1u);
  done(ActionKind::release);
  EXPECT_EQ(state.outcome, Outcome::moved);
}

TEST_F(Story, aDigestThatDiffersCancelsAMigrationThatRequiresAll) {
  begin(planOf(2));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  freezeAndCommit(0);
  freezeAndCommit(1, "other");
  EXPECT_EQ(count(ActionKind::releaseHold), 0u);
  EXPECT_EQ(count(ActionKind::cancelHold), 1u);
  EXPECT_EQ(count(ActionKind::abort), 4u) << "all legs or none";
  EXPECT_EQ(state.outcome, Outcome::notMoved);
}

TEST_F(Story, bestEffortLeavesABadLegOutAndTellsIt) {
  begin(planOf(2, TransferPolicy::bestEffort));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  freezeAndCommit(0);
  freezeAndCommit(1, "other");
  EXPECT_EQ(count(ActionKind::releaseHold), 1u);
  EXPECT_EQ(count(ActionKind::abort), 2u);
  done(ActionKind::abort, 1);
  done(ActionKind::abort, 1, TransferRole::destination);
  done(ActionKind::releaseHold);
  feed(phase(Phase::resumed, 2));
  done(ActionKind::done, 0, TransferRole::destination);
  done(ActionKind::release);
  EXPECT_EQ(state.outcome, Outcome::incomplete);
}

TEST_F(Story, bestEffortCountsRowsThatTheDestinationCouldNotTake) {
  begin(planOf(1, TransferPolicy::bestEffort));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  feed(TransferSeen{0, TransferRole::source, transfer(TransferOper::frozen, state.epoch)});
  done(ActionKind::copy);
  auto row = transfer(TransferOper::committed, state.epoch, 5, "of fewer rows");
  row.missing = 2;
  feed(TransferSeen{0, TransferRole::destination, row});
  EXPECT_EQ(count(ActionKind::releaseHold), 1u);
  done(ActionKind::releaseHold);
  feed(phase(Phase::resumed, 2));
  done(ActionKind::done, 0, TransferRole::destination);
  done(ActionKind::release);
  EXPECT_EQ(state.outcome, Outcome::incomplete);
}

TEST_F(Story, aCancelledMigrationIsTakenBackAtBothSides) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::preCopy, 1));
  auto actions = feed(phase(Phase::cancelled, 2));
  EXPECT_EQ(kinds(actions), (Names{"abort source", "abort destination"}));
  done(ActionKind::abort);
  done(ActionKind::abort, 0, TransferRole::destination);
  EXPECT_EQ(state.stage, Stage::over);
  EXPECT_EQ(state.outcome, Outcome::notMoved);
}

TEST_F(Story, aDestinationThatFailsDoesNotLeaveTheSourceHeld) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  auto actions = feed(phase(Phase::failed, 9, HoldStatus::none, "host-b"));
  EXPECT_EQ(kinds(actions), (Names{"abort source", "abort destination", "cancel the hold source"}));
  EXPECT_EQ(actions.back().host, "host-a");
}

TEST_F(Story, aSourceThatFailsHoldsNobodyAnyMore) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  EXPECT_EQ(kinds(feed(phase(Phase::failed, 2))), (Names{"abort source", "abort destination"}));
}

TEST_F(Story, aDeadDeviceCancelsTheHoldAtOnceAndIsTriedAgainUntilItsTimeIsUp) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  auto actions = done(ActionKind::freeze, 0, TransferRole::source, Failure{true, "no answer"});
  EXPECT_EQ(kinds(actions), (Names{"abort source", "abort destination", "cancel the hold source"}));
  done(ActionKind::cancelHold);
  done(ActionKind::abort, 0, TransferRole::destination);
  for (int tries = 0; state.stage != Stage::over && tries < 1000; ++tries) {
    done(ActionKind::abort, 0, TransferRole::source, Failure{true, "no answer"});
    now = std::max(now, wakeAt(state).value_or(now));
    feed(Tick{});
  }
  EXPECT_EQ(state.stage, Stage::over);
  EXPECT_EQ(state.legs[0].source.step, SideStep::lost);
  EXPECT_EQ(state.outcome, Outcome::unreachable);
}

TEST_F(Story, anUnreachableDeviceStopsItBeforeAnythingIsTouched) {
  begin(planOf(1));
  feed(Begin{});
  auto actions = feed(Surveyed{.unixSeconds = 1, .failures = {{0, {true, "no answer"}}}});
  EXPECT_TRUE(actions.empty());
  EXPECT_EQ(state.stage, Stage::over);
  EXPECT_EQ(state.outcome, Outcome::unreachable);
}

TEST_F(Story, theHoldsOwnDeadlineBoundsTheStop) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  ASSERT_TRUE(wakeAt(state));
  EXPECT_LE(*wakeAt(state), now + 5s);
  now = *wakeAt(state);
  EXPECT_EQ(kinds(feed(Tick{})), (Names{"abort source", "abort destination", "cancel the hold source"}));
}

TEST_F(Story, aStopThatLastedTooLongNamesWhatWasWaitedFor) {
  auto reasonAfter = [&](std::function<void()> events) {
    begin(planOf(2));
    claimAll();
    feed(phase(Phase::stopped, 3, HoldStatus::held));
    events();
    now += state.plan.limits.stop;
    feed(Tick{});
    EXPECT_EQ(state.stage, Stage::takingBack);
    return state.reason;
  };
  const std::string late = "it took longer than the stop may last, waiting for ";
  EXPECT_EQ(reasonAfter([] {}), late + "src0 (freezing), and for src1 (freezing)");
  EXPECT_EQ(reasonAfter([&] { freezeAndCommit(0); }), late + "src1 (freezing)");
  EXPECT_EQ(reasonAfter([&] {
              freezeAndCommit(1);
              feed(TransferSeen{0, TransferRole::source, transfer(TransferOper::frozen, state.epoch)});
            }),
            late + "the copy from src0 to dst0");
  EXPECT_EQ(reasonAfter([&] {
              freezeAndCommit(0);
              feed(TransferSeen{1, TransferRole::source, transfer(TransferOper::frozen, state.epoch)});
              done(ActionKind::copy, 1);
            }),
            late + "dst1 (committing)");
}

TEST_F(Story, aDeviceThatWasNotReadyForTheStopIsNamed) {
  begin(planOf(1));
  feed(Begin{});
  feed(Surveyed{.unixSeconds = 1000, .highestEpoch = 5});
  done(ActionKind::claim, 0, TransferRole::source);
  feed(phase(Phase::stopped, 3, HoldStatus::held));
  feed(phase(Phase::stopped, 3, HoldStatus::expired));
  EXPECT_EQ(state.reason.find("the hold expired before the devices were ready, waiting for src0 (freezing) and dst0 (claiming)"),
            0u)
      << state.reason;
}

TEST_F(Story, withBestEffortEachLegTellsWhatItWaitedFor) {
  begin(planOf(2, TransferPolicy::bestEffort));
  claimAll();
  feed(phase(Phase::stopped, 3, HoldStatus::held));
  now += state.plan.limits.stop;
  feed(Tick{});
  for (const auto& leg : {0u, 1u}) {
    auto source = "src" + std::to_string(leg);
    EXPECT_EQ(state.legs[leg].failure, "it took longer than the stop may last, waiting for " + source + " (freezing)");
  }
}

TEST_F(Story, aVmWaitsFromItsStopUntilItRunsOrIsTakenBack) {
  begin(planOf(1));
  claimAll();
  EXPECT_FALSE(isVmWaiting(state)) << "it runs";
  feed(phase(Phase::stopped, 2, HoldStatus::held));
  EXPECT_TRUE(isVmWaiting(state));
  freezeAndCommit();
  EXPECT_TRUE(isVmWaiting(state)) << "the hold is being released";
  done(ActionKind::releaseHold);
  EXPECT_TRUE(isVmWaiting(state)) << "nobody has told that it runs";
  feed(phase(Phase::resumed, 1, HoldStatus::none, "host-b"));
  EXPECT_FALSE(isVmWaiting(state)) << "what is left is tidying up";

  begin(planOf(1));
  claimAll();
  feed(OperatorAbort{"enough"});
  EXPECT_FALSE(isVmWaiting(state)) << "it never stopped";
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 2, HoldStatus::held));
  feed(OperatorAbort{"enough"});
  EXPECT_TRUE(isVmWaiting(state)) << "its traffic is to flow again";
}

TEST_F(Story, aVmThatResumedTooEarlyStillGetsItsState) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 1));
  feed(phase(Phase::resumed, 2));
  EXPECT_EQ(count(ActionKind::done), 0u);
  freezeAndCommit();
  done(ActionKind::done, 0, TransferRole::destination);
  EXPECT_EQ(count(ActionKind::release), 1u);
  done(ActionKind::release);
  EXPECT_EQ(state.outcome, Outcome::incomplete);
}

TEST_F(Story, whenNobodyTellsWhereTheVmRunsTheDestinationDecidesByItself) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  freezeAndCommit();
  done(ActionKind::releaseHold);
  now = *wakeAt(state);
  EXPECT_EQ(kinds(feed(Tick{})), Names{"abort source"});
  done(ActionKind::abort);
  EXPECT_EQ(state.stage, Stage::over);
  EXPECT_EQ(state.legs[0].destination.step, SideStep::left);
}

TEST_F(Story, aNewerManagersClaimEndsThisOne) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  feed(TransferSeen{0, TransferRole::source, transfer(TransferOper::tracking, state.epoch + 1)});
  EXPECT_EQ(state.stage, Stage::takingBack);
  EXPECT_EQ(count(ActionKind::cancelHold), 0u) << "the hold is the other manager's to end";
}

TEST_F(Story, aRefusalBecauseOfANewerClaimLeavesTheHoldToThatManager) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  done(ActionKind::freeze, 0, TransferRole::source, Failure{false, "an older epoch", true});
  EXPECT_EQ(state.stage, Stage::takingBack);
  EXPECT_EQ(count(ActionKind::cancelHold), 0u);
}

TEST_F(Story, theSourceKeepsItsRowsWhenTheDestinationHasLostThem) {
  begin(planOf(1, TransferPolicy::require, true));
  claimAll();
  freezeAndCommit();
  auto actions = done(ActionKind::done, 0, TransferRole::destination, Failure{false, "expired"});
  EXPECT_EQ(kinds(actions), Names{"abort source"});
  done(ActionKind::abort);
  EXPECT_EQ(count(ActionKind::release), 0u);
  EXPECT_EQ(state.outcome, Outcome::incomplete);
}

TEST_F(Story, anOperatorCannotTakeBackWhatTheHypervisorWasToldToDo) {
  begin(planOf(1));
  claimAll();
  feed(phase(Phase::stopped, 1, HoldStatus::held));
  freezeAndCommit();
  EXPECT_TRUE(feed(OperatorAbort{"^C"}).empty());
  EXPECT_EQ(state.stage, Stage::releasing);
}

TEST_F(Story, whatAPredecessorLeftIsEndedByWhatTheHypervisorTells) {
  state = adopt(planOf(1), "web1", {}, 77, now);
  EXPECT_EQ(kinds(feed(phase(Phase::resumed, 1))), Names{"done destination"});
  state = adopt(planOf(1), "web1", {}, 77, now);
  EXPECT_EQ(kinds(feed(OperatorAbort{"cancelled"})), (Names{"abort source", "abort destination"}));
}

}  // namespace
}  // namespace vmmig::migration

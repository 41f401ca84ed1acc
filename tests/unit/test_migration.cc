// SPDX-License-Identifier: GPL-2.0-or-later
// The migration's state machine: the story told straight, what each failure leads to, and random walks that hold every order of
// events against the invariants.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <set>

#include "manager/migration.h"

namespace vmmig::migration {
namespace {

using namespace std::chrono_literals;

Plan planOf(std::size_t legs, TransferPolicy policy = TransferPolicy::require, bool now = false) {
  Plan plan;
  for (std::size_t leg = 0; leg < legs; ++leg) plan.legs.push_back({"src" + std::to_string(leg), "dst" + std::to_string(leg)});
  plan.policy = policy;
  plan.now = now;
  return plan;
}

PhaseSeen phase(Phase is, std::uint32_t sequence, HoldStatus hold = HoldStatus::none, std::string host = "host-a") {
  PhaseRow row;
  row.phase = is;
  row.sequence = sequence;
  row.holdStatus = hold;
  if (hold == HoldStatus::held) row.holdDeadline = {5000};
  return {std::move(host), row};
}

TransferRow transfer(TransferOper oper, std::uint32_t epoch, std::uint32_t rows = 7, std::string digest = "same") {
  TransferRow row;
  row.operStatus = oper;
  row.epoch = {epoch};
  row.rows = rows;
  row.digest.value = std::move(digest);
  row.blockedTime.value = 1;
  return row;
}

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
  feed(TransferSeen{0, TransferRole::source, transfer(TransferOper::tracking, state.epoch + 1)});
  EXPECT_EQ(state.stage, Stage::takingBack);
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

// --- random walks ------------------------------------------------------------------------------------------------------

/// A world around the machine that answers late, wrongly, twice or never, and checks each action when it is asked for.
class World {
 public:
  World(std::uint32_t seed, Plan plan) : random_(seed), state_(start(plan, "web1", {})), plan_(std::move(plan)) {
    failurePercent_ = pick(4) == 0 ? 0 : pick(25);
    resumes_ = pick(10) > 0;
    holds_ = pick(4) > 0;
    sides_.resize(plan_.legs.size());
  }

  void run() {
    feed(Begin{});
    for (int turn = 0; state_.stage != Stage::over; ++turn) {
      ASSERT_LT(turn, 5000) << "it never ends";
      act();
      if (testing::Test::HasFatalFailure() || testing::Test::HasNonfatalFailure()) return;
    }
    checkEnd();
  }
  const State& state() const { return state_; }
  bool moved() const { return state_.outcome == Outcome::moved; }

 private:
  struct Facts {
    bool claimed = false, frozen = false, toldFrozen = false, committed = false, differs = false, ended = false, toldDone = false,
         aborted = false;
  };
  unsigned pick(unsigned below) { return std::uniform_int_distribution<unsigned>{0, below - 1}(random_); }
  Facts& facts(const Action& action) {
    return action.role == TransferRole::source ? sides_[action.leg].first : sides_[action.leg].second;
  }

  void act() {
    switch (pick(7)) {
      case 0: return hypervisor();
      case 3: return device();
      case 1: return tick();
      case 2:
        if (pick(150) == 0) feed(OperatorAbort{"^C"});
        return;
      default:
        if (pending_.empty()) return pick(3) == 0 ? device() : pick(2) == 0 ? hypervisor() : tick();
        return answer();
    }
  }

  void tick() {
    auto at = wakeAt(state_);
    // Mostly a little time passes; when nothing else can happen, all of it.
    now_ += pick(3) == 0 && pending_.empty() && at ? std::max(*at - now_, Clock::duration{0}) : Clock::duration{1ms};
    feed(Tick{});
  }

  void hypervisor() {
    if (plan_.now) return;
    static constexpr Phase order[] = {Phase::prepared, Phase::preCopy, Phase::stopped};
    if (pick(40) == 0 && !went_) {
      ended_ = true;
      return tell(pick(2) ? Phase::cancelled : Phase::failed, HoldStatus::none);
    }
    if (ended_) return repeat();
    if (at_ < 3) {
      auto next = order[at_++];
      bool isHeld = next == Phase::stopped && holds_;
      if (isHeld) held_ = true;
      return tell(next, isHeld ? HoldStatus::held : HoldStatus::none);
    }
    if (held_ && pick(60) == 0) {
      held_ = false;
      expired_ = true;
      ended_ = plan_.policy == TransferPolicy::require;
      return tell(Phase::stopped, HoldStatus::expired);
    }
    if (!held_ && resumes_ && !resumed_) {
      went_ = resumed_ = true;
      return tell(Phase::resumed, HoldStatus::none);
    }
    repeat();
  }

  void tell(Phase is, HoldStatus hold) {
    auto seen = phase(is, ++sequence_, hold);
    seen.row.holdPolicy = plan_.policy == TransferPolicy::require ? HoldPolicy::require : HoldPolicy::bestEffort;
    told_.push_back(seen);
    if (pick(10) > 0) feed(seen);  // or it is lost, and a later poll tells the newest
  }
  /// An old one again, or a poll.
  void repeat() {
    if (!told_.empty()) feed(pick(2) ? told_.back() : told_[pick(static_cast<unsigned>(told_.size()))]);
  }

  void answer() {
    auto at = pending_.begin() + pick(static_cast<unsigned>(pending_.size()));
    auto action = *at;
    if (action.kind == ActionKind::copy && !sides_[action.leg].first.frozen && !sides_[action.leg].first.aborted) return;
    pending_.erase(at);
    if (action.kind == ActionKind::survey) {
      Surveyed surveyed{.unixSeconds = 1000};
      if (pick(100) < failurePercent_ / 4) surveyed.failures[0] = {pick(2) == 0, "survey failed"};
      return feed(surveyed);
    }
    bool fails = pick(100) < failurePercent_ / 2;
    ActionDone done{action};
    if (fails) done.failure = Failure{pick(2) == 0, "injected"};
    bool isGivenUp = action.kind == ActionKind::copy && !sides_[action.leg].first.frozen;
    if (isGivenUp) done.failure = Failure{false, "given up"};
    if (!done.failure || done.failure->unreachable) happen(action);  // an answer that is lost has had its effect
    if (!done.failure && action.kind == ActionKind::done) facts(action).toldDone = true;
    if (!done.failure) tellTransfer(action);
    feed(done);
  }

  void happen(const Action& action) {
    auto& side = facts(action);
    switch (action.kind) {
      case ActionKind::freeze: side.frozen = true; break;
      case ActionKind::commit: side.committed = true; break;
      case ActionKind::releaseHold:
        if (held_) went_ = true;
        held_ = false;
        break;
      case ActionKind::cancelHold:
        held_ = false;
        ended_ = true;
        break;
      default: break;
    }
  }

  void tellTransfer(const Action& action) {
    bool isCommit = action.kind == ActionKind::commit;
    if (!isCommit && action.kind != ActionKind::freeze) return;
    bool differs = isCommit && pick(100) < failurePercent_;
    auto row = transfer(isCommit ? TransferOper::committed : TransferOper::frozen, state_.epoch, 7, differs ? "other" : "same");
    if (pick(100) < failurePercent_ / 2) row.operStatus = TransferOper::expired;
    if (differs) facts(action).differs = true;
    transfers_.push_back({action.leg, action.role, row});
  }

  /// A step that was asked for is over.
  void device() {
    if (transfers_.empty()) return;
    auto seen = transfers_.front();
    transfers_.pop_front();
    if (seen.row.operStatus == TransferOper::frozen) sides_[seen.leg].first.toldFrozen = true;
    feed(seen);
  }

  void feed(const Event& event) {
    if (const auto* seen = std::get_if<PhaseSeen>(&event)) {
      if (seen->row.phase == Phase::resumed) toldResumed_ = true;
      if (seen->row.phase == Phase::failed || seen->row.phase == Phase::cancelled || seen->row.holdStatus == HoldStatus::expired)
        toldBack_ = true;
    }
    auto result = step(std::move(state_), event, now_);
    state_ = std::move(result.state);
    for (const auto& action : result.actions) check(action);
  }

  void check(const Action& action) {
    if (action.kind == ActionKind::report) {
      if (action.mark != Mark::none && action.mark != Mark::blocked) marks_.push_back(action.mark);
      return;
    }
    for (const auto& other : pending_) {
      bool isSame = other.kind == action.kind && other.leg == action.leg && other.role == action.role;
      EXPECT_FALSE(isSame) << name(action.kind) << " is asked for twice at once";
    }
    pending_.push_back(action);
    auto& side = facts(action);
    switch (action.kind) {
      case ActionKind::claim: side.claimed = true; break;
      case ActionKind::freeze: EXPECT_TRUE(state_.stopped) << "frozen while the VM runs"; break;
      case ActionKind::commit: EXPECT_TRUE(sides_[action.leg].first.toldFrozen) << "committed before the last read"; break;
      case ActionKind::release:
      case ActionKind::done:
        EXPECT_TRUE(plan_.now || toldResumed_) << "the source is released before the VM runs at the destination";
        EXPECT_TRUE(sides_[action.leg].second.committed) << "released without a commit";
        EXPECT_FALSE(sides_[action.leg].second.differs) << "released although the destination has something else";
        EXPECT_FALSE(side.aborted) << "both aborted and ended well";
        EXPECT_TRUE(action.kind == ActionKind::done || sides_[action.leg].second.toldDone) << "released before done was known";
        side.ended = true;
        break;
      case ActionKind::abort:
        EXPECT_FALSE(side.ended) << "both ended well and aborted";
        // Once the VM was let go, only the hypervisor's word or the device's own takes a committed destination back.
        if (state_.legs[action.leg].isLive() && action.role == TransferRole::destination && released_) {
          EXPECT_TRUE(toldBack_) << "the hold was released and the destination aborted";
        }
        side.aborted = true;
        break;
      case ActionKind::releaseHold:
        EXPECT_FALSE(cancelled_) << "a hold is both cancelled and released";
        for (std::size_t leg = 0; leg < sides_.size(); ++leg) {
          const auto& there = sides_[leg].second;
          bool isIn = there.committed && !there.differs && !there.aborted;
          EXPECT_TRUE(isIn || plan_.policy == TransferPolicy::bestEffort)
              << "released although leg " << leg << " has not committed";
        }
        released_ = true;
        break;
      case ActionKind::cancelHold:
        EXPECT_FALSE(released_) << "a hold is both released and cancelled";
        cancelled_ = true;
        break;
      default: break;
    }
  }

  void checkEnd() {
    for (std::size_t leg = 0; leg < sides_.size(); ++leg) {
      const auto& [source, destination] = sides_[leg];
      EXPECT_TRUE(!source.claimed || source.ended || source.aborted) << "the source's claim has no end";
      bool isLeft = state_.legs[leg].destination.step == SideStep::left;
      EXPECT_TRUE(!destination.claimed || destination.ended || destination.aborted || isLeft)
          << "the destination's claim has no end";
      bool likeTheFirst = sides_[0].second.ended == destination.ended || state_.outcome == Outcome::incomplete;
      EXPECT_TRUE(plan_.policy == TransferPolicy::bestEffort || likeTheFirst) << "not all legs, and not none";
    }
    if (!moved()) return;
    // stop <= last read <= commit <= resume, for the last of each.
    auto last = [&](Mark mark) { return std::find(marks_.rbegin(), marks_.rend(), mark).base() - marks_.begin(); };
    EXPECT_LT(last(Mark::stop), last(Mark::lastRead));
    EXPECT_LT(last(Mark::lastRead), last(Mark::commit));
    EXPECT_LT(last(Mark::commit), last(Mark::resume));
    EXPECT_FALSE(toldBack_ && !toldResumed_);
  }

  std::mt19937 random_;
  State state_;
  Plan plan_;
  Time now_ = Time{} + 1h;
  std::vector<std::pair<Facts, Facts>> sides_;  // source, destination
  std::vector<Action> pending_;
  std::vector<PhaseSeen> told_;
  std::deque<TransferSeen> transfers_;
  std::vector<Mark> marks_;
  unsigned failurePercent_ = 0;
  unsigned at_ = 0;
  std::uint32_t sequence_ = 0;
  bool resumes_ = true, holds_ = true, held_ = false, expired_ = false, ended_ = false, went_ = false, resumed_ = false;
  bool toldResumed_ = false, toldBack_ = false, released_ = false, cancelled_ = false;
};

TEST(RandomWalk, noOrderOfEventsBreaksAnInvariantAndEveryMigrationEnds) {
  std::map<Outcome, int> outcomes;
  for (std::uint32_t seed = 0; seed < 30000; ++seed) {
    auto policy = seed % 2 == 0 ? TransferPolicy::require : TransferPolicy::bestEffort;
    World world{seed, planOf(1 + seed / 2 % 3, policy, seed % 7 == 0)};
    SCOPED_TRACE("seed " + std::to_string(seed));
    world.run();
    if (testing::Test::HasFailure()) return;
    ++outcomes[world.state().outcome];
  }
  // A walk that never gets anywhere proves nothing.
  for (auto outcome : {Outcome::moved, Outcome::notMoved, Outcome::unreachable, Outcome::incomplete})
    EXPECT_GT(outcomes[outcome], 300) << name(outcome);
}

}  // namespace
}  // namespace vmmig::migration

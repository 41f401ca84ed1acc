// SPDX-License-Identifier: GPL-2.0-or-later
// Random walks that hold every order of events that the migration's state machine may meet against the invariants.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

#include "tests/unit/migration_events.h"

namespace vmmig::migration {
namespace {

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

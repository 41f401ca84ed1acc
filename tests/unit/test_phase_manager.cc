// SPDX-License-Identifier: GPL-2.0-or-later
// Phases and holds (design: invariant 6, a hold always ends), as hooks and managers write them.
#include <gtest/gtest.h>

#include "common/log.h"
#include "subagent/phase_manager.h"

namespace vmmig::test {
namespace {

using namespace std::chrono_literals;
using Kind = Change::Kind;

const Uuid vm{{7}};

struct FakeNotifier final : Notifier {
  void send(mib::Notification notification, const AnyRow& row) override {
    EXPECT_EQ(notification, mib::Notification::phaseChanged);
    sent.push_back(row.as<PhaseRow>());
  }
  std::vector<PhaseRow> sent;
};

struct FakeSource final : PhaseSource {
  void letGo(const Uuid&) override { told += "letGo "; }
  void cancelMigration(const Uuid&) override { told += "cancel "; }
  bool follows(const Uuid& uuid) const override { return uuid == followed; }
  std::vector<CheckRow> checks() override { return {}; }
  std::string told;
  Uuid followed;
};

class PhaseTest : public testing::Test {
 protected:
  PhaseTest() { log::setLevel(static_cast<log::Level>(2)); }

  Status set(const PhaseRow& wanted, const std::vector<std::string_view>& columns) {
    auto before = phases_.store().find(AnyRow{wanted}).value();
    Change change{before ? Kind::replace : Kind::create, before, before ? *before : AnyRow{wanted}, {}};
    for (auto name : columns) {
      const auto* column = TableOf<PhaseRow>::info.column(name);
      change.written.push_back(column);
      change.after.set(*column, AnyRow{wanted}.get(*column));
    }
    return run(change);
  }
  Status run(const Change& change) {
    if (auto checked = phases_.store().check(change); !checked) return checked;
    if (auto applied = phases_.store().apply(change); !applied) return applied;
    phases_.store().settle(change);
    return {};
  }
  Status tell(Phase phase) {
    PhaseRow row;
    row.uuid = vm;
    row.phase = phase;
    return set(row, {"vmMigPhase"});
  }
  Status stop(std::chrono::milliseconds hold, HoldPolicy policy = HoldPolicy::require) {
    PhaseRow row;
    row.uuid = vm;
    row.phase = Phase::stopped;
    row.holdDeadline.value = static_cast<std::uint32_t>(hold.count());
    row.holdPolicy = policy;
    return set(row, {"vmMigPhase", "vmMigPhaseHoldDeadline", "vmMigPhaseHoldPolicy"});
  }
  void report(Phase phase, std::chrono::milliseconds hold = 0ms) {
    PhaseRow row;
    row.uuid = vm;
    row.phase = phase;
    row.holdDeadline.value = static_cast<std::uint32_t>(hold.count());
    phases_.report(row);
  }
  Status act(PhaseAction action) {
    PhaseRow row;
    row.uuid = vm;
    row.action = action;
    return set(row, {"vmMigPhaseAction"});
  }
  Status actFor(std::uint32_t sequence, PhaseAction action) {
    PhaseRow row;
    row.uuid = vm;
    row.action = action;
    row.actionSequence = sequence;
    return set(row, {"vmMigPhaseAction", "vmMigPhaseActionSequence"});
  }
  Status destroy() { return run(Change{Kind::remove, AnyRow{now()}, AnyRow{now()}, {}}); }
  PhaseRow now() { return phases_.row(vm).value(); }
  bool until(const std::function<bool()>& done) { return loop_.runUntil(done, Clock::now() + 5s); }

  EventLoop loop_;
  FakeNotifier notifier_;
  PhaseManager phases_{loop_, notifier_, "host-a"};
};

TEST_F(PhaseTest, EachPhaseRaisesTheSequenceStampsTheTimeAndIsTold) {
  auto seconds = static_cast<std::uint32_t>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  std::uint32_t sequence = 0;
  MicrosecondsUtc time;
  for (auto phase : {Phase::prepared, Phase::preCopy, Phase::stopped, Phase::resumed}) {
    ASSERT_TRUE(tell(phase));
    auto row = now();
    EXPECT_EQ(row.phase, phase);
    EXPECT_GE(row.time, time);
    if (sequence == 0)
      EXPECT_GE(row.sequence, seconds) << "so that it grows over restarts";
    else
      EXPECT_EQ(row.sequence, sequence + 1);
    sequence = row.sequence;
    time = row.time;
    EXPECT_EQ(notifier_.sent.back().phase, phase);
    EXPECT_EQ(notifier_.sent.back().sequence, sequence);
    EXPECT_EQ(row.holdStatus, HoldStatus::none);
  }
  EXPECT_EQ(notifier_.sent.size(), 4u);
}

TEST_F(PhaseTest, TheSequenceGrowsOverADestroyedRow) {
  ASSERT_TRUE(tell(Phase::prepared));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(tell(Phase::preCopy));
  auto before = now().sequence;
  ASSERT_TRUE(destroy());
  EXPECT_FALSE(phases_.row(vm));
  ASSERT_TRUE(tell(Phase::resumed)) << "a hook that missed the phases before";
  EXPECT_GT(now().sequence, before);
}

TEST_F(PhaseTest, AReleaseEndsAHold) {
  FakeSource source;
  phases_.setSource(&source);
  ASSERT_TRUE(stop(10s));
  EXPECT_EQ(now().holdStatus, HoldStatus::held);
  EXPECT_EQ(notifier_.sent.back().holdStatus, HoldStatus::held);
  EXPECT_LE(now().holdDeadline, 10'000u);
  EXPECT_GT(now().holdDeadline, 9'000u);
  auto sequence = now().sequence;
  auto time = now().time;
  ASSERT_TRUE(act(PhaseAction::release));
  EXPECT_EQ(now().holdStatus, HoldStatus::released);
  EXPECT_EQ(now().action, PhaseAction::none);
  EXPECT_EQ(now().sequence, sequence);
  EXPECT_EQ(now().time, time) << "when the VM stopped";
  EXPECT_EQ(notifier_.sent.back().holdStatus, HoldStatus::released);
  EXPECT_EQ(source.told, "letGo ");
  auto sent = notifier_.sent.size();
  EXPECT_TRUE(act(PhaseAction::release)) << "the request repeated";
  EXPECT_EQ(notifier_.sent.size(), sent);
  EXPECT_FALSE(act(PhaseAction::cancel));
  EXPECT_EQ(source.told, "letGo ");
}

TEST_F(PhaseTest, ACancelEndsAHold) {
  FakeSource source;
  phases_.setSource(&source);
  ASSERT_TRUE(stop(10s));
  ASSERT_TRUE(act(PhaseAction::cancel));
  EXPECT_EQ(now().holdStatus, HoldStatus::cancelled);
  EXPECT_EQ(source.told, "cancel ");
  ASSERT_TRUE(tell(Phase::cancelled));
  EXPECT_EQ(now().holdStatus, HoldStatus::none);
}

TEST_F(PhaseTest, AHoldThatNobodyEndsExpiresAsItsPolicySays) {
  FakeSource source;
  phases_.setSource(&source);
  ASSERT_TRUE(stop(20ms));
  ASSERT_TRUE(until([&] { return now().holdStatus != HoldStatus::held; }));
  EXPECT_EQ(now().holdStatus, HoldStatus::expired);
  EXPECT_EQ(notifier_.sent.back().holdStatus, HoldStatus::expired);
  EXPECT_EQ(source.told, "cancel ");
  for (auto action : {PhaseAction::release, PhaseAction::cancel}) {
    auto late = act(action);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().status, SnmpStatus::inconsistentValue);
    EXPECT_NE(late.error().text.find("vmMigPhaseAction"), std::string::npos);
  }
  ASSERT_TRUE(stop(20ms, HoldPolicy::bestEffort));
  ASSERT_TRUE(until([&] { return now().holdStatus != HoldStatus::held; }));
  EXPECT_EQ(source.told, "cancel letGo ");
}

TEST_F(PhaseTest, AnActionThatIsMeantForAnEarlierHoldEndsNoLaterOne) {
  ASSERT_TRUE(stop(10s));
  auto first = now().sequence;
  ASSERT_TRUE(actFor(first, PhaseAction::cancel));
  report(Phase::preCopy);
  ASSERT_TRUE(stop(10s));
  for (auto action : {PhaseAction::release, PhaseAction::cancel}) {
    auto late = actFor(first, action);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().status, SnmpStatus::inconsistentValue);
    EXPECT_NE(late.error().text.find("meant for sequence " + std::to_string(first)), std::string::npos) << late.error().text;
  }
  EXPECT_EQ(now().holdStatus, HoldStatus::held);
  EXPECT_TRUE(actFor(now().sequence, PhaseAction::release));
  EXPECT_EQ(now().holdStatus, HoldStatus::released);
  EXPECT_EQ(now().actionSequence, 0u) << "not kept";
}

TEST_F(PhaseTest, AHoldThatEndedDoesNotExpireLater) {
  ASSERT_TRUE(stop(20ms));
  ASSERT_TRUE(act(PhaseAction::release));
  auto later = Clock::now() + 60ms;
  loop_.runUntil([&] { return Clock::now() > later; }, later + 10ms);
  EXPECT_EQ(now().holdStatus, HoldStatus::released);
}

TEST_F(PhaseTest, APhaseEndsTheHoldOfTheOneBefore) {
  ASSERT_TRUE(stop(10s));
  ASSERT_TRUE(tell(Phase::failed));
  EXPECT_EQ(now().holdStatus, HoldStatus::none);
  EXPECT_FALSE(act(PhaseAction::release));
  EXPECT_EQ(now().holdDeadline, 0u);
}

TEST_F(PhaseTest, AHeldVmDoesNotBeginAnewAndItsRowStays) {
  ASSERT_TRUE(stop(10s));
  for (auto phase : {Phase::prepared, Phase::preCopy}) {
    auto status = tell(phase);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().status, SnmpStatus::inconsistentValue);
  }
  EXPECT_FALSE(destroy());
  ASSERT_TRUE(act(PhaseAction::cancel));
  EXPECT_TRUE(destroy());
}

TEST_F(PhaseTest, WhatIsNotHeldCannotBeReleased) {
  auto nothing = act(PhaseAction::release);
  ASSERT_FALSE(nothing) << "there is no phase";
  ASSERT_TRUE(tell(Phase::preCopy));
  EXPECT_FALSE(act(PhaseAction::release));
  ASSERT_TRUE(tell(Phase::stopped));
  EXPECT_FALSE(act(PhaseAction::release)) << "stopped without a hold";
}

TEST_F(PhaseTest, OnlyAStopCanHold) {
  PhaseRow row;
  row.uuid = vm;
  row.phase = Phase::preCopy;
  row.holdDeadline.value = 1000;
  auto status = set(row, {"vmMigPhase", "vmMigPhaseHoldDeadline"});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().text.find("vmMigPhaseHoldDeadline"), std::string::npos);
  ASSERT_TRUE(tell(Phase::stopped));
  EXPECT_FALSE(set(row, {"vmMigPhaseHoldDeadline"}));
  EXPECT_EQ(now().holdStatus, HoldStatus::none);
}

TEST_F(PhaseTest, ANewMigrationForgetsTheHostsAndTheErrorOfTheLast) {
  PhaseRow row;
  row.uuid = vm;
  row.phase = Phase::failed;
  row.vmName.value = "web1";
  row.destinationHost.value = "host-b";
  row.error.value = "no memory";
  ASSERT_TRUE(set(row, {"vmMigPhase", "vmMigPhaseVmName", "vmMigPhaseDestinationHost", "vmMigPhaseError"}));
  EXPECT_EQ(now().sourceHost.value, "host-a") << "the host itself, when nobody says otherwise";
  ASSERT_TRUE(tell(Phase::prepared));
  EXPECT_EQ(now().destinationHost.value, "");
  EXPECT_EQ(now().error.value, "");
  EXPECT_EQ(now().vmName.value, "web1");
  row.phase = Phase::preCopy;
  ASSERT_TRUE(set(row, {"vmMigPhase", "vmMigPhaseDestinationHost"}));
  ASSERT_TRUE(tell(Phase::stopped));
  EXPECT_EQ(now().destinationHost.value, "host-b") << "the same migration";
}

TEST_F(PhaseTest, OtherColumnsChangeWithoutAPhase) {
  ASSERT_TRUE(tell(Phase::preCopy));
  PhaseRow row;
  row.uuid = vm;
  row.vmName.value = "web1";
  auto sent = notifier_.sent.size();
  ASSERT_TRUE(set(row, {"vmMigPhaseVmName"}));
  EXPECT_EQ(now().vmName.value, "web1");
  EXPECT_EQ(notifier_.sent.size(), sent);
}

TEST_F(PhaseTest, NobodyElseTellsThePhasesOfAVmThatASourceFollows) {
  FakeSource source;
  phases_.setSource(&source);
  ASSERT_TRUE(tell(Phase::preCopy)) << "of another VM's a hook may tell";
  source.followed = vm;
  auto told = tell(Phase::stopped);
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().status, SnmpStatus::inconsistentValue);
  EXPECT_NE(told.error().text.find("vmmigd follows"), std::string::npos);
  EXPECT_EQ(now().phase, Phase::preCopy);
  PhaseRow row;
  row.uuid = vm;
  row.holdPolicy = HoldPolicy::bestEffort;
  EXPECT_TRUE(set(row, {"vmMigPhaseHoldPolicy"}));
  report(Phase::stopped, 10s);
  EXPECT_TRUE(act(PhaseAction::release));
  EXPECT_TRUE(destroy());
}

TEST_F(PhaseTest, AManagersPolicyHoldsForOneMigration) {
  PhaseRow row;
  row.uuid = vm;
  row.holdPolicy = HoldPolicy::bestEffort;
  for (auto [first, last] : {std::pair{Phase::preCopy, Phase::cancelled}, std::pair{Phase::prepared, Phase::resumed},
                             std::pair{Phase::preCopy, Phase::stopped}, std::pair{Phase::preCopy, Phase::stopped}}) {
    report(first);
    EXPECT_EQ(now().holdPolicy, HoldPolicy::require) << "the configuration's: another migration";
    ASSERT_TRUE(set(row, {"vmMigPhaseHoldPolicy"}));
    report(Phase::stopped, 10s);
    EXPECT_EQ(now().holdPolicy, HoldPolicy::bestEffort);
    ASSERT_TRUE(act(PhaseAction::release));
    report(last);
    EXPECT_EQ(now().holdPolicy, HoldPolicy::bestEffort);
  }
}

TEST_F(PhaseTest, ASourceKnowsWhenItHappened) {
  PhaseRow row;
  row.uuid = vm;
  row.phase = Phase::stopped;
  row.time.value = 1'234'567;
  phases_.report(row);
  EXPECT_EQ(now().time.value, 1'234'567u);
  ASSERT_TRUE(tell(Phase::failed));
  EXPECT_GT(now().time.value, 1'700'000'000'000'000u) << "a SET happens now";
}

TEST_F(PhaseTest, ARestartInTheMiddleOfAMigrationIsNewsToTheManager) {
  for (auto phase : {Phase::prepared, Phase::preCopy, Phase::stopped}) report(phase);
  auto before = now().sequence;
  PhaseManager successor{loop_, notifier_, "host-a"};
  PhaseRow row;
  row.uuid = vm;
  row.phase = Phase::stopped;
  successor.report(row);
  EXPECT_GT(successor.row(vm)->sequence, before);
}

TEST_F(PhaseTest, MigrationsThatAreOverMakePlaceForOthers) {
  PhaseRow row;
  for (std::size_t number = 0; number < PhaseManager::maxRows; ++number) {
    row.uuid = {{1, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
    row.phase = number == 7 ? Phase::resumed : Phase::preCopy;
    phases_.report(row);
  }
  report(Phase::preCopy);
  EXPECT_TRUE(phases_.row(vm));
  EXPECT_FALSE(phases_.row({{1, 0, 7}}));
  EXPECT_TRUE(phases_.row({{1, 0, 8}})) << "it is on its way";
}

TEST_F(PhaseTest, AWalkSeesEachRow) {
  for (std::uint8_t number : {3, 1, 2}) {
    PhaseRow row;
    row.uuid = {{number}};
    phases_.report(row);
  }
  Oid at;
  for (std::uint8_t number : {1, 2, 3}) {
    auto row = phases_.store().next(at).value();
    ASSERT_TRUE(row);
    EXPECT_EQ(vmOf(*row).octets[0], number);
    at = row->index();
  }
  EXPECT_FALSE(phases_.store().next(at).value());
}

TEST_F(PhaseTest, RowsAreLimited) {
  for (std::size_t i = 0; i < PhaseManager::maxRows; ++i) {
    PhaseRow row;
    row.uuid = {{9, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
    phases_.report(row);
  }
  auto status = tell(Phase::prepared);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::resourceUnavailable);
}

}  // namespace
}  // namespace vmmig::test

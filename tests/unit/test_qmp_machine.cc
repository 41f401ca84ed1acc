// SPDX-License-Identifier: GPL-2.0-or-later
// From QMP to the phases of a migration that leaves, in the orders that QEMU 7.2 was seen to tell them, and in those that it
// might.
#include "tests/unit/qmp_machine_fixture.h"

namespace vmmig::test {
namespace {

using MachineTest = QmpMachineTest;

TEST_F(MachineTest, ItKnowsItsVmAndHasItsMigrationsHeld) {
  connect();
  EXPECT_EQ(machine_.stage(), Stage::idle);
  EXPECT_EQ(machine_.identity().label(), "VM web-1 (6ba7b810-9dad-41d1-80b4-00c04fd430c8)");
  EXPECT_EQ(machine_.identity().macAddresses(), (std::string{2, 0, 0, 0, 0, 5}));
  EXPECT_TRUE(qemu_.capabilities["events"]);
  EXPECT_TRUE(qemu_.capabilities["pause-before-switchover"]);
  EXPECT_EQ(machine_.unheldReason(), "");
  EXPECT_EQ(told(), "");
}

TEST_F(MachineTest, CardsOfTheBoardAreFoundByTheirFilters) {
  qemu_.macs.clear();
  qemu_.filterMacs = {"02:00:00:00:00:0A", "02:00:00:00:00", "2:0:0:0:0:5", "0x:00:00:00:00:05", "02-00-00-00-00-05"};
  connect();
  EXPECT_EQ(machine_.identity().macAddresses(), (std::string{2, 0, 0, 0, 0, 10})) << "and of what is none, nothing";
}

TEST_F(MachineTest, ACardThatCameSinceIsKnownAtTheMigration) {
  connect();
  qemu_.macs = {{"/machine/peripheral-anon/device[3]", "02:00:00:00:00:06"}};
  migration("setup");
  EXPECT_EQ(machine_.identity().macAddresses(), (std::string{2, 0, 0, 0, 0, 6}));
}

TEST_F(MachineTest, AMigrationThatIsLetGo) {
  connect();
  migration("setup");
  EXPECT_EQ(told(), "") << "it may still fail to begin";
  migration("active");
  EXPECT_EQ(told(), "preCopy ");
  stop();
  auto stoppedAt = clock_;
  EXPECT_EQ(told(), "");
  migration("pre-switchover");
  EXPECT_EQ(told(), "stopped(held) ");
  EXPECT_EQ(last_.time.value, stoppedAt) << "not when the hold began";
  sent();
  run(machine_.letGo());
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].execute, "migrate-continue");
  EXPECT_EQ(asked_[0].arguments, (nlohmann::json{{"state", "pre-switchover"}}));
  answerAll();
  migration("device");
  EXPECT_EQ(machine_.stage(), Stage::switching);
  migration("completed", "postmigrate");
  EXPECT_EQ(machine_.stage(), Stage::left);
  EXPECT_EQ(told(), "") << "that it runs, the destination tells";
  run(machine_.ended("closed"));
  EXPECT_EQ(told(), "");
}

TEST_F(MachineTest, AMigrationThatIsCancelledGoesHomeInAnyOrder) {
  const std::vector<std::vector<std::string>> orders = {
      {"cancelling", "RESUME", "cancelled"},  // as 7.2 does
      {"cancelling", "cancelled", "RESUME"},           {"RESUME", "cancelling", "cancelled"}, {"cancelled", "RESUME"},
      {"device", "cancelling", "RESUME", "cancelled"},  // as 7.2 does sometimes: it was about to go on
  };
  connect();
  for (const auto& order : orders) {
    hold();
    told();
    run(machine_.cancel("nobody came", {clock_}));
    EXPECT_EQ(asked_.front().execute, "migrate_cancel");
    answerAll();
    for (const auto& each : order) each == "RESUME" ? resume() : migration(each);
    if (looksAgain_) run(machine_.lookAgain()), answerAll();
    EXPECT_EQ(told(), "cancelled ") << order[1];
    EXPECT_EQ(last_.error, "nobody came");
    EXPECT_EQ(machine_.stage(), Stage::idle);
    EXPECT_EQ(machine_.unheldReason(), "") << "the next one is held as well";
  }
}

TEST_F(MachineTest, AFailureIsToldWithItsReasonWhenTheVmIsAtHome) {
  connect();
  hold();
  run(machine_.letGo());
  answerAll();
  migration("device");
  told();
  qemu_.errorText = "Unable to write to socket: Broken pipe";
  migration("failed");
  EXPECT_EQ(told(), "") << "it stands still";
  EXPECT_TRUE(looksAgain_);
  resume();
  EXPECT_EQ(told(), "failed ");
  EXPECT_EQ(last_.error, "Unable to write to socket: Broken pipe");
  EXPECT_EQ(last_.time.value, clock_);
}

TEST_F(MachineTest, AFailureWithoutAReasonSaysWhereToLook) {
  connect();
  copy();
  migration("failed");
  EXPECT_EQ(told(), "preCopy failed ");
  EXPECT_NE(last_.error.find("log"), std::string::npos);
}

TEST_F(MachineTest, AVmThatStoodBeforeIsNotContinuedAfterwards) {
  qemu_.runState = "paused";
  connect();
  event("STOP");
  copy();
  migration("pre-switchover", "finish-migrate");
  EXPECT_EQ(told(), "preCopy stopped(held) ");
  EXPECT_EQ(last_.time.value, clock_) << "when it stood long ago, now";
  run(machine_.cancel("", {clock_}));
  answerAll();
  migration("cancelling");
  sent();
  migration("cancelled", "postmigrate");
  EXPECT_EQ(told(), "cancelled ");
  EXPECT_EQ(sent().find("cont "), std::string::npos);
}

TEST_F(MachineTest, AVmThatQemuLeavesStandingIsContinued) {
  connect();
  hold();
  told();
  run(machine_.cancel("nobody came", {clock_}));
  answerAll();
  migration("cancelling");
  sent();
  migration("cancelled", "postmigrate");
  EXPECT_EQ(told(), "");
  EXPECT_NE(sent().find("cont "), std::string::npos);
  resume();
  EXPECT_EQ(told(), "cancelled ");
}

TEST_F(MachineTest, AVmWokenByItsCancelBeforePostCopyIsAtHome) {
  connect();
  hold();
  told();
  run(machine_.cancel("nobody came", {clock_}));
  answerAll();
  migration("postcopy-active");  // as 7.2 does sometimes: it was about to go on
  migration("cancelling");
  sent();
  migration("cancelled", "postmigrate");
  EXPECT_NE(sent().find("cont "), std::string::npos);
  resume();
  EXPECT_EQ(told(), "cancelled ");
}

TEST_F(MachineTest, WhatWasInPostCopyBeforeWeCancelledIsNotContinued) {
  connect();
  hold();
  told();
  run(machine_.cancel("nobody came", {clock_ + 10}));
  answerAll();
  migration("postcopy-active");
  EXPECT_EQ(told(), "holdLost ");
  migration("cancelling");
  migration("cancelled", "postmigrate");
  EXPECT_EQ(told(), "");
  EXPECT_EQ(sent().find("cont "), std::string::npos);
}

TEST_F(MachineTest, WhoWasLetGoAndIsThenCancelledIsNotContinuedHere) {
  connect();
  hold();
  told();
  run(machine_.letGo());
  answerAll();
  sent();
  run(machine_.cancel("vmmigd ends", {clock_}));
  EXPECT_EQ(sent(), "") << "it may run at its destination";
  migration("postcopy-active");
  EXPECT_EQ(machine_.stage(), Stage::postcopy);
  EXPECT_EQ(told(), "");
}

TEST_F(MachineTest, AVmThatQemuDoesNotContinueIsAPersonsBusiness) {
  connect();
  hold();
  told();
  qemu_.refused["cont"] = "Block node is read-only";
  migration("cancelling");
  migration("cancelled", "postmigrate");
  EXPECT_EQ(told(), "cancelled ");
  EXPECT_NE(said_.find("stands still, and QEMU refuses cont: Block node is read-only"), std::string::npos);
}

TEST_F(MachineTest, WhatIsNoMigrationIsNoPhase) {
  connect();
  stop("paused");
  resume();
  migration("setup");
  migration("failed");  // nobody listens there
  stop("save-vm");      // a snapshot
  migration("setup");
  migration("completed");
  resume();
  stop("paused");
  EXPECT_EQ(told(), "");
  EXPECT_EQ(machine_.stage(), Stage::idle);
}

TEST_F(MachineTest, AHoldThatSomebodyElseEndsIsLost) {
  connect();
  hold();
  told();
  migration("device");
  EXPECT_EQ(told(), "holdLost ");
  EXPECT_EQ(machine_.stage(), Stage::switching);
  sent();
  run(machine_.letGo());
  run(machine_.cancel("", {clock_}));
  EXPECT_EQ(sent(), "") << "there is nothing to end";
}

TEST_F(MachineTest, AMigrationThatCannotBeHeldIsToldAllTheSame) {
  connect();
  qemu_.capabilities["pause-before-switchover"] = false;  // the orchestrator's will
  copy();
  EXPECT_NE(said_.find("cannot be held for the network: somebody has switched pause-before-switchover off"), std::string::npos);
  EXPECT_NE(machine_.unheldReason(), "");
  stop();
  auto stoppedAt = clock_;
  migration("completed", "postmigrate");
  EXPECT_EQ(told(), "preCopy stopped ");
  EXPECT_EQ(last_.time.value, stoppedAt);
}

TEST_F(MachineTest, PostCopyIsHeldBeforeItAndCannotBeTakenBackAfterIt) {
  connect();
  hold();
  run(machine_.letGo());
  answerAll();
  told();
  migration("postcopy-active");
  EXPECT_EQ(machine_.stage(), Stage::postcopy);
  migration("cancelling");
  migration("cancelled", "postmigrate");
  EXPECT_EQ(told(), "");
  EXPECT_NE(said_.find("runs at its destination since post-copy began"), std::string::npos);
  run(machine_.ended("closed"));
  EXPECT_EQ(told(), "");
}

TEST_F(MachineTest, AVmThatIsContinuedAfterItHadLeftIsHere) {
  connect();
  hold();
  run(machine_.letGo());
  answerAll();
  migration("device");
  migration("completed", "postmigrate");
  told();
  resume();
  EXPECT_EQ(told(), "failed ");
  EXPECT_EQ(machine_.stage(), Stage::idle);
}

TEST_F(MachineTest, QemuEndsInAnyStage) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> stages = {
      {{}, ""},
      {{"setup"}, ""},
      {{"setup", "active"}, "failed "},
      {{"setup", "active", "pre-switchover"}, "failed "},
      {{"setup", "active", "pre-switchover", "device"}, ""},
      {{"setup", "active", "pre-switchover", "device", "failed"}, "failed "},
      {{"setup", "active", "pre-switchover", "cancelling"}, "failed "},
      {{"setup", "active", "pre-switchover", "postcopy-active"}, ""},
      {{"setup", "active", "pre-switchover", "device", "completed"}, ""},
  };
  for (const auto& [events, expected] : stages) {
    machine_ = {};
    qemu_ = {};
    connect();
    for (const auto& each : events) {
      if (each == "pre-switchover") stop();
      migration(each);
    }
    told();
    run(machine_.ended("QEMU has closed its monitor"));
    EXPECT_EQ(told(), expected) << (events.empty() ? "idle" : events.back());
    if (!expected.empty()) {
      EXPECT_NE(last_.error.find("does not run at the source"), std::string::npos);
    }
  }
}

TEST_F(MachineTest, AVmWithoutAUuidIsLeftAlone) {
  qemu_.uuid = "00000000-0000-0000-0000-000000000000";
  connect();
  EXPECT_FALSE(qemu_.capabilities["pause-before-switchover"]) << "nobody could let it go";
  hold();
  EXPECT_EQ(told(), "");
  EXPECT_EQ(machine_.unheldReason(), "it has no UUID");
}

TEST_F(MachineTest, WhoIsDismissedMigratesUnheld) {
  connect();
  run(machine_.dismiss());
  answerAll();
  EXPECT_FALSE(qemu_.capabilities["pause-before-switchover"]);
}

TEST_F(MachineTest, WhoIsDismissedWhileHeldIsUnheldAtHome) {
  connect();
  hold();
  run(machine_.cancel("vmmigd ends", {clock_}));
  run(machine_.dismiss());
  answerAll();
  EXPECT_TRUE(qemu_.capabilities["pause-before-switchover"]);
  migration("cancelling");
  resume();
  migration("cancelled");
  EXPECT_FALSE(qemu_.capabilities["pause-before-switchover"]);
}

TEST_F(MachineTest, WhatIsDismissedWhileItMigratesIsAPersonsBusiness) {
  connect();
  copy();
  run(machine_.dismiss());
  EXPECT_NE(said_.find("migrate-continue"), std::string::npos);
}

TEST_F(MachineTest, ARefusedReleaseIsTold) {
  connect();
  hold();
  qemu_.refused["migrate-continue"] = "Migration not in expected state: cancelling";
  run(machine_.letGo());
  answerAll();
  EXPECT_NE(said_.find("QEMU refuses migrate-continue: Migration not in expected state"), std::string::npos);
}

}  // namespace
}  // namespace vmmig::test

// SPDX-License-Identifier: GPL-2.0-or-later
// QEMUs that a VM comes to, that are found in the middle of something, and that talk nonsense.
#include <random>

#include "tests/unit/qmp_machine_fixture.h"

namespace vmmig::test {
namespace {

using LateMachineTest = QmpMachineTest;

TEST_F(LateMachineTest, AVmThatComes) {
  qemu_.runState = "inmigrate";
  connect();
  EXPECT_EQ(told(), "prepared(here) ");
  migration("setup");
  migration("active");
  EXPECT_EQ(told(), "");
  resume();
  EXPECT_EQ(told(), "resumed(here) ");
  EXPECT_EQ(last_.time.value, clock_);
  qemu_.wasSource = false;
  migration("completed");
  EXPECT_EQ(told(), "");
  qemu_.wasSource = true;
  hold();
  EXPECT_EQ(told(), "preCopy stopped(held) ") << "and goes again";
}

TEST_F(LateMachineTest, AVmThatComesAndIsLetRunLater) {
  qemu_.runState = "inmigrate";
  qemu_.wasSource = false;
  connect();
  migration("active");
  migration("completed", "paused");
  EXPECT_EQ(told(), "prepared(here) ");
  resume();
  EXPECT_EQ(told(), "resumed(here) ");
  stop("paused");
  resume();
  EXPECT_EQ(told(), "") << "once";
}

TEST_F(LateMachineTest, AVmThatDoesNotCome) {
  qemu_.runState = "inmigrate";
  connect();
  told();
  migration("failed");
  EXPECT_EQ(told(), "failed(here) ");
  migration("setup");
  EXPECT_EQ(told(), "prepared(here) ") << "QEMU may be given another";
  run(machine_.ended("QEMU has closed its monitor"));
  EXPECT_EQ(told(), "failed(here) ");
  EXPECT_NE(last_.error.find("before the VM ran here"), std::string::npos);
}

TEST_F(LateMachineTest, ItComesLate) {
  struct Case {
    std::string runState, migration;
    bool wasSource;
    std::string expected;
    Stage stage;
  };
  const std::vector<Case> cases = {
      {"running", "", true, "", Stage::idle},
      {"running", "setup", true, "", Stage::idle},
      {"running", "active", true, "preCopy ", Stage::leaving},
      {"finish-migrate", "pre-switchover", true, "stopped(held) ", Stage::held},
      {"finish-migrate", "device", true, "stopped ", Stage::switching},
      {"finish-migrate", "cancelling", true, "", Stage::goingBack},
      {"finish-migrate", "failed", true, "", Stage::goingBack},
      {"finish-migrate", "postcopy-active", true, "", Stage::postcopy},
      {"postmigrate", "completed", true, "", Stage::left},
      {"running", "completed", true, "", Stage::idle},
      {"running", "cancelled", true, "", Stage::idle},
      {"inmigrate", "", false, "prepared(here) ", Stage::incoming},
      {"inmigrate", "active", false, "prepared(here) ", Stage::incoming},
      {"inmigrate", "failed", false, "", Stage::incoming},
      {"running", "completed", false, "resumed(here) ", Stage::idle},
      {"running", "postcopy-active", false, "resumed(here) ", Stage::idle},
      {"paused", "completed", false, "", Stage::idle},
      {"prelaunch", "", false, "", Stage::idle},
  };
  for (const auto& each : cases) {
    machine_ = {};
    qemu_ = {};
    qemu_.runState = each.runState;
    qemu_.migration = each.migration;
    qemu_.wasSource = each.wasSource;
    qemu_.capabilities["events"] = qemu_.capabilities["pause-before-switchover"] = true;
    connect();
    EXPECT_EQ(told(), each.expected) << each.runState << ", " << each.migration;
    EXPECT_EQ(machine_.stage(), each.stage) << each.runState << ", " << each.migration;
  }
}

TEST_F(LateMachineTest, AMigrationThatTellsNoEventsIsFollowedByLooking) {
  qemu_.migration = "active";
  connect();
  EXPECT_EQ(told(), "preCopy ");
  EXPECT_NE(said_.find("cannot be held for the network: There's a migration process in progress"), std::string::npos);
  EXPECT_TRUE(std::exchange(looksAgain_, false));
  run(machine_.lookAgain());
  answerAll();
  EXPECT_TRUE(std::exchange(looksAgain_, false));
  stop();
  qemu_.migration = "completed";
  qemu_.runState = "postmigrate";
  run(machine_.lookAgain());
  answerAll();
  EXPECT_EQ(told(), "stopped ");
  EXPECT_FALSE(looksAgain_);
}

TEST_F(LateMachineTest, AnAnswerThatAnEventHasOvertakenIsNotBelieved) {
  run(machine_.ready());
  while (asked_.front().execute != "query-status") answer();
  qemu_.migration = "active";
  answer();
  auto stale = qemu_.answer(asked_.front());
  qemu_.migration = "pre-switchover";
  qemu_.runState = "finish-migrate";
  qemu_.capabilities["events"] = qemu_.capabilities["pause-before-switchover"] = true;
  run(machine_.received({"STOP", {}, {7}}));
  run(machine_.received({"MIGRATION", {{"status", "pre-switchover"}}, {8}}));
  auto command = asked_.front();
  asked_.pop_front();
  run(machine_.answered(command, stale));
  answerAll();
  EXPECT_EQ(told(), "stopped(held) ");
  EXPECT_EQ(last_.time.value, 7u);
}

/// Whatever QEMU says, in whatever order: it is survived, and whoever is told held is in pre-switchover.
TEST_F(LateMachineTest, NonsenseIsSurvived) {
  using nlohmann::json;
  const std::vector<std::string> statuses = {"none",   "setup",           "cancelling", "cancelled",
                                             "active", "postcopy-active", "failed",     "completed",
                                             "device", "pre-switchover",  "nonsense",   "postcopy-paused"};
  const std::vector<std::string> runStates = {"running", "paused", "inmigrate", "finish-migrate", "postmigrate", "", "nonsense"};
  const std::vector<json> values = {json{},
                                    json{7},
                                    json{"text"},
                                    json::array({1, json::object(), "x"}),
                                    json::object(),
                                    json{{"UUID", 5}},
                                    json{{"status", 5}},
                                    json{{"status", "active"}},
                                    json{{"name", json::array()}}};
  std::mt19937 random{4711};
  const auto any = [&](const auto& from) -> const auto& { return from[random() % from.size()]; };
  for (int round = 0; round < 500; ++round) {
    machine_ = {};
    asked_.clear();
    qemu_ = {};
    run(machine_.ready());
    for (int step = 0; step < 60; ++step) {
      told();
      switch (random() % 8) {
        case 0: qemu_.runState = any(runStates); break;
        case 1: run(machine_.received({"MIGRATION", any(values), {}})); break;
        case 2: run(machine_.received({any(std::vector<std::string>{"STOP", "RESUME", "MIGRATION"}), {}, {}})); break;
        case 3:
          qemu_.migration = any(statuses);
          run(machine_.received({"MIGRATION", {{"status", qemu_.migration}}, {}}));
          break;
        case 4: run(any(std::vector<int>{0, 1}) ? machine_.letGo() : machine_.cancel("why", {clock_})); break;
        case 5: run(machine_.lookAgain()); break;
        default:
          if (asked_.empty()) break;
          if (random() % 4 == 0) {
            auto command = asked_.front();
            asked_.pop_front();
            run(machine_.answered(command, any(values)));
          } else {
            answer();
          }
      }
      if (told_.find("held") != std::string::npos && told_.find("holdLost") == std::string::npos) {
        EXPECT_EQ(machine_.stage(), Stage::held);
      }
      ASSERT_LT(asked_.size(), 1000u);
    }
    run(machine_.ended("closed"));
  }
}

}  // namespace
}  // namespace vmmig::test

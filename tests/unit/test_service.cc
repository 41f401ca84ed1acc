// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig serve` between fake hosts of which none knows the other side: what begins a migration, and what is left alone.
#include "tests/unit/serve_fixture.h"

namespace vmmig {
namespace {

using migration::Outcome;

TEST_F(Serve, joinsASourceAndADestinationThatDoNotKnowEachOther) {
  serve();
  tell("host-b", Phase::prepared);
  tell("host-a", Phase::preCopy);
  ASSERT_TRUE(waitFor([&] { return !migrations().empty(); }));
  EXPECT_EQ(migrations().front().plan.sourceHost, "host-a");
  EXPECT_EQ(migrations().front().plan.destinationHost, "host-b");
  tell("host-a", Phase::stopped, 5000);
  ASSERT_TRUE(waitFor([&] { return hold() == HoldStatus::released; }));
  tell("host-b", Phase::resumed);
  ASSERT_TRUE(waitFor([&] { return isOver(); }));
  EXPECT_EQ(migrations().front().outcome, Outcome::moved);
  EXPECT_EQ(pool.agent("fw-b").rows<TcpConnRow>().size(), 20u);
}

TEST_F(Serve, beginsAtOnceWhenASourceNamesItsDestinationThatHasToldNothing) {
  serve();
  for (auto phase : {Phase::preCopy, Phase::stopped}) {
    tell("host-a", phase, phase == Phase::stopped ? 5000 : 0);
    auto row = rowOf("host-a");
    row.destinationHost.value = "host-b";
    pool.agent("host-a").put(row);
  }
  ASSERT_TRUE(waitFor([&] { return hold() == HoldStatus::released; }));
  tell("host-b", Phase::resumed);
  ASSERT_TRUE(waitFor([&] { return isOver(); }));
  EXPECT_EQ(migrations().front().outcome, Outcome::moved);
}

TEST_F(Serve, refusesWhenNoSwitchTellsWhereAHostIs) {
  inventory.hosts["host-b"].namesDevices = false;
  serve();
  tell("host-b", Phase::prepared);
  tell("host-a", Phase::stopped, 10000);
  EXPECT_TRUE(waitFor([&] { return hold() == HoldStatus::cancelled; }, 2s));
  EXPECT_TRUE(migrations().empty());
}

TEST_F(Serve, leavesAHostAloneThatIsOnlyPrepared) {
  serve();
  tell("host-b", Phase::prepared);
  letItBe();
  EXPECT_TRUE(migrations().empty());
  EXPECT_FALSE(isTouched());
}

TEST_F(Serve, tellsTheSourceTheVmsPolicy) {
  inventory.policy = TransferPolicy::bestEffort;
  serve();
  tell("host-b", Phase::prepared);
  tell("host-a", Phase::preCopy);
  EXPECT_TRUE(waitFor([&] { return rowOf("host-a").holdPolicy == HoldPolicy::bestEffort; }));
  EXPECT_EQ(rowOf("host-b").holdPolicy, HoldPolicy::require) << "who holds the VM is the source";
}

TEST_F(Serve, cancelsTheHoldOfAVmWithTwoDestinationsAndTouchesNothing) {
  serve();
  tell("host-b", Phase::prepared);
  tell("host-c", Phase::prepared);
  tell("host-a", Phase::preCopy);
  letItBe();
  EXPECT_TRUE(migrations().empty());
  tell("host-a", Phase::stopped, 10000);
  ASSERT_TRUE(waitFor([&] { return hold() == HoldStatus::cancelled; }, 2s)) << "not only when half of the hold is over";
  EXPECT_TRUE(migrations().empty());
  EXPECT_FALSE(isTouched());
}

TEST_F(Serve, releasesItUnderBestEffort) {
  inventory.policy = TransferPolicy::bestEffort;
  serve();
  tell("host-b", Phase::prepared);
  tell("host-c", Phase::prepared);
  tell("host-a", Phase::stopped, 10000);
  ASSERT_TRUE(waitFor([&] { return hold() == HoldStatus::released; }, 2s));
  EXPECT_FALSE(isTouched());
}

TEST_F(Serve, beginsWhenAnAmbiguityIsOver) {
  serve();
  tell("host-b", Phase::prepared);
  tell("host-c", Phase::prepared);
  tell("host-a", Phase::preCopy);
  letItBe();
  ASSERT_TRUE(migrations().empty());
  tell("host-c", Phase::failed);
  ASSERT_TRUE(waitFor([&] { return !migrations().empty(); }));
  EXPECT_EQ(migrations().front().plan.destinationHost, "host-b");
}

TEST_F(Serve, takesADestinationThatTellsDuringTheHold) {
  serve();
  tell("host-a", Phase::stopped, 5000);
  letItBe();
  ASSERT_EQ(hold(), HoldStatus::held);
  tell("host-b", Phase::prepared);
  EXPECT_TRUE(waitFor([&] { return hold() == HoldStatus::released; }));
}

TEST_F(Serve, endsTheHoldOfAVmWhoseDestinationStaysUnknown) {
  serve();
  tell("host-a", Phase::stopped, 400);
  EXPECT_TRUE(waitFor([&] { return hold() == HoldStatus::cancelled; }, 2s));
  EXPECT_FALSE(isTouched());
}

TEST_F(Serve, goesBackWithTheVmNextTime) {
  serve();
  tell("host-b", Phase::prepared);
  tell("host-a", Phase::preCopy);
  tell("host-a", Phase::stopped, 5000);
  ASSERT_TRUE(waitFor([&] { return hold() == HoldStatus::released; }));
  tell("host-b", Phase::resumed);
  ASSERT_TRUE(waitFor([&] { return isOver(); }));
  for (const char* host : {"host-a", "host-b"}) {
    PhaseRow row = rowOf(host);
    row.sourceHost = row.destinationHost = {};
    pool.agent(host).put(row);
  }
  tell("host-a", Phase::prepared);
  tell("host-b", Phase::preCopy);
  tell("host-b", Phase::stopped, 5000);
  ASSERT_TRUE(waitFor([&] { return rowOf("host-b").holdStatus == HoldStatus::released; }));
  tell("host-a", Phase::resumed);
  ASSERT_TRUE(waitFor([&] { return migrations().size() == 2 && isOver(); }));
  EXPECT_EQ(migrations().front().plan.sourceHost, "host-b");
  EXPECT_EQ(migrations().front().outcome, Outcome::moved);
}

}  // namespace
}  // namespace vmmig

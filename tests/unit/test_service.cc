// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig serve` between fake hosts of which none knows the other side: what begins a migration, and what is left alone.
#include <gtest/gtest.h>

#include "common/log.h"
#include "manager/service.h"
#include "tests/unit/fake_agent.h"

namespace vmmig {
namespace {

using namespace std::chrono_literals;
using migration::Outcome;

class FakePool final : public DevicePool {
 public:
  FakePool(EventLoop& loop, const Inventory& inventory) : DevicePool(loop, inventory, {}), loop_(loop) {}
  FakeAgent& agent(const std::string& name) {
    auto& made = agents_[name];
    if (!made) made = std::make_unique<FakeAgent>(loop_, name);
    made->story = story;
    return *made;
  }
  Result<std::shared_ptr<Device>> device(const std::string& name) override { return agent(name).device(); }
  Result<std::shared_ptr<Device>> host(const std::string& name) override { return agent(name).device(); }

  std::shared_ptr<std::vector<std::string>> story = std::make_shared<std::vector<std::string>>();

 private:
  EventLoop& loop_;
  std::map<std::string, std::unique_ptr<FakeAgent>> agents_;
};

class Serve : public testing::Test {
 protected:
  Serve() {
    log::setLevel(log::Level::error);
    for (std::string site : {"a", "b", "c"}) {
      inventory.hosts["host-" + site] = {.agent = {}, .devices = {"fw-" + site}, .namesDevices = true};
      inventory.devices["fw-" + site];
    }
    inventory.poll = 5ms;
    inventory.limits.stop = 5s;
    inventory.limits.ending = 1s;
    inventory.limits.retry = 5ms;
    pool.agent("fw-a").makeVm(vm, 20);
  }
  ~Serve() override {
    if (service) service->stop();
    loop.runUntil([this] { return !service || ended; }, Clock::now() + 20s);
    log::setLevel(log::Level::info);
  }

  void serve() {
    service = std::make_unique<Service>(loop, inventory, pool, *journal);
    spawn(service->run(), [this] { ended = true; });
  }
  /// A row as a phase source writes it: with its own side alone.
  void tell(const std::string& host, Phase phase, std::uint32_t hold = 0) {
    PhaseRow key;
    key.uuid = vm;
    auto& agent = pool.agent(host);
    auto* known = agent.find(key);
    PhaseRow row = known ? *known : key;
    bool isDestination = phase == Phase::prepared || phase == Phase::resumed || row.destinationHost.value == host;
    (isDestination ? row.destinationHost : row.sourceHost).value = host;
    row.phase = phase;
    row.sequence += known ? 1 : 100;
    row.holdStatus = hold ? HoldStatus::held : HoldStatus::none;
    row.holdDeadline.value = hold;
    agent.put(row);
  }
  PhaseRow rowOf(const std::string& host) {
    PhaseRow key;
    key.uuid = vm;
    auto* row = pool.agent(host).find(key);
    return row ? *row : key;
  }
  HoldStatus hold() { return rowOf("host-a").holdStatus; }
  bool waitFor(std::function<bool()> condition, Clock::duration longest = 10s) {
    return loop.runUntil(std::move(condition), Clock::now() + longest);
  }
  /// Long enough for many polls.
  void letItBe() {
    bool over = false;
    loop.after(100ms, [&] { over = true; });
    waitFor([&] { return over; });
  }
  std::vector<JournalMigration> migrations() { return *journal->list(10); }
  bool isOver() { return !migrations().empty() && migrations().front().outcome.has_value(); }
  bool isTouched() {
    for (const char* device : {"fw-a", "fw-b", "fw-c"})
      if (!pool.agent(device).requests.empty()) return true;
    return false;
  }

  EventLoop loop;
  Uuid vm = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  Inventory inventory;
  FakePool pool{loop, inventory};
  std::unique_ptr<Journal> journal = std::move(*Journal::open(":memory:"));
  std::unique_ptr<Service> service;
  bool ended = false;
};

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

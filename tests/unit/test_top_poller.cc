// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig top` asks each agent in its own time: what is read, and that nobody waits for one that is silent.
#include <gtest/gtest.h>

#include "manager/top/poller.h"
#include "tests/unit/fake_agent.h"

namespace vmmig::top {
namespace {

using namespace std::chrono_literals;
using Fault = FakeAgent::Fault;

class Polling : public testing::Test {
 protected:
  Polling() {
    for (auto* agent : {&one, &other}) {
      agent->makeVm(vm, 3);
      agent->find(DeviceScalars{})->backEnd.value = "memory";
    }
    TransferRow row;
    row.uuid = vm;
    row.epoch = {5};
    row.operStatus = TransferOper::tracking;
    row.rows = 3;
    one.put(row);
  }
  ~Polling() override {
    // Whoever is asking ends.
    poller.reset();
    loop.runUntil([] { return false; }, Clock::now() + std::chrono::milliseconds{30});
  }
  Poller& start() {
    poller = std::make_unique<Poller>(
        loop, std::vector<Poller::Subject>{{"one", false, one.device()}, {"other", false, other.device()}}, 5ms,
        [this] { ++changes; });
    poller->start();
    return *poller;
  }
  bool until(const std::function<bool()>& done) { return loop.runUntil(done, Clock::now() + 5s); }
  Agent agent(std::size_t number) { return poller->snapshot().agents[number]; }

  EventLoop loop;
  Uuid vm = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  FakeAgent one{loop, "one"}, other{loop, "other"};
  std::unique_ptr<Poller> poller;
  int changes = 0;
};

TEST_F(Polling, everyAgentIsReadAgainAndAgain) {
  start();
  EXPECT_FALSE(poller->isComplete());
  ASSERT_TRUE(until([this] { return poller->isComplete(); }));
  EXPECT_EQ(agent(0).reach, Reach::answers);
  ASSERT_EQ(agent(0).transfers.size(), 1u);
  EXPECT_EQ(agent(0).transfers[0].rows, 3u);
  EXPECT_EQ(agent(0).names.at(vm), "web1");
  EXPECT_TRUE(agent(1).transfers.empty());
  TransferRow row = agent(0).transfers[0];
  row.rows = 4;
  one.put(row);
  EXPECT_TRUE(until([this] { return agent(0).transfers[0].rows == 4; }));
}

TEST_F(Polling, oneThatIsSilentHoldsUpNobodyAndComesBack) {
  bool isSilent = true;
  other.fault = [&](const std::string&) { return isSilent ? Fault::dead : Fault::none; };
  start();
  ASSERT_TRUE(until([this] { return agent(1).reach == Reach::silent; }));
  EXPECT_FALSE(agent(1).error.empty());
  auto before = agent(0).answeredAt;
  EXPECT_TRUE(until([&] { return agent(0).answeredAt > before; }));
  EXPECT_TRUE(poller->isComplete());
  isSilent = false;
  EXPECT_TRUE(until([this] { return agent(1).reach == Reach::answers; }));
  EXPECT_EQ(agent(1).error, "");
}

TEST_F(Polling, whatAnAgentSaidStaysWhileItIsSilent) {
  start();
  ASSERT_TRUE(until([this] { return poller->isComplete(); }));
  one.fault = [](const std::string&) { return Fault::dead; };
  ASSERT_TRUE(until([this] { return agent(0).reach == Reach::silent; }));
  EXPECT_EQ(agent(0).transfers.size(), 1u);
}

TEST_F(Polling, whilePausedNobodyIsAsked) {
  start();
  ASSERT_TRUE(until([this] { return poller->isComplete(); }));
  poller->pause(true);
  loop.runUntil([] { return false; }, Clock::now() + 30ms);
  auto before = changes;
  loop.runUntil([] { return false; }, Clock::now() + 60ms);
  EXPECT_EQ(changes, before);
  poller->pause(false);
  EXPECT_TRUE(until([&] { return changes > before; }));
}

TEST_F(Polling, thePollerMayGoWhileAnAgentIsBeingAsked) {
  start();
  int before = changes;
  poller.reset();
  loop.runUntil([] { return false; }, Clock::now() + 30ms);
  EXPECT_EQ(changes, before);
}

}  // namespace
}  // namespace vmmig::top

// SPDX-License-Identifier: GPL-2.0-or-later
// Coroutines on the event loop: values, order, lifetimes, and a stack that does not grow.
#include "common/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace vmmig {
namespace {

using namespace std::chrono_literals;

Task<int> immediately(int value) { co_return value; }

Task<int> nextTime(EventLoop& loop, int value) {
  co_await nextTurn(loop);
  co_return value;
}

class TaskTest : public testing::Test {
 protected:
  void run(Task<> task) {
    bool done = false;
    spawn(std::move(task), [&done] { done = true; });
    ASSERT_TRUE(loop.runUntil([&done] { return done; }, Clock::now() + 60s));
  }
  EventLoop loop;
  std::string events;
};

TEST_F(TaskTest, AValueComesThroughAtOnceAndLater) {
  int sum = 0;
  auto task = [](EventLoop& in, int& out) -> Task<> {
    int first = co_await immediately(40);
    int second = co_await nextTime(in, 2);
    out = first + second;
  };
  run(task(loop, sum));
  EXPECT_EQ(sum, 42);
}

TEST_F(TaskTest, ATaskStartsWhenItIsAwaitedAndNotBefore) {
  auto child = [](std::string& out) -> Task<> {
    out += 'c';
    co_return;
  };
  auto parent = [&child](std::string& out) -> Task<> {
    auto waiting = child(out);
    out += 'p';
    co_await std::move(waiting);
    out += 'e';
  };
  run(parent(events));
  EXPECT_EQ(events, "pce");
}

TEST_F(TaskTest, SpawnRunsUpToTheFirstWaitAndTellsTheEnd) {
  auto task = [](EventLoop& in, std::string& out) -> Task<> {
    out += 'a';
    co_await nextTurn(in);
    out += 'b';
  };
  spawn(task(loop, events), [this] { events += 'd'; });
  events += '|';
  ASSERT_TRUE(loop.runUntil([this] { return events.ends_with('d'); }, Clock::now() + 10s));
  EXPECT_EQ(events, "a|bd");
}

TEST_F(TaskTest, TwoTasksTakeTurns) {
  auto slices = [](EventLoop& in, std::string& out, char name) -> Task<> {
    for (int i = 0; i < 3; ++i) {
      out += name;
      co_await nextTurn(in);
    }
  };
  spawn(slices(loop, events, 'a'));
  run(slices(loop, events, 'b'));
  EXPECT_EQ(events, "ababab");
}

TEST_F(TaskTest, SleepForWaitsAtLeastSoLongAndLetsOthersRun) {
  auto sleeper = [](EventLoop& in, std::string& out) -> Task<> {
    co_await sleepFor(in, 20ms);
    out += 's';
  };
  loop.after(1ms, [this] { events += 't'; });
  auto begin = Clock::now();
  run(sleeper(loop, events));
  EXPECT_GE(Clock::now() - begin, 20ms);
  EXPECT_EQ(events, "ts");
}

TEST_F(TaskTest, ACompletionMayFinishAtOnceOrLater) {
  int sum = 0;
  auto task = [](EventLoop& in, int& out) -> Task<> {
    Completion<int> atOnce{[](auto finish) { finish(1); }};
    out += co_await atOnce;
    Completion<int> later{[&in](auto finish) { in.post([finish] { finish(10); }); }};
    out += co_await later;
  };
  run(task(loop, sum));
  EXPECT_EQ(sum, 11);
}

TEST_F(TaskTest, ResultsMayBeMovedOnly) {
  auto make = [](EventLoop& in) -> Task<std::unique_ptr<int>> {
    co_await nextTurn(in);
    co_return std::make_unique<int>(7);
  };
  std::unique_ptr<int> kept;
  auto task = [&make](EventLoop& in, std::unique_ptr<int>& out) -> Task<> { out = co_await make(in); };
  run(task(loop, kept));
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, 7);
}

TEST_F(TaskTest, WhatATaskHoldsIsGivenBackOnceWhenItEnds) {
  auto held = std::make_shared<int>(1);
  auto inner = [](EventLoop& in, std::shared_ptr<int> hold) -> Task<int> {
    co_await nextTurn(in);
    co_return *hold;
  };
  auto outer = [&inner](EventLoop& in, std::shared_ptr<int> hold) -> Task<> {
    int value = co_await inner(in, hold);
    EXPECT_EQ(value, 1);
    co_await nextTurn(in);
  };
  run(outer(loop, held));
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(TaskTest, ATaskThatIsNeverAwaitedGivesBackWhatItHolds) {
  auto held = std::make_shared<int>(1);
  auto never = [](std::shared_ptr<int> hold) -> Task<> {
    EXPECT_FALSE(hold) << "must not run";
    co_return;
  };
  { auto task = never(held); }
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(TaskTest, AMovedTaskIsOneTask) {
  auto held = std::make_shared<int>(1);
  auto hold = [](std::shared_ptr<int>) -> Task<> { co_return; };
  {
    Task<> a = hold(held);
    Task<> b = std::move(a);
    a = hold(held);
    a = std::move(b);
  }
  EXPECT_EQ(held.use_count(), 1);
}

// A commit of 100,000 rows awaits as many small steps; none of them may leave a frame on the stack, optimised or not.
TEST_F(TaskTest, AMillionAwaitsOfTasksThatEndAtOnceDoNotGrowTheStack) {
  long sum = 0;
  auto task = [](long& out) -> Task<> {
    for (int i = 0; i < 1'000'000; ++i) out += co_await immediately(1);
  };
  run(task(sum));
  EXPECT_EQ(sum, 1'000'000);
}

TEST_F(TaskTest, AMillionCompletionsThatFinishAtOnceDoNotGrowTheStack) {
  long sum = 0;
  auto task = [](long& out) -> Task<> {
    for (int i = 0; i < 1'000'000; ++i) {
      Completion<int> one{[](auto finish) { finish(1); }};
      out += co_await one;
    }
  };
  run(task(sum));
  EXPECT_EQ(sum, 1'000'000);
}

TEST_F(TaskTest, TasksThatWaitAreResumedThroughEveryLevel) {
  long sum = 0;
  auto task = [](EventLoop& in, long& out) -> Task<> {
    for (int i = 0; i < 10'000; ++i) out += co_await nextTime(in, 1);
  };
  auto outer = [&task](EventLoop& in, long& out) -> Task<> {
    co_await task(in, out);
    co_await task(in, out);
  };
  run(outer(loop, sum));
  EXPECT_EQ(sum, 20'000);
}

}  // namespace
}  // namespace vmmig

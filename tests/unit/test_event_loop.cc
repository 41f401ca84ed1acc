// SPDX-License-Identifier: GPL-2.0-or-later
// The event loop: timers, posted work, descriptors, signals and foreign libraries, without a sleep.
#include "common/event_loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>

namespace vmmig {
namespace {

using namespace std::chrono_literals;

class EventLoopTest : public testing::Test {
 protected:
  /// Turns the loop until `done`, or fails after a deadline that only a bug reaches.
  void runUntil(const std::function<bool()>& done) { ASSERT_TRUE(loop.runUntil(done, Clock::now() + 10s)); }
  EventLoop loop;
  std::string events;
};

struct Pipe {
  Pipe() {
    int fds[2];
    if (::pipe(fds) != 0) std::abort();
    read = UniqueFd{fds[0]};
    write = UniqueFd{fds[1]};
  }
  void put() { ASSERT_EQ(::write(write.get(), "x", 1), 1); }
  void take() {
    char c;
    ASSERT_EQ(::read(read.get(), &c, 1), 1);
  }
  UniqueFd read;
  UniqueFd write;
};

TEST_F(EventLoopTest, WhoAsksIsServedBetweenTheSlicesOfManyTasks) {
  Pipe pipe;
  loop.watch(pipe.read.get(), [&] {
    pipe.take();
    events += "?";
  });
  const auto work = [&](const char* name) {
    for (auto end = Clock::now() + 20ms; Clock::now() < end;) continue;
    events += name;
  };
  loop.post([&] {
    pipe.put();
    work("a");
  });
  loop.post([&] { work("b"); });
  loop.post([&] { work("c"); });
  runUntil([&] { return events.size() == 4; });
  EXPECT_EQ(events, "a?bc");
}

TEST_F(EventLoopTest, TimersRunInTheOrderOfTheirTimesAndEqualOnesInTheOrderOfTheirMaking) {
  loop.after(3ms, [this] { events += 'c'; });
  loop.after(1ms, [this] { events += 'a'; });
  loop.after(2ms, [this] { events += 'b'; });
  runUntil([this] { return events.size() == 3; });
  EXPECT_EQ(events, "abc");
}

TEST_F(EventLoopTest, ATimerNeverRunsEarly) {
  auto begin = Clock::now();
  loop.after(20ms, [this] { events += 'x'; });
  runUntil([this] { return !events.empty(); });
  EXPECT_GE(Clock::now() - begin, 20ms);
}

TEST_F(EventLoopTest, ACancelledTimerDoesNotRunAndItsNeighboursDo) {
  loop.after(1ms, [this] { events += 'a'; });
  auto b = loop.after(1ms, [this] { events += 'b'; });
  loop.after(1ms, [this] { events += 'c'; });
  loop.cancel(b);
  loop.cancel(b);
  loop.cancel(12345);
  runUntil([this] { return events.size() == 2; });
  EXPECT_EQ(events, "ac");
}

TEST_F(EventLoopTest, ATimerMayCancelAnotherThatIsDueAndItself) {
  EventLoop::TimerId first = 0;
  EventLoop::TimerId second = 0;
  first = loop.after(0ms, [&] {
    events += 'a';
    loop.cancel(first);
    loop.cancel(second);
  });
  second = loop.after(0ms, [this] { events += 'b'; });
  loop.after(1ms, [this] { events += 'c'; });
  runUntil([this] { return events.ends_with('c'); });
  EXPECT_EQ(events, "ac");
}

TEST_F(EventLoopTest, WorkThatPostsItselfAgainLetsTimersRunInBetween) {
  int slices = 0;
  std::function<void()> slice = [&] {
    if (++slices < 1'000'000 && events.empty()) loop.post(slice);
  };
  loop.post(slice);
  loop.after(1ms, [this] { events += 't'; });
  runUntil([this] { return !events.empty(); });
  EXPECT_LT(slices, 1'000'000);
}

TEST_F(EventLoopTest, PostedWorkRunsInOrder) {
  for (char c : {'a', 'b', 'c'}) loop.post([this, c] { events += c; });
  runUntil([this] { return events.size() == 3; });
  EXPECT_EQ(events, "abc");
}

TEST_F(EventLoopTest, ADescriptorCallsBackWhileItIsReadable) {
  Pipe pipe;
  pipe.put();
  pipe.put();
  loop.watch(pipe.read.get(), [&] {
    pipe.take();
    events += 'r';
  });
  runUntil([this] { return events.size() == 2; });
  EXPECT_FALSE(loop.runUntil([this] { return events.size() > 2; }, Clock::now() + 5ms));
}

TEST_F(EventLoopTest, AClosedPeerCallsBackToo) {
  Pipe pipe;
  pipe.write = UniqueFd{};
  loop.watch(pipe.read.get(), [&] {
    events += 'h';
    loop.unwatch(pipe.read.get());
  });
  runUntil([this] { return !events.empty(); });
}

TEST_F(EventLoopTest, ACallbackMayUnwatchAnotherThatIsReadyAndItself) {
  Pipe a;
  Pipe b;
  a.put();
  b.put();
  auto either = [&] {
    events += 'x';
    loop.unwatch(a.read.get());
    loop.unwatch(b.read.get());
  };
  loop.watch(a.read.get(), either);
  loop.watch(b.read.get(), either);
  runUntil([this] { return !events.empty(); });
  EXPECT_FALSE(loop.runUntil([this] { return events.size() > 1; }, Clock::now() + 5ms));
}

TEST_F(EventLoopTest, RunUntilAnswersFalseAtItsDeadlineAndWhenStopped) {
  EXPECT_FALSE(loop.runUntil([] { return false; }, Clock::now() + 2ms));
  loop.post([this] { loop.stop(); });
  EXPECT_FALSE(loop.runUntil([] { return false; }));
  EXPECT_TRUE(loop.runUntil([] { return true; }, Clock::now() - 1s)) << "done counts even when late";
}

TEST_F(EventLoopTest, RunEndsWithStop) {
  loop.after(1ms, [this] { loop.stop(); });
  loop.run();
}

TEST_F(EventLoopTest, ASignalIsACallback) {
  loop.onSignal(SIGUSR1, [this] { events += 's'; });
  ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
  runUntil([this] { return events == "s"; });
}

TEST_F(EventLoopTest, ASecondCallbackForASignalReplacesTheFirst) {
  loop.onSignal(SIGUSR2, [this] { events += '1'; });
  loop.onSignal(SIGUSR2, [this] { events += '2'; });
  ASSERT_EQ(::kill(::getpid(), SIGUSR2), 0);
  runUntil([this] { return !events.empty(); });
  EXPECT_FALSE(loop.runUntil([this] { return events.size() > 1; }, Clock::now() + 5ms));
  EXPECT_EQ(events, "2");
}

/// A library that waits for one descriptor and wants to be called at least every `most`.
class FakeSource : public PollSource {
 public:
  FakeSource(int fd, Clock::duration most) : fd_(fd), most_(most) {}
  std::optional<Clock::duration> prepare(std::vector<pollfd>& fds) override {
    fds.push_back({fd_, POLLIN, 0});
    return most_;
  }
  void dispatch(std::vector<pollfd> fds) override {
    ++dispatched;
    EXPECT_EQ(fds.size(), 1U);
    EXPECT_EQ(fds[0].fd, fd_);
    if (fds[0].revents & POLLIN) ++readable;
    if (onDispatch) onDispatch();
  }
  int dispatched = 0;
  int readable = 0;
  std::function<void()> onDispatch;

 private:
  int fd_;
  Clock::duration most_;
};

TEST_F(EventLoopTest, EachSourceIsGivenItsOwnDescriptors) {
  Pipe a;
  Pipe b;
  Pipe watched;
  b.put();
  FakeSource first{a.read.get(), 1h};
  FakeSource second{b.read.get(), 1h};
  loop.watch(watched.read.get(), [] {});
  loop.attach(first);
  loop.attach(second);
  runUntil([&] { return second.readable > 0; });
  EXPECT_EQ(first.readable, 0);
  EXPECT_GT(first.dispatched, 0) << "also called when nothing is ready, for its timeouts";
}

TEST_F(EventLoopTest, ASourcesTimeoutEndsTheWait) {
  Pipe silent;
  FakeSource source{silent.read.get(), 1ms};
  loop.attach(source);
  runUntil([&] { return source.dispatched > 2; });
}

TEST_F(EventLoopTest, ASourceThatIsDetachedIsLeftAlone) {
  Pipe a;
  Pipe b;
  a.put();
  b.put();
  FakeSource first{a.read.get(), 1h};
  FakeSource second{b.read.get(), 1h};
  loop.attach(first);
  loop.attach(second);
  first.onDispatch = [&] { loop.detach(second); };
  runUntil([&] { return first.dispatched == 2; });
  EXPECT_EQ(second.dispatched, 0);
}

}  // namespace
}  // namespace vmmig

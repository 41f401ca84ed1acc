// SPDX-License-Identifier: GPL-2.0-or-later
// One thread's event loop: file descriptors, timers, signals and slices of long work, over poll(2).
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "common/unique_fd.h"

namespace vmmig {

using Clock = std::chrono::steady_clock;

/// A foreign library with descriptors and timeouts of its own (Net-SNMP). prepare() runs before each wait, dispatch() after it.
class PollSource {
 public:
  virtual ~PollSource() = default;
  /// Appends the descriptors to wait for, and answers how long the wait may last at most (nothing: for ever).
  virtual std::optional<Clock::duration> prepare(std::vector<pollfd>& fds) = 0;
  /// `fds` are those that prepare() appended, with revents; also called when none is ready, for the library's timeouts.
  virtual void dispatch(std::vector<pollfd> fds) = 0;
};

class EventLoop {
 public:
  using Callback = std::function<void()>;
  using TimerId = std::uint64_t;

  EventLoop() = default;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Calls back while `fd` is readable. The caller keeps `fd` open until unwatch().
  void watch(int fd, Callback readable);
  void unwatch(int fd);

  /// Calls back once. Cancelling a timer that ran already does nothing.
  TimerId after(Clock::duration delay, Callback expired);
  void cancel(TimerId id);

  /// Calls back in this loop's next turn; the way to cut long work into slices between which descriptors are served.
  void post(Callback work);

  /// Delivers a signal as a callback; blocks it for this process. Call before any thread starts.
  void onSignal(int signal, Callback callback);

  void attach(PollSource& source) { sources_.push_back(&source); }
  void detach(PollSource& source);

  /// Until stop().
  void run();
  /// Until `done` answers true or the deadline has passed; true when done.
  bool runUntil(const std::function<bool()>& done, Clock::time_point deadline = Clock::time_point::max());
  void stop() { stopped_ = true; }

 private:
  struct Timer {
    TimerId id;
    Callback callback;
  };
  void turn(std::optional<Clock::duration> limit);
  int waitMilliseconds(std::optional<Clock::duration> limit) const;
  void runTimers();
  void runPosted();

  std::map<int, std::shared_ptr<Callback>> watched_;
  std::multimap<Clock::time_point, Timer> timers_;
  std::map<TimerId, Clock::time_point> timerTimes_;
  std::deque<Callback> posted_;
  std::vector<PollSource*> sources_;
  std::map<int, UniqueFd> signalFds_;
  TimerId nextTimer_ = 1;
  bool stopped_ = false;
};

}  // namespace vmmig

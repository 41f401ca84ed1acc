// SPDX-License-Identifier: GPL-2.0-or-later
// How coroutines of the manager wait for each other: a wait that a call ends early, and a lock that keeps requests in order.
#pragma once

#include <deque>

#include "common/task.h"

namespace vmmig {

/// One waiter at a time: co_await wakeup.wait(loop, 10ms), ended early by notify(). A notify() without a waiter is kept.
class Wakeup {
 public:
  Completion<bool> wait(EventLoop& loop, Clock::duration longest) {
    return Completion<bool>{[this, &loop, longest](Completion<bool>::Finish finish) {
      if (std::exchange(notified_, false)) return finish(true);
      loop_ = &loop;
      finish_ = std::move(finish);
      timer_ = loop.after(longest, [this] { std::exchange(finish_, nullptr)(false); });
    }};
  }
  void notify() {
    if (!finish_) {
      notified_ = true;
      return;
    }
    loop_->cancel(timer_);
    // Posted, so that whoever notifies is not re-entered.
    loop_->post([finish = std::exchange(finish_, nullptr)] { finish(true); });
  }

 private:
  EventLoop* loop_ = nullptr;
  EventLoop::TimerId timer_ = 0;
  Completion<bool>::Finish finish_;
  bool notified_ = false;
};

/// First come, first served: co_await lock.acquire(); ... lock.release().
class TurnLock {
 public:
  Completion<bool> acquire() {
    return Completion<bool>{[this](Completion<bool>::Finish finish) {
      if (!std::exchange(taken_, true)) return finish(true);
      waiting_.push_back(std::move(finish));
    }};
  }
  void release() {
    taken_ = !waiting_.empty();
    if (waiting_.empty()) return;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    next(true);
  }

 private:
  bool taken_ = false;
  std::deque<Completion<bool>::Finish> waiting_;
};

/// So many at once; who comes later waits, in order, and goes on in a turn of the loop.
class Slots {
 public:
  explicit Slots(std::size_t most) : free_(most) {}
  Completion<bool> acquire() {
    return Completion<bool>{[this](Completion<bool>::Finish finish) {
      if (free_ == 0) return waiting_.push_back(std::move(finish));
      --free_;
      finish(true);
    }};
  }
  void release(EventLoop& loop) {
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    loop.post([next = std::move(waiting_.front())] { next(true); });
    waiting_.pop_front();
  }

 private:
  std::size_t free_;
  std::deque<Completion<bool>::Finish> waiting_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// How coroutines of the manager wait for each other: a wait that a call ends early, a lock that keeps requests in order, and
// slots of which who is in haste has the next.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>

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

/// Whether what waits must not: true while its VM stands still. It is looked at when there is a choice, so what waits already has
/// it too. None: there is no haste.
using Haste = std::shared_ptr<const bool>;

/// So many at once; who comes later waits, and goes on in a turn of the loop: who is in haste first, else in order. So that
/// nobody waits for ever, every so often it is the turn of who came first.
class Slots {
 public:
  static constexpr int mostAhead = 8;

  explicit Slots(std::size_t most) : free_(most) {}
  Completion<bool> acquire(Haste haste = nullptr) {
    return Completion<bool>{[this, haste = std::move(haste)](Completion<bool>::Finish finish) {
      if (free_ == 0) return waiting_.push_back({haste, std::move(finish)});
      --free_;
      finish(true);
    }};
  }
  void release(EventLoop& loop) {
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    auto next = choose();
    loop.post([finish = std::move(next->finish)] { finish(true); });
    waiting_.erase(next);
  }

 private:
  struct Waiting {
    Haste haste;
    Completion<bool>::Finish finish;
  };

  std::deque<Waiting>::iterator choose() {
    auto first = waiting_.begin();
    auto hasty = std::find_if(first, waiting_.end(), [](const Waiting& each) { return each.haste && *each.haste; });
    bool isAhead = hasty != first && hasty != waiting_.end();
    if (isAhead && ahead_++ < mostAhead) return hasty;
    ahead_ = 0;
    return first;
  }

  std::size_t free_;
  int ahead_ = 0;  // of who came first, since it did
  std::deque<Waiting> waiting_;
};

}  // namespace vmmig

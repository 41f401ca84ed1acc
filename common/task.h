// SPDX-License-Identifier: GPL-2.0-or-later
// Task<T>: a coroutine that another one co_awaits, or that spawn() sets going; so that work in many steps (a commit in
// slices, a walk over SNMP) reads from top to bottom and still never blocks the event loop.
//
// Rules that keep it safe: parameters are taken by value (a reference must outlive the task); an argument list inside
// co_await holds no braced temporaries (g++ 12 destroys some twice); nothing throws out of a task, a Result tells; a coroutine
// that is no template is not inline (g++ 12 at -O2 refers to its frame in a section that the linker has discarded).
#pragma once

#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

#include "common/event_loop.h"

namespace vmmig {

namespace detail {

struct TaskPromiseBase {
  std::coroutine_handle<> waiter;  // none as long as whoever awaits has not suspended

  struct Final {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> done) noexcept {
      if (auto waiter = done.promise().waiter) waiter.resume();  // destroys `done`
    }
    void await_resume() noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  Final final_suspend() noexcept { return {}; }
  // A failure inside a task is a bug: expected ones are Results.
  void unhandled_exception() { std::terminate(); }
};

template <class T>
struct TaskPromise : TaskPromiseBase {
  std::optional<T> value;
  auto get_return_object() { return std::coroutine_handle<TaskPromise>::from_promise(*this); }
  template <class U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T take() { return std::move(*value); }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  auto get_return_object() { return std::coroutine_handle<TaskPromise>::from_promise(*this); }
  void return_void() {}
  void take() {}
};

}  // namespace detail

/// Starts when awaited; destroying it destroys the coroutine where it stands.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;

  Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  // Not by symmetric transfer: g++ 12 makes that a tail call at -O2 only, and else a loop over tasks that end at once fills the
  // stack.
  bool await_suspend(std::coroutine_handle<> waiter) {
    handle_.resume();
    if (handle_.done()) return false;
    handle_.promise().waiter = waiter;
    return true;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

/// Sets a task going; it owns itself until it ends, then `done` is called.
void spawn(Task<void> task, std::function<void()> done = {});

/// Waits for a callback: co_await Completion<int>([&](auto finish) { startSomething(finish); }).
/// `finish` is called exactly once, later or at once.
template <class T>
class Completion {
 public:
  using Finish = std::function<void(T)>;
  explicit Completion(std::function<void(Finish)> start) : start_(std::move(start)) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    start_([this, waiter](T value) {
      value_.emplace(std::move(value));
      if (!inside_) waiter.resume();
    });
    inside_ = false;
    // Finished at once: do not suspend.
    return !value_.has_value();
  }
  T await_resume() { return std::move(*value_); }

 private:
  std::function<void(Finish)> start_;
  std::optional<T> value_;
  bool inside_ = true;
};

/// Lets the loop serve descriptors and timers, then goes on: co_await nextTurn(loop) between slices of long work.
inline auto nextTurn(EventLoop& loop) {
  struct Awaiter {
    EventLoop& loop;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      loop.post([waiter] { waiter.resume(); });
    }
    void await_resume() {}
  };
  return Awaiter{loop};
}

/// co_await sleepFor(loop, 20ms).
inline auto sleepFor(EventLoop& loop, Clock::duration delay) {
  struct Awaiter {
    EventLoop& loop;
    Clock::duration delay;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      loop.after(delay, [waiter] { waiter.resume(); });
    }
    void await_resume() {}
  };
  return Awaiter{loop, delay};
}

}  // namespace vmmig

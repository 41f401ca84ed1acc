// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/task.h"

namespace vmmig {

namespace {

// Owns itself: its frame goes when it ends.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Detached detach(Task<void> task, std::function<void()> done) {
  co_await task;
  if (done) done();
}

}  // namespace

void spawn(Task<void> task, std::function<void()> done) { detach(std::move(task), std::move(done)); }

}  // namespace vmmig

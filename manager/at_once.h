// SPDX-License-Identifier: GPL-2.0-or-later
// Many tasks of one kind, some of them under way at the same time.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "common/task.h"

namespace vmmig {

namespace detail {

struct Jobs {
  std::size_t next;
  std::size_t count;
  std::function<Task<>(std::size_t)> job;
};

inline Task<> work(std::shared_ptr<Jobs> jobs) {
  while (jobs->next < jobs->count) {
    auto number = jobs->next++;
    co_await jobs->job(number);
  }
}

}  // namespace detail

/// Runs job(0) to job(count - 1), started in this order, at most `limit` under way; ends when all have ended. To end early, let
/// the jobs that are left return at once.
inline Task<> forEachAtOnce(std::size_t count, std::size_t limit, std::function<Task<>(std::size_t)> job) {
  auto workers = std::min(count, limit);
  if (workers == 0) co_return;
  auto jobs = std::make_shared<detail::Jobs>(detail::Jobs{0, count, std::move(job)});
  co_await Completion<bool>([&](Completion<bool>::Finish finish) {
    auto running = std::make_shared<std::size_t>(workers);
    for (std::size_t worker = 0; worker < workers; ++worker)
      spawn(detail::work(jobs), [running, finish] {
        if (--*running == 0) finish(true);
      });
  });
}

}  // namespace vmmig

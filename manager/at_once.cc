// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/at_once.h"

#include <algorithm>
#include <memory>

namespace vmmig {

namespace {

struct Jobs {
  std::size_t next;
  std::size_t count;
  std::function<Task<>(std::size_t)> job;
};

Task<> work(std::shared_ptr<Jobs> jobs) {
  while (jobs->next < jobs->count) {
    auto number = jobs->next++;
    co_await jobs->job(number);
  }
}

}  // namespace

Task<> forEachAtOnce(std::size_t count, std::size_t limit, std::function<Task<>(std::size_t)> job) {
  auto workers = std::min(count, limit);
  if (workers == 0) co_return;
  auto jobs = std::make_shared<Jobs>(Jobs{0, count, std::move(job)});
  co_await Completion<bool>([&](Completion<bool>::Finish finish) {
    auto running = std::make_shared<std::size_t>(workers);
    for (std::size_t worker = 0; worker < workers; ++worker)
      spawn(work(jobs), [running, finish] {
        if (--*running == 0) finish(true);
      });
  });
}

}  // namespace vmmig

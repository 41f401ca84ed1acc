// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/event_loop.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace vmmig {

namespace {
/// Of posted work, after which descriptors and timers have their turn again.
constexpr auto longestTurn = std::chrono::milliseconds{5};

void shorten(std::optional<Clock::duration>& limit, Clock::duration other) {
  if (!limit || other < *limit) limit = other;
}
}  // namespace

void EventLoop::watch(int fd, Callback readable) {
  watched_[fd] = std::make_shared<Callback>(std::move(readable));
}

void EventLoop::unwatch(int fd) { watched_.erase(fd); }

EventLoop::TimerId EventLoop::after(Clock::duration delay, Callback expired) {
  auto at = Clock::now() + delay;
  TimerId id = nextTimer_++;
  timers_.emplace(at, Timer{id, std::move(expired)});
  timerTimes_[id] = at;
  return id;
}

void EventLoop::cancel(TimerId id) {
  auto found = timerTimes_.find(id);
  if (found == timerTimes_.end()) return;
  auto [first, last] = timers_.equal_range(found->second);
  auto timer = std::find_if(first, last, [id](const auto& entry) { return entry.second.id == id; });
  timers_.erase(timer);
  timerTimes_.erase(found);
}

void EventLoop::post(Callback work) { posted_.push_back(std::move(work)); }

void EventLoop::onSignal(int signal, Callback callback) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, signal);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  UniqueFd fd{signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC)};
  if (!fd) throw std::system_error(errno, std::generic_category(), "signalfd");
  int raw = fd.get();
  auto& kept = signalFds_[signal];
  if (kept) unwatch(kept.get());  // a second callback replaces the first
  kept = std::move(fd);
  watch(raw, [raw, callback = std::move(callback)] {
    signalfd_siginfo info;
    if (::read(raw, &info, sizeof info) == sizeof info) callback();
  });
}

void EventLoop::detach(PollSource& source) { std::erase(sources_, &source); }

void EventLoop::run() {
  runUntil([] { return false; });
}

bool EventLoop::runUntil(const std::function<bool()>& done, Clock::time_point deadline) {
  stopped_ = false;
  while (!done()) {
    auto now = Clock::now();
    if (stopped_ || now >= deadline) return false;
    std::optional<Clock::duration> limit;
    if (deadline != Clock::time_point::max()) limit = deadline - now;
    turn(limit);
  }
  return true;
}

int EventLoop::waitMilliseconds(std::optional<Clock::duration> limit) const {
  if (!posted_.empty()) return 0;
  if (!timers_.empty()) shorten(limit, timers_.begin()->first - Clock::now());
  if (!limit) return -1;
  if (*limit <= Clock::duration::zero()) return 0;
  // Rounded up, or the last millisecond before a timer is spun away.
  auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(*limit).count();
  return static_cast<int>(std::min<std::int64_t>(milliseconds, 60'000));
}

void EventLoop::turn(std::optional<Clock::duration> limit) {
  std::vector<pollfd> fds;
  for (const auto& [fd, callback] : watched_) fds.push_back({fd, POLLIN, 0});
  std::vector<std::pair<PollSource*, std::size_t>> owners;  // and where each one's descriptors end
  for (auto* source : sources_) {
    if (auto most = source->prepare(fds)) shorten(limit, *most);
    owners.emplace_back(source, fds.size());
  }
  std::size_t own = watched_.size();
  // A failed poll (EINTR) leaves no revents: timers and sources still run.
  if (::poll(fds.data(), fds.size(), waitMilliseconds(limit)) < 0)
    for (auto& fd : fds) fd.revents = 0;
  for (std::size_t i = 0; i < own; ++i) {
    if (fds[i].revents == 0) continue;
    // An earlier callback of this turn may have unwatched it; the copy keeps the callable alive while it runs.
    if (auto found = watched_.find(fds[i].fd); found != watched_.end()) {
      auto callback = found->second;
      (*callback)();
    }
  }
  std::size_t begin = own;
  for (auto [source, end] : owners) {
    bool attached = std::find(sources_.begin(), sources_.end(), source) != sources_.end();
    if (attached) source->dispatch({fds.begin() + static_cast<long>(begin), fds.begin() + static_cast<long>(end)});
    begin = end;
  }
  runTimers();
  runPosted();
}

void EventLoop::runTimers() {
  auto now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    auto timer = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    timerTimes_.erase(timer.id);
    timer.callback();
  }
}

void EventLoop::runPosted() {
  // Only what was there at the start: work that posts itself again waits for the next turn. Of many slices no more than fit into a
  // turn: who asks is answered between them, however many tasks there are.
  auto end = Clock::now() + longestTurn;
  for (auto left = posted_.size(); left > 0; --left) {
    auto callback = std::move(posted_.front());
    posted_.pop_front();
    callback();
    if (Clock::now() >= end) break;
  }
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Waits until a socket is writable, which is how a connection tells that it stands: the loop itself only watches for reading.
#pragma once

#include <functional>

#include "common/event_loop.h"

namespace vmmig {

class Writable : public PollSource {
 public:
  Writable(EventLoop& loop, int fd, std::function<void()> ready) : loop_(loop), fd_(fd), ready_(std::move(ready)) {
    loop_.attach(*this);
  }
  ~Writable() override { loop_.detach(*this); }
  Writable(const Writable&) = delete;
  Writable& operator=(const Writable&) = delete;

  std::optional<Clock::duration> prepare(std::vector<pollfd>& fds) override {
    if (!told_) fds.push_back({fd_, POLLOUT, 0});
    return std::nullopt;
  }
  void dispatch(std::vector<pollfd> fds) override {
    if (fds.empty() || fds[0].revents == 0 || told_) return;
    told_ = true;
    // Later: who is told destroys us, and the loop still iterates over its sources.
    loop_.post(ready_);
  }

 private:
  EventLoop& loop_;
  int fd_;
  std::function<void()> ready_;
  bool told_ = false;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Asks every agent again and again, each in its own time: one that does not answer holds up nobody.
#pragma once

#include <functional>
#include <memory>

#include "manager/device.h"
#include "manager/top/snapshot.h"

namespace vmmig::top {

class Poller {
 public:
  struct Subject {
    std::string name;
    bool isHost;
    std::shared_ptr<Device> device;
  };
  /// `changed` is called after each answer, and each failure to get one.
  Poller(EventLoop& loop, std::vector<Subject> subjects, Clock::duration interval, std::function<void()> changed);
  /// What is under way then tells nobody any more.
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  void start();
  /// While paused nobody is asked.
  void pause(bool isPaused) { state_->isPaused = isPaused; }
  /// Whether each agent has answered or failed to once.
  bool isComplete() const;
  Snapshot snapshot() const;

 private:
  /// Outlives the poller with the requests that are under way.
  struct State {
    EventLoop& loop;
    Clock::duration interval;
    std::function<void()> changed;
    std::vector<Agent> agents;
    bool isPaused = false, isOver = false;
  };
  static Task<> follow(std::shared_ptr<State> state, std::size_t number, std::shared_ptr<Device> device);
  static Task<Status> ask(std::shared_ptr<Device> device, Agent& agent);

  std::shared_ptr<State> state_;
  std::vector<Subject> subjects_;
};

}  // namespace vmmig::top

// SPDX-License-Identifier: GPL-2.0-or-later
// Threads for libvirt, whose calls block: as long as QEMU does, which stands still while it is held. One turns libvirt's event
// loop and so hears everything at once; one makes the calls. Both talk to the rest of vmmigd, which is one thread, by messages.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "common/event_loop.h"
#include "common/unique_fd.h"

namespace vmmig {

/// Work for the thread of an EventLoop, from any other. It goes when its owner does; the sender keeps a shared_ptr.
class Mailbox {
 public:
  explicit Mailbox(EventLoop& loop);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  void send(std::function<void()> work);
  /// By the loop's thread: what was sent and what will be is dropped.
  void close();

 private:
  void receive();

  EventLoop& loop_;
  UniqueFd fd_;
  std::mutex mutex_;
  bool isClosed_ = false;
  std::deque<std::function<void()>> sent_;
};

/// A thread that carries out work in the order of its arrival, and looks after itself in between.
class Worker {
 public:
  using Work = std::function<void()>;

  /// Runs `tend` in the thread before each piece of work, and at least as often as `pause` says.
  Worker(std::chrono::milliseconds pause, Work tend);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Waits for the work that is there, or for as long as `patience` says: then the thread is left to itself.
  void stop(std::chrono::milliseconds patience);
  void add(Work work);
  /// Tends at once.
  void wake();

 private:
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Work> queue;
    bool isWoken = false;
    bool isStopping = false;
    bool isOver = false;
  };
  static void run(std::shared_ptr<Shared> shared, std::chrono::milliseconds pause, Work tend);

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::thread thread_;
};

/// Turns libvirt's default event loop (which is the process's: one at a time) until destroyed.
class LibvirtLoop {
 public:
  LibvirtLoop();
  LibvirtLoop(const LibvirtLoop&) = delete;
  LibvirtLoop& operator=(const LibvirtLoop&) = delete;
  ~LibvirtLoop();

 private:
  UniqueFd stop_;
  int watch_ = -1;
  std::atomic<bool> isStopping_ = false;
  std::thread thread_;
};

}  // namespace vmmig

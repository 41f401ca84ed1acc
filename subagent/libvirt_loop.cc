// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/libvirt_loop.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <system_error>

namespace vmmig {

namespace {

UniqueFd newEventFd() {
  UniqueFd fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!fd) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

void ring(const UniqueFd& fd) { ::eventfd_write(fd.get(), 1); }

/// Signals are the main thread's, which may not have blocked them yet.
template <class Run>
std::thread startThread(Run run) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread{std::move(run)};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

/// Once in the process; libvirt has no way back.
void registerLoop() {
  static const int code = ::virEventRegisterDefaultImpl();
  if (code != 0) throw std::runtime_error("libvirt has no event loop: " + std::string{::virGetLastErrorMessage()});
}

}  // namespace

Mailbox::Mailbox(EventLoop& loop) : loop_(loop), fd_(newEventFd()) {
  loop_.watch(fd_.get(), [this] { receive(); });
}

void Mailbox::send(std::function<void()> work) {
  std::lock_guard lock{mutex_};
  if (isClosed_) return;
  sent_.push_back(std::move(work));
  ring(fd_);
}

void Mailbox::close() {
  std::lock_guard lock{mutex_};
  isClosed_ = true;
  sent_.clear();
  loop_.unwatch(fd_.get());
}

void Mailbox::receive() {
  eventfd_t count;
  ::eventfd_read(fd_.get(), &count);
  std::unique_lock lock{mutex_};
  auto work = std::exchange(sent_, {});
  lock.unlock();
  for (auto& each : work) each();
}

Worker::Worker(std::chrono::milliseconds pause, Work tend)
    : thread_(startThread([shared = shared_, pause, tend = std::move(tend)]() mutable { run(shared, pause, std::move(tend)); })) {
}

void Worker::add(Work work) {
  std::lock_guard lock{shared_->mutex};
  shared_->queue.push_back(std::move(work));
  shared_->changed.notify_all();
}

void Worker::wake() {
  std::lock_guard lock{shared_->mutex};
  shared_->isWoken = true;
  shared_->changed.notify_all();
}

void Worker::stop(std::chrono::milliseconds patience) {
  std::unique_lock lock{shared_->mutex};
  shared_->isStopping = true;
  shared_->changed.notify_all();
  bool isOver = shared_->changed.wait_for(lock, patience, [this] { return shared_->isOver; });
  lock.unlock();
  if (isOver)
    thread_.join();
  else
    thread_.detach();
}

void Worker::run(std::shared_ptr<Shared> shared, std::chrono::milliseconds pause, Work tend) {
  std::unique_lock lock{shared->mutex};
  while (true) {
    shared->isWoken = false;
    lock.unlock();
    tend();
    lock.lock();
    shared->changed.wait_for(lock, pause, [&] { return !shared->queue.empty() || shared->isStopping || shared->isWoken; });
    if (shared->queue.empty() && shared->isStopping) break;
    if (shared->queue.empty()) continue;
    auto work = std::move(shared->queue.front());
    shared->queue.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
  lock.unlock();
  tend = nullptr;  // what it holds ends in this thread
  lock.lock();
  shared->isOver = true;
  shared->changed.notify_all();
}

LibvirtLoop::LibvirtLoop() : stop_(newEventFd()) {
  registerLoop();
  // Its descriptor only wakes the loop up.
  watch_ = ::virEventAddHandle(
      stop_.get(), VIR_EVENT_HANDLE_READABLE, [](int, int, int, void*) {}, nullptr, nullptr);
  thread_ = startThread([this] {
    while (!isStopping_) ::virEventRunDefaultImpl();
  });
}

LibvirtLoop::~LibvirtLoop() {
  isStopping_ = true;
  ring(stop_);
  thread_.join();
  ::virEventRemoveHandle(watch_);
}

}  // namespace vmmig

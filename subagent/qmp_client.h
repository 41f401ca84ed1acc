// SPDX-License-Identifier: GPL-2.0-or-later
// One QEMU that is followed: its monitor feeds its machine, and what the machine wants is done.
#pragma once

#include "subagent/qmp_machine.h"
#include "subagent/qmp_monitor.h"
#include "subagent/transfer_text.h"

namespace vmmig {

class QmpClient final : private QmpMonitor::Listener {
 public:
  /// Whose business its VM's phases are. From within these calls it may not destroy the client.
  class Host {
   public:
    virtual ~Host() = default;
    virtual void told(const QmpClient& client, const QmpTell& tell) = 0;
    virtual void holdLost(const QmpClient& client) = 0;
    virtual void ended(const QmpClient& client) = 0;
  };

  QmpClient(EventLoop& loop, UniqueFd socket, std::string path, Host& host);
  QmpClient(const QmpClient&) = delete;
  QmpClient& operator=(const QmpClient&) = delete;
  ~QmpClient() override;

  void letGo() { run(machine_.letGo()); }
  void cancel(const std::string& why) { run(machine_.cancel(why, nowUtc())); }
  void dismiss() { run(machine_.dismiss()); }
  /// Until its VM is neither held nor on its way back, and QEMU has nothing to answer; waits, for the end of the program.
  void finish(Clock::time_point deadline);

  const std::string& path() const { return path_; }
  const QmpMachine& machine() const { return machine_; }
  const QmpMonitor& monitor() const { return monitor_; }
  bool wasReady() const { return wasReady_; }
  /// It is known whose QEMU this is, and it has a UUID.
  bool isVm() const { return machine_.stage() != QmpMachine::Stage::unknown && !machine_.identity().uuid().isNil(); }
  bool isVm(const Uuid& vm) const { return isVm() && machine_.identity().uuid() == vm; }

 private:
  void ready() override;
  void received(const QmpEvent& event) override { run(machine_.received(event)); }
  void answered(const QmpCommand& command, const QmpAnswer& answer) override { run(machine_.answered(command, answer)); }
  void ended(const std::string& why) override;

  void run(QmpActions actions);
  void carryOut(QmpAction& action);
  void lookSoon();

  EventLoop& loop_;
  std::string path_;
  Host& host_;
  QmpMachine machine_;
  QmpMonitor monitor_;
  bool wasReady_ = false;
  std::optional<EventLoop::TimerId> look_;
};

}  // namespace vmmig

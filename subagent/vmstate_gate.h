// SPDX-License-Identifier: GPL-2.0-or-later
// The gate that holds VMs: the service org.qemu.VMState1 that QEMU's object dbus-vmstate calls on the VmstateBus. While Save() is
// not answered, the source's QEMU stands between the last byte of memory and the switch-over.
//
// QEMU asks each owner of that name for its Id, calls those in its id-list, and at the destination looks for the same Id again:
// before libvirt tells of a domain that it restores. So there is one service with one Id for all VMs, and who calls, the process
// tells.
#pragma once

#include <sys/types.h>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "common/event_loop.h"
#include "common/result.h"
#include "common/uuid.h"

struct sd_bus;
struct sd_bus_message;

namespace vmmig {

class VmstateGate final : private PollSource {
 public:
  static constexpr const char* id = "vmmig";
  /// Far below the 25 s after which QEMU's D-Bus library gives up, and it is not known what for.
  static constexpr std::chrono::milliseconds longestSave{22'000};
  /// Calls of Save() that wait at a time; each VM's QEMU makes one.
  static constexpr std::size_t maxWaiting = 4096;

  /// None may destroy the gate before it returns.
  struct Callbacks {
    std::function<void()> serving;                          // QEMU finds it from now on
    std::function<void(const Uuid&)> save;                  // to be answered with allow() or refuse()
    std::function<void()> lost;                             // the bus is gone
    std::function<std::optional<Uuid>(pid_t)> vmOfProcess;  // vmOfQemu(), but in tests
  };

  VmstateGate(EventLoop& loop, Callbacks callbacks, std::chrono::milliseconds longest = longestSave);
  VmstateGate(const VmstateGate&) = delete;
  VmstateGate& operator=(const VmstateGate&) = delete;
  /// Refuses what waits.
  ~VmstateGate() override;

  Status connect(const std::string& busAddress);
  bool isServing() const { return isServing_; }
  /// Does a Save() of this VM wait?
  bool isAsked(const Uuid& vm) const;
  /// Answer it: QEMU goes on, or takes the migration back.
  void allow(const Uuid& vm);
  void refuse(const Uuid& vm, const std::string& why);

 private:
  struct BusDeleter {
    void operator()(sd_bus* bus) const;
  };
  struct MessageDeleter {
    void operator()(sd_bus_message* message) const;
  };
  using Message = std::unique_ptr<sd_bus_message, MessageDeleter>;
  /// A Save() that waits: first for who calls it, then for an answer.
  struct Call {
    Message message;
    std::uint64_t question = 0;  // the message that asks the bus for the caller
    std::optional<Uuid> vm;
    EventLoop::TimerId timer = 0;
  };
  struct Interface;  // the methods as sd-bus calls them

  std::optional<Clock::duration> prepare(std::vector<pollfd>& fds) override;
  void dispatch(std::vector<pollfd> fds) override;
  void disconnect();
  int onSave(sd_bus_message* message);
  void onCaller(Call& call, std::optional<pid_t> process);
  std::list<Call> take(const Uuid& vm);
  void refuseCall(Call& call, const std::string& why);
  void drop(Call& call);

  EventLoop& loop_;
  Callbacks callbacks_;
  std::chrono::milliseconds longest_;
  std::unique_ptr<sd_bus, BusDeleter> bus_;
  bool isServing_ = false;
  std::list<Call> calls_;
};

/// The UUID on a QEMU's command line, where libvirt always puts it.
std::optional<Uuid> vmOfQemu(pid_t process);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A TAP device (Documentation/networking/tuntap.rst) of this process's network namespace: an Ethernet interface that nobody else
// uses. It goes when this process does, however it ends.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace vmmig {

class LinuxTap {
 public:
  /// The interface's name may have a %d for the first number that is free.
  static Result<LinuxTap> open(std::string name);
  const std::string& name() const { return name_; }
  unsigned index() const { return index_; }
  using MacAddress = std::array<std::uint8_t, 6>;
  const MacAddress& macAddress() const { return macAddress_; }
  /// Waits until every packet of this namespace is through that a CPU is in the middle of: the kernel lets go of one of the
  /// device's queues, for which it waits for an RCU grace period, an expedited one (synchronize_net() in __tun_detach(),
  /// drivers/net/tun.c). 0.2 to 0.4 ms; from any thread, while packets come in. False: it could not be waited for.
  bool waitForPackets();

 private:
  LinuxTap(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  static Result<UniqueFd> openQueue(std::string& name);
  Status start();
  UniqueFd fd_;
  UniqueFd spare_;  // the queue that comes and goes
  std::string name_;
  MacAddress macAddress_{};
  unsigned index_ = 0;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A TUN device (Documentation/networking/tuntap.rst) of this process's network namespace: what is written to it comes in at an
// interface of its own, in the same call. It goes when this process does, however it ends.
#pragma once

#include <span>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace vmmig {

class LinuxTun {
 public:
  /// The interface's name may have a %d for the first number that is free.
  static Result<LinuxTun> open(std::string name);
  const std::string& name() const { return name_; }
  unsigned index() const { return index_; }
  /// One IP packet. Errors: the kernel has not taken it.
  Status write(std::span<const char> packet);
  /// Waits until every packet of this namespace is through that a CPU is in the middle of: the kernel lets go of one of the
  /// device's queues, for which it waits for an RCU grace period, an expedited one (synchronize_net() in __tun_detach(),
  /// drivers/net/tun.c). 0.2 to 0.4 ms; from any thread, while others write. False: it could not be waited for.
  bool waitForPackets();

 private:
  LinuxTun(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  static Result<UniqueFd> openQueue(std::string& name);
  Status start();
  UniqueFd fd_;
  UniqueFd spare_;  // a queue that nothing is written to
  std::string name_;
  unsigned index_ = 0;
};

}  // namespace vmmig

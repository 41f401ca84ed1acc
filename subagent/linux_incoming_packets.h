// SPDX-License-Identifier: GPL-2.0-or-later
// Many small packets that the kernel receives as if they had come in at an interface, in one system call (Linux 5.18:
// BPF_F_TEST_XDP_LIVE_FRAMES, net/bpf/test_run.c), which a write(2) to a TAP device for each would cost much more.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "subagent/linux_tap.h"

namespace vmmig {

class LinuxIncomingPackets {
 public:
  /// An Error says what the kernel or this process lacks.
  static Result<LinuxIncomingPackets> open(const LinuxTap& tap);
  LinuxIncomingPackets(LinuxIncomingPackets&&) noexcept;
  LinuxIncomingPackets& operator=(LinuxIncomingPackets&&) noexcept;
  ~LinuxIncomingPackets();

  /// IPv4 or IPv6 packets, each of 60 octets at the most; netfilter's hook PRE_ROUTING has seen them all when this returns.
  Status receive(std::span<const std::string> packets);

 private:
  struct Program;
  LinuxIncomingPackets(std::unique_ptr<Program> program, unsigned interfaceIndex);
  Status run(std::size_t count);
  /// 0 or a negative errno.
  int runFrames(std::size_t count);

  std::unique_ptr<Program> program_;
  unsigned interfaceIndex_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The back end `linux`: the kernel of the network namespace that the process runs in.
#pragma once

#include <limits>
#include <memory>

#include "common/event_loop.h"
#include "subagent/back_end.h"
#include "subagent/resources.h"

namespace vmmig {

struct LinuxOptions {
  /// With it, connections that are made here are lenient until the kernel has learned their windows (linux_window_learning.h).
  EventLoop* loop = nullptr;
  /// Fill the table of the kernel (nf_conntrack_max) no further than this.
  std::uint32_t maxRows = std::numeric_limits<std::uint32_t>::max();
  Resources resources = {};
  /// Read and set sequence numbers and windows where the kernel allows it.
  bool hasWindows = true;
  /// Where what must survive a restart of the device is kept (DHCP bindings, what was made of
  /// multicast memberships); empty: nowhere.
  std::string stateDirectory = {};
};

/// Always succeeds; what is missing is in checks().
std::unique_ptr<BackEnd> makeLinuxBackEnd(LinuxOptions options = {});

}  // namespace vmmig

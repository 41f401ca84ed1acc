// SPDX-License-Identifier: GPL-2.0-or-later
// What the namespace's connection tracking is set to: net.netfilter.nf_conntrack_*.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vmmig {

/// net.netfilter.nf_conntrack_<name> of this process's network namespace; nothing when the kernel has none of that name.
std::optional<std::uint32_t> conntrackSysctl(std::string_view name);

/// nf_conntrack_tcp_timeout_*: the life in seconds that each packet gives a connection, by the kernel's TCP state
/// (enum tcp_conntrack).
class TcpTimeouts {
 public:
  static TcpTimeouts read();
  std::uint32_t of(std::uint8_t kernelState) const { return kernelState < seconds_.size() ? seconds_[kernelState] : 0; }

 private:
  std::array<std::uint32_t, 10> seconds_{};
};

}  // namespace vmmig

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

bool setConntrackSysctl(std::string_view name, std::uint32_t value);

/// The longest remaining life in seconds that the kernel can hold (it cuts what is longer): INT_MAX of its clock ticks.
std::uint32_t longestConntrackTimeout();

/// nf_conntrack_<name>_timeout and the like: the life in seconds that a packet gives a flow of a protocol without states of its
/// own.
std::uint32_t flowTimeout(std::uint8_t protocol, bool isReplied);
/// nf_conntrack_sctp_timeout_* by enum sctp_conntrack.
std::uint32_t sctpTimeout(std::uint8_t kernelState);

/// nf_conntrack_tcp_timeout_*: the life in seconds that each packet gives a connection, by the kernel's TCP state
/// (enum tcp_conntrack).
class TcpTimeouts {
 public:
  static TcpTimeouts read();
  std::uint32_t of(std::uint8_t kernelState) const { return kernelState < seconds_.size() ? seconds_[kernelState] : 0; }
  /// For how long no packet has come, at least, by the life that remains. The state's timeout is not the only one: data that is
  /// not acknowledged shortens it (which the entry tells), and so do retransmissions and a closed window (which it does not).
  std::uint32_t idle(std::uint8_t kernelState, bool isUnacknowledged, std::uint32_t remaining) const;

 private:
  std::array<std::uint32_t, 10> seconds_{};
  std::uint32_t unacknowledged_ = 0;
  std::uint32_t maxRetrans_ = 0;
};

}  // namespace vmmig

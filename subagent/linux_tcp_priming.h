// SPDX-License-Identifier: GPL-2.0-or-later
// Gives connections that were made by ctnetlink, which carries no windows, those that their rows tell: by a packet or two of each
// end that connection tracking sees, and nobody else. They come in at a TAP device of vmmigd's own and are dropped right behind
// connection tracking.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "subagent/linux_incoming_packets.h"
#include "subagent/linux_nft.h"
#include "subagent/linux_tap.h"
#include "subagent/linux_tcp_windows.h"
#include "subagent/tcp_segment.h"

namespace vmmig {

class LinuxTcpPriming {
 public:
  /// An Error says what the kernel or this process lacks.
  static Result<LinuxTcpPriming> open();

  /// Rows of connections in state established that have seen a reply and know no windows yet. False where one of them has not
  /// become as its row says. An Error: it could not be tried.
  Result<std::vector<bool>> prime(std::span<const TcpConnRow> rows, LinuxTcpWindows& windows);
  /// Rows of connections that have been primed, and are in state established still. What the kernel knows of each then, and its
  /// windows in the row; nothing where one of them has not become as its row says.
  using Primed = std::optional<LinuxTcpWindows::Seen>;
  Result<std::vector<Primed>> primeAgain(std::span<TcpConnRow> rows, LinuxTcpWindows& windows);
  /// Where the segments come in.
  LinuxTap& tap() { return tap_; }

 private:
  LinuxTcpPriming(std::unique_ptr<Nft> nft, LinuxTap tap, LinuxIncomingPackets packets)
      : nft_(std::move(nft)), tap_(std::move(tap)), packets_(std::move(packets)) {}
  std::unique_ptr<Nft> nft_;  // owns the table that drops
  LinuxTap tap_;
  LinuxIncomingPackets packets_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_tcp_priming.h"

#include <linux/netfilter/nf_conntrack_tcp.h>

#include "subagent/tcp_segment.h"

namespace vmmig {

namespace {

/// Connection tracking is at -200; a rule that gives a zone has to be ahead of it, where this device's own (raw, -300) have none
/// for an interface that they do not know. The zone comes with the packet.
std::string tableText(const std::string& interface) {
  return "table inet vmmig_priming {\n"
         "  flags owner;\n"
         "  chain zone { type filter hook prerouting priority -290; iifname \"" +
         interface +
         "\" ct zone set tcp urgptr; }\n"
         "  chain stop { type filter hook prerouting priority -199; iifname \"" +
         interface +
         "\" drop; }\n"
         "}\n";
}

void append(std::vector<std::string>& packets, const std::vector<TcpSegment>& segments) {
  for (const auto& segment : segments) packets.push_back(packetOf(segment));
}

}  // namespace

Result<LinuxTcpPriming> LinuxTcpPriming::open() {
  auto nft = Nft::open();
  if (!nft) return failure(nft.error());
  auto tap = LinuxTap::open("vmmig%d");
  if (!tap) return failure(tap.error());
  auto packets = LinuxIncomingPackets::open(*tap);
  if (!packets) return failure(packets.error());
  auto owner = std::make_unique<Nft>(std::move(*nft));
  if (auto fault = owner->run(tableText(tap->name())))
    return failure("the table that keeps priming packets from going on cannot be made: " + fault->text);
  return LinuxTcpPriming{std::move(owner), std::move(*tap), std::move(*packets)};
}

Result<std::vector<bool>> LinuxTcpPriming::prime(std::span<const TcpConnRow> rows, LinuxTcpWindows& windows) {
  std::vector<std::string> packets;
  for (const auto& row : rows) append(packets, primingOf(row));
  if (auto received = packets_.receive(packets); !received) return failure(received.error());
  std::vector<TcpConnRow> now{rows.begin(), rows.end()};
  if (auto read = windows.read(now); !read) return failure(read.error());
  std::vector<bool> result;
  for (std::size_t i = 0; i < rows.size(); ++i) result.push_back(isPrimed(rows[i], now[i]));
  return result;
}

Result<std::vector<LinuxTcpPriming::Primed>> LinuxTcpPriming::primeAgain(std::span<TcpConnRow> rows, LinuxTcpWindows& windows) {
  std::vector<TcpConnRow> now{rows.begin(), rows.end()};
  if (auto read = windows.read(now); !read) return failure(read.error());
  std::vector<std::string> packets;
  for (std::size_t i = 0; i < rows.size(); ++i) append(packets, primingFrom(now[i], rows[i]));
  if (auto received = packets_.receive(packets); !received) return failure(received.error());
  auto seen = windows.look(now);
  if (!seen) return failure(seen.error());
  std::vector<Primed> result(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!isPrimed(rows[i], now[i]) || (*seen)[i].state != TCP_CONNTRACK_ESTABLISHED) continue;
    result[i] = (*seen)[i];
    rows[i] = std::move(now[i]);
  }
  return result;
}

}  // namespace vmmig

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

}  // namespace

Result<LinuxTcpPriming> LinuxTcpPriming::open() {
  auto nft = Nft::open();
  if (!nft) return failure(nft.error());
  auto tun = LinuxTun::open("vmmig%d");
  if (!tun) return failure(tun.error());
  auto owner = std::make_unique<Nft>(std::move(*nft));
  if (auto fault = owner->run(tableText(tun->name())))
    return failure("the table that keeps priming packets from going on cannot be made: " + fault->text);
  return LinuxTcpPriming{std::move(owner), std::move(*tun)};
}

Status LinuxTcpPriming::write(std::span<const TcpSegment> segments) {
  for (const auto& segment : segments)
    if (auto written = tun_.write(packetOf(segment)); !written) return written;
  return {};
}

Result<std::vector<bool>> LinuxTcpPriming::prime(std::span<const TcpConnRow> rows, LinuxTcpWindows& windows) {
  for (const auto& row : rows)
    if (auto written = write(primingOf(row)); !written) return failure(written.error());
  std::vector<TcpConnRow> now{rows.begin(), rows.end()};
  if (auto read = windows.read(now); !read) return failure(read.error());
  std::vector<bool> result;
  for (std::size_t i = 0; i < rows.size(); ++i) result.push_back(isPrimed(rows[i], now[i]));
  return result;
}

Result<std::vector<LinuxTcpPriming::Primed>> LinuxTcpPriming::primeAgain(std::span<TcpConnRow> rows, LinuxTcpWindows& windows) {
  std::vector<TcpConnRow> now{rows.begin(), rows.end()};
  if (auto read = windows.read(now); !read) return failure(read.error());
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (auto written = write(primingFrom(now[i], rows[i])); !written) return failure(written.error());
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

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_tcp_priming.h"

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

Result<std::vector<bool>> LinuxTcpPriming::prime(std::span<const TcpConnRow> rows, LinuxTcpWindows& windows) {
  for (const auto& row : rows)
    for (const auto& segment : primingOf(row))
      if (auto written = tun_.write(packetOf(segment)); !written) return failure(written.error());
  std::vector<TcpConnRow> now{rows.begin(), rows.end()};
  if (auto read = windows.read(now); !read) return failure(read.error());
  std::vector<bool> result;
  for (std::size_t i = 0; i < rows.size(); ++i) result.push_back(isPrimed(rows[i], now[i]));
  return result;
}

}  // namespace vmmig

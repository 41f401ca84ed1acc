// SPDX-License-Identifier: GPL-2.0-or-later
// Packets that come in at a TAP device without being written to it: each once, through netfilter.
#include "subagent/linux_incoming_packets.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include <atomic>
#include <thread>

#include "subagent/tcp_segment.h"
#include "tests/unit/firewall_lab.h"

namespace vmmig {
namespace {

struct IncomingPackets : testing::Test {
  IncomingPackets() {
    place.enter();
    auto opened = LinuxTap::open("in%d");
    EXPECT_TRUE(opened) << opened.error().text;
    tap.emplace(std::move(*opened));
    auto from = "iifname \"" + tap->name() + "\" ";
    EXPECT_EQ(outputOf("nft 'table inet seen { counter v4 { }; counter v6 { }; counter forged { };\n"
                       "chain each { type filter hook prerouting priority -199; " +
                       from + "ct state invalid counter name forged; " + from + "meta nfproto ipv4 counter name v4 drop; " +
                       from + "meta nfproto ipv6 counter name v6 drop; }; }'"),
              "");
  }
  static std::string packet(bool isV6, std::uint16_t port) {
    if (isV6) return packetOf({{{*parseInetAddress("fd00::1"), port}, {*parseInetAddress("fd00::2"), 80}}, 1, 1, 1, 0});
    return packetOf({{{*parseInetAddress("10.0.0.1"), port}, {*parseInetAddress("10.0.0.2"), 80}}, 1, 1, 1, 0});
  }
  static long seen(const std::string& counter) {
    auto text = outputOf("nft list counter inet seen " + counter);
    long packets = -1;
    std::sscanf(text.c_str() + text.find("packets"), "packets %ld", &packets);
    return packets;
  }
  NetworkNamespace place;
  std::optional<LinuxTap> tap;
};

TEST_F(IncomingPackets, ComeInEachOnceAndAreRightInEveryChecksum) {
  auto incoming = LinuxIncomingPackets::open(*tap);
  ASSERT_TRUE(incoming) << incoming.error().text;
  std::vector<std::string> packets;
  for (int i = 0; i < 3000; ++i) packets.push_back(packet(i % 3 == 0, static_cast<std::uint16_t>(1000 + i)));
  auto received = incoming->receive(packets);
  ASSERT_TRUE(received) << received.error().text;
  EXPECT_EQ(seen("v4"), 2000);
  EXPECT_EQ(seen("v6"), 1000);
  EXPECT_EQ(seen("forged"), 0);
}

TEST_F(IncomingPackets, AreWaitedForWhileMoreComeIn) {
  auto incoming = LinuxIncomingPackets::open(*tap);
  ASSERT_TRUE(incoming) << incoming.error().text;
  EXPECT_EQ(tap->index(), if_nametoindex(tap->name().c_str()));
  std::atomic<bool> isOver = false;
  // In the same namespace: a thread begins with that of the one which started it.
  std::thread waiting{[&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(tap->waitForPackets());
    isOver = true;
  }};
  long received = 0;
  std::vector<std::string> one{packet(false, 1000)};
  for (; !isOver || received == 0; ++received) EXPECT_TRUE(incoming->receive(one));
  waiting.join();
  EXPECT_EQ(seen("v4"), received) << "none is lost meanwhile";
}

}  // namespace
}  // namespace vmmig

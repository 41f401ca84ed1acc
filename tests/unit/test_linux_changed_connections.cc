// SPDX-License-Identifier: GPL-2.0-or-later
// Which connections are told as changed: real packets of several protocols through a firewall, of addresses that are followed and
// others, translated or not, in zones, in bursts while the list is read.
#include "subagent/linux_changed_connections.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "tests/unit/changed_connections_lab.h"

namespace vmmig {
namespace {

constexpr std::uint8_t tcp = 6, udp = 17, icmp = 1, icmpv6 = 58;

struct Path {
  const char* name;
  bool isOpenedByVm;
  SocketAddress to, listenAt;
  const char* followed;
  friend void PrintTo(const Path& path, std::ostream* out) { *out << path.name; }
};
const Path paths[] = {
    {"IPv4", true, {"192.0.2.9", 80}, {"192.0.2.9", 80}, "10.0.0.5"},
    {"IPv4Peer", true, {"192.0.2.9", 80}, {"192.0.2.9", 80}, "192.0.2.9"},
    {"IPv6", true, {"2001:db8::9", 80}, {"2001:db8::9", 80}, "fd00::5"},
    {"IPv6OpenedByThePeer", false, {"fd00::5", 80}, {"fd00::5", 80}, "fd00::5"},
    {"SourceTranslated", true, {"192.0.2.9", 8443}, {"192.0.2.9", 8443}, "10.0.0.5"},
    {"SourceTranslatedTo", true, {"192.0.2.9", 8443}, {"192.0.2.9", 8443}, "192.0.2.1"},
    {"DestinationTranslated", false, {"192.0.2.1", 2222}, {"10.0.0.5", 22}, "10.0.0.5"},
};
class TcpPath : public ChangedConnections, public testing::WithParamInterface<Path> {};

TEST_P(TcpPath, IsToldWhenOneOfItsAddressesIsFollowed) {
  const auto& path = GetParam();
  auto list = open(), others = open();
  follow(list, {address(path.followed)});
  follow(others, {address("10.0.0.77"), address("fd00::77")});
  const auto& from = path.isOpenedByVm ? lab_.vm : lab_.peer;
  const auto& at = path.isOpenedByVm ? lab_.peer : lab_.vm;
  TcpPair pair{from, at, path.to, path.listenAt}, idle{from, at, path.to, path.listenAt};
  auto source = nameOf(pair.client, getsockname);
  auto told = await(list, tcp, source);
  ASSERT_TRUE(told);
  auto [original, reply] = told->tuples;
  EXPECT_EQ(original.destination, nameOf(pair.client, getpeername));
  EXPECT_EQ(reply.source, nameOf(pair.server, getsockname));
  EXPECT_EQ(reply.destination, nameOf(pair.server, getpeername));
  EXPECT_EQ(told->zone, 0);
  ASSERT_TRUE(eventually([&] { return take(list).empty(); })) << "silence";
  ASSERT_TRUE(pair.exchange(100000));
  auto again = take(list);
  ASSERT_EQ(again.size(), 1u) << "once, and the idle one not at all";
  EXPECT_EQ(again[0].tuples.original.source, source);
  EXPECT_TRUE(take(others).empty());
}
INSTANTIATE_TEST_SUITE_P(Linux, TcpPath, testing::ValuesIn(paths), [](const auto& each) { return each.param.name; });

TEST_F(ChangedConnections, WhatComesInAtTheInterfaceOfOurOwnIsNotTold) {
  auto list = open();
  follow(list, {address("10.0.0.5")});
  auto from = socketAt(lab_.vm, {"10.0.0.5", 5555}), at = socketAt(lab_.peer, {"192.0.2.9", 7777});
  Endpoint source{address("10.0.0.5"), 5555};
  sendTo(from, {"192.0.2.9", 7777});
  ASSERT_TRUE(await(list, udp, source));
  lab_.firewall.enter();
  list.disregard(if_nametoindex("in"));
  sendTo(from, {"192.0.2.9", 7777});
  // From the other side it is told; so what came before has not been.
  sendTo(at, {"10.0.0.5", 5555});
  ASSERT_TRUE(await(list, udp, source));
  ASSERT_TRUE(eventually([&] { return take(list).empty(); }));
  auto before = lab_.packetsFrom("in");
  sendTo(from, {"192.0.2.9", 7777});
  ASSERT_TRUE(eventually([&] { return lab_.packetsFrom("in") > before; }));
  EXPECT_TRUE(take(list).empty());
  list.disregard(0);
  sendTo(from, {"192.0.2.9", 7777});
  EXPECT_TRUE(await(list, udp, source));
}

TEST_F(ChangedConnections, AFirstPacketIsToldAsItIsTranslated) {
  auto list = open();
  follow(list, {address("10.0.0.5")});
  auto vm = socketAt(lab_.vm, {"10.0.0.5", 5000}), other = socketAt(lab_.vm, {"10.0.0.6", 5000}),
       peer = socketAt(lab_.peer, {"192.0.2.9", 8443});
  sendTo(other, {"192.0.2.9", 8443});
  sendTo(vm, {"192.0.2.9", 8443});
  std::vector<Entry> entries;
  ASSERT_TRUE(eventually([&] { return !(entries = take(list)).empty(); }));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].protocol, udp);
  EXPECT_EQ(entries[0].tuples.original.source, (Endpoint{address("10.0.0.5"), 5000}));
  EXPECT_EQ(entries[0].tuples.reply.source, (Endpoint{address("192.0.2.9"), 8443}));
  EXPECT_EQ(entries[0].tuples.reply.destination.address, address("192.0.2.1"));
  EXPECT_GE(entries[0].tuples.reply.destination.port, 40000);
}

TEST_F(ChangedConnections, WhatTheFirewallRefusesIsNotTold) {
  auto list = open();
  follow(list, {address("10.0.0.5")});
  auto vm = socketAt(lab_.vm, {"10.0.0.5", 5000}), peer = socketAt(lab_.peer, {"192.0.2.9", 53});
  auto packets = lab_.packetsFrom("out");
  sendTo(peer, {"10.0.0.5", 7});
  ASSERT_TRUE(eventually([&] { return lab_.packetsFrom("out") > packets; }));
  sendTo(vm, {"192.0.2.9", 53});
  auto told = take(list);
  ASSERT_TRUE(eventually([&] {
    auto more = take(list);
    told.insert(told.end(), more.begin(), more.end());
    return !told.empty();
  }));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].tuples.original.source.port, 5000);
}

TEST_F(ChangedConnections, IcmpHasIdentifierTypeAndCode) {
  auto list = open();
  follow(list, {address("10.0.0.5"), address("fd00::5")});
  auto v4 = socketAt(lab_.vm, {"10.0.0.5", 0}, SOCK_RAW, IPPROTO_ICMP),
       v6 = socketAt(lab_.vm, {"fd00::5", 0}, SOCK_RAW, IPPROTO_ICMPV6);
  sendTo(v4, {"192.0.2.9", 0}, {"\x08\0\xe5\x97\x12\x67\0\1", 8});
  auto told = await(list, icmp, {address("10.0.0.5"), 4711});
  ASSERT_TRUE(told);
  EXPECT_EQ(told->tuples.original.destination, (Endpoint{address("192.0.2.9"), 8 * 256}));
  EXPECT_EQ(told->tuples.reply.source, (Endpoint{address("192.0.2.9"), 4711}));
  EXPECT_EQ(told->tuples.reply.destination, (Endpoint{address("192.0.2.1"), 0}));
  sendTo(v6, {"2001:db8::9", 0}, {"\x80\0\0\0\x12\x67\0\1", 8});  // the kernel adds the checksum
  told = await(list, icmpv6, {address("fd00::5"), 4711});
  ASSERT_TRUE(told);
  EXPECT_EQ(told->tuples.original.destination, (Endpoint{address("2001:db8::9"), 128 * 256}));
  EXPECT_EQ(told->tuples.reply.destination, (Endpoint{address("fd00::5"), 129 * 256}));
}

TEST_F(ChangedConnections, WhatTheFirewallItselfSendsIsTold) {
  auto list = open();
  follow(list, {address("192.0.2.9")});
  auto own = socketAt(lab_.firewall, {"192.0.2.1", 5000});
  sendTo(own, {"192.0.2.9", 53});
  ASSERT_TRUE(await(list, udp, {address("192.0.2.1"), 5000}));
  sendTo(own, {"192.0.2.9", 53});
  EXPECT_TRUE(await(list, udp, {address("192.0.2.1"), 5000})) << "known by now";
}

TEST_F(ChangedConnections, AZoneIsThatOfTheOriginalTuple) {
  lab_.firewall.run(
      "nft 'add table inet zones; add chain inet zones raw { type filter hook prerouting priority -300; }; "
      "add rule inet zones raw udp dport 1001 ct zone set 7; add rule inet zones raw udp dport 1002 ct original zone set 8; "
      "add rule inet zones raw udp dport 1003 ct reply zone set 9'");
  auto list = open();
  follow(list, {address("10.0.0.5")});
  auto vm = socketAt(lab_.vm, {"10.0.0.5", 5000});
  const std::map<std::uint16_t, std::uint16_t> zones{{1000, 0}, {1001, 7}, {1002, 8}, {1003, 0}};
  for (auto [port, zone] : zones) {
    sendTo(vm, {"192.0.2.9", port});
    auto told = await(list, udp, {address("10.0.0.5"), 5000});
    ASSERT_TRUE(told) << port;
    EXPECT_EQ(told->tuples.original.destination.port, port);
    EXPECT_EQ(told->zone, zone);
  }
}

// `versions` stands for what connection tracking knows: it changes before the packet is noted, and is read after it was told.
TEST_F(ChangedConnections, InABurstWhileTheListIsTakenNothingIsLost) {
  constexpr std::uint16_t flows = 500, base = 1000;
  auto list = open();
  follow(list, {address("10.0.0.5")});
  auto vm = socketAt(lab_.vm, {"10.0.0.5", 5000});
  std::vector<std::atomic<int>> versions(flows);
  std::vector<int> seen(flows);
  std::thread sender{[&] {
    for (int i = 0; i < 100 * flows; ++i) {
      auto flow = static_cast<std::uint16_t>(i * 7 % flows);
      ++versions[flow];
      SocketAddress to{"192.0.2.9", static_cast<std::uint16_t>(base + flow)};
      sendto(vm.get(), "x", 1, 0, to.get(), to.size);
    }
  }};
  std::size_t looks = 0, told = 0;
  auto look = [&] {
    for (const auto& each : take(list)) {
      auto flow = each.tuples.original.destination.port - base;
      seen.at(flow) = versions.at(flow);
      ++told;
    }
    ++looks;
    return std::equal(seen.begin(), seen.end(), versions.begin()) && versions.back() == 100;
  };
  EXPECT_TRUE(eventually(look, std::chrono::seconds{60}));
  sender.join();
  EXPECT_GT(looks, 10u);
  EXPECT_GT(told, 2u * flows);
}

TEST_F(ChangedConnections, AFullListSaysThatChangesWereLost) {
  auto list = open(64);
  follow(list, {address("10.0.0.5")});
  auto vm = socketAt(lab_.vm, {"10.0.0.5", 5000});
  for (std::uint16_t port = 1000; port < 1200; ++port) sendTo(vm, {"192.0.2.9", port});
  ASSERT_TRUE(eventually([&] { return lab_.packetsFrom("in") >= 200; }));
  std::vector<Entry> entries;
  auto taken = list.take(entries);
  ASSERT_TRUE(taken) << taken.error().text;
  EXPECT_FALSE(*taken);
  EXPECT_EQ(entries.size(), 64u);
  for (std::uint16_t port = 1000; port < 1050; ++port) sendTo(vm, {"192.0.2.9", port});
  std::size_t told = 0;
  EXPECT_TRUE(eventually([&] { return (told += take(list).size()) >= 50; })) << "there is room again";
}

TEST_F(ChangedConnections, NothingIsAttachedUnlessSomebodyFollows) {
  auto list = open();
  EXPECT_TRUE(links().empty());
  auto vm = socketAt(lab_.vm, {"10.0.0.5", 5000}), other = socketAt(lab_.vm, {"10.0.0.6", 5000});
  const std::vector both{address("10.0.0.5"), address("10.0.0.6")};
  follow(list, both);
  follow(list, {address("10.0.0.5")});
  auto ids = links();
  EXPECT_EQ(ids.size(), 8u) << "four hooks, two families";
  list.unfollow(both);
  sendTo(other, {"192.0.2.9", 53});
  sendTo(vm, {"192.0.2.9", 53});
  std::vector<Entry> entries;
  ASSERT_TRUE(eventually([&] { return !(entries = take(list)).empty(); })) << "the other one still follows it";
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].tuples.original.source.address, address("10.0.0.5"));
  sendTo(vm, {"192.0.2.9", 53});
  list.unfollow({&both[0], 1});
  list.unfollow({&both[0], 1});
  EXPECT_TRUE(links().empty());
  for (const auto& id : ids)
    EXPECT_TRUE(eventually([&] { return outputOf("bpftool link show id " + id).find("Error") != std::string::npos; })) << id;
  follow(list, {address("10.0.0.6")});
  EXPECT_TRUE(take(list).empty()) << "what was told of is over";
  { auto moved = std::move(list); }
  EXPECT_TRUE(links().empty());
}

TEST_F(ChangedConnections, WithoutTheRightsASentenceSaysWhichAreNeeded) {
  auto tryIt = [] {
    if (setresuid(65534, 65534, 65534) != 0) _exit(2);
    auto opened = LinuxChangedConnections::open();
    if (!opened) std::fprintf(stderr, "%s\n", opened.error().text.c_str());
    _exit(opened ? 1 : 0);
  };
  EXPECT_EXIT(tryIt(), testing::ExitedWithCode(0), "EPERM.*CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
  auto list = open();
  auto status = list.follow(std::array{InetAddress{}});
  ASSERT_FALSE(status);
  EXPECT_TRUE(links().empty());
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Sequence numbers and windows of real connections, read from one firewall's kernel and set in another's; and what a forged
// packet does to a connection that has just moved.
#include "subagent/linux_tcp_windows.h"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <net/if.h>
#include <netinet/in.h>

#include <atomic>
#include <thread>

#include "subagent/linux_back_end.h"
#include "subagent/tcp_segment.h"
#include "tests/unit/back_end_contract_rows.h"
#include "tests/unit/firewall_lab.h"

namespace vmmig {
namespace {

const Vm vm5 = makeVm(5);

/// A firewall's back end, made in its namespace.
struct Device {
  explicit Device(bool hasWindows = true) : backEnd(makeLinuxBackEnd({.hasWindows = hasWindows})), table(backEnd->tables()[0]) {}
  std::vector<TcpConnRow> rows() const {
    std::vector<AnyRow> rows;
    auto cursor = table->read(vm5);
    for (;;) {
      auto more = cursor->next(rows);
      if (!more) ADD_FAILURE() << more.error().text;
      if (!more || !*more) break;
    }
    std::vector<TcpConnRow> result;
    for (const auto& each : rows) result.push_back(each.as<TcpConnRow>());
    return result;
  }
  TcpConnRow onlyRow() const {
    auto all = rows();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? TcpConnRow{} : all[0];
  }
  void create(const AnyRow& row) const {
    auto result = table->create(vm5, {&row, 1});
    ASSERT_FALSE(result.error) << result.error->text;
  }
  std::unique_ptr<BackEnd> backEnd;
  TableBackEnd* table;
};

class Windows : public testing::TestWithParam<Path> {
 protected:
  Windows() {
    pair_.emplace(openPair(lab_, GetParam()));
    lab_.firewall.enter();
  }

  /// The row at the stop, and the links at the other firewall.
  TcpConnRow move() {
    Device source;
    EXPECT_TRUE(pair_->exchange(300000));
    lab_.firewall.enter();
    auto blocked = source.backEnd->block(vm5);
    EXPECT_TRUE(blocked) << blocked.error().text;
    auto row = source.onlyRow();
    lab_.moveTo(other_);
    return row;
  }

  /// What somebody sends who knows addresses and ports: 100,000,000 beyond what the peer has sent.
  void forge(const TcpConnRow& row) {
    auto [original, reply] = tuplesOf(row);
    TcpSegment segment{row.opener == TcpOpener::local ? reply : original, row.remSeqNumber + 100'000'000, row.remAckNumber, 512,
                       0};
    auto packet = packetOf(segment);
    bool isV6 = row.localAddress.type == InetAddressType::ipv6;
    lab_.peer.enter();
    UniqueFd raw{socket(isV6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)};
    SocketAddress to{toString(segment.tuple.destination.address), 0};
    other_.enter();
    auto before = packets();
    lab_.peer.enter();
    ASSERT_EQ(sendto(raw.get(), packet.data(), packet.size(), 0, to.get(), to.size), static_cast<ssize_t>(packet.size()));
    other_.enter();
    EXPECT_TRUE(eventually([&] { return packets() > before; }));
  }
  long packets() const {
    auto line = outputOf("grep -w out: /proc/net/dev");
    long octets = 0, count = 0;
    std::sscanf(line.c_str() + line.find(':') + 1, "%ld %ld", &octets, &count);
    return count;
  }

  FirewallLab lab_;
  NetworkNamespace other_;
  std::optional<TcpPair> pair_;
};

TEST_P(Windows, OfARealConnectionAreRead) {
  Device device;
  EXPECT_TRUE(device.backEnd->capabilities().has(Capability::windowRead));
  ASSERT_TRUE(pair_->exchange(5000));
  lab_.firewall.enter();
  ASSERT_TRUE(eventually([&] {
    auto row = device.onlyRow();
    return row.seqNumber == row.remAckNumber && row.remSeqNumber == row.ackNumber;
  })) << "all is acknowledged";
  auto before = device.onlyRow();
  EXPECT_TRUE(before.windowKnown);
  EXPECT_GT(before.localMaxWindow, 0u);
  ASSERT_TRUE(pair_->exchange(1234));
  lab_.firewall.enter();
  EXPECT_TRUE(eventually([&] {
    auto row = device.onlyRow();
    return row.seqNumber - before.seqNumber == 1234 && row.ackNumber - before.ackNumber == 1234 &&
           row.remSeqNumber - before.remSeqNumber == 1234 && row.remAckNumber - before.remAckNumber == 1234;
  }));
}

TEST_P(Windows, AreSetAtTheOtherFirewallAndTheConnectionGoesOn) {
  auto row = move();
  ASSERT_TRUE(row.windowKnown);
  Device destination;
  EXPECT_TRUE(destination.backEnd->capabilities().has(Capability::windowWrite));
  destination.create(row);
  auto there = destination.onlyRow();
  EXPECT_TRUE(AnyRow{there}.equals(AnyRow{row}, Carry::exact));
  EXPECT_EQ(there.seqNumber, row.seqNumber);
  EXPECT_EQ(there.ackNumber, row.ackNumber);
  EXPECT_EQ(there.remSeqNumber, row.remSeqNumber);
  EXPECT_EQ(there.remAckNumber, row.remAckNumber);
  EXPECT_TRUE(isPrimed(row, there));
  EXPECT_NEAR(there.timeout, row.timeout, 2);
  auto dropped = lab_.invalidPackets();
  EXPECT_TRUE(pair_->exchange(3000000));
  EXPECT_EQ(lab_.invalidPackets(), dropped);
}

TEST_P(Windows, AreSetAgainInPlace) {
  Device source;
  ASSERT_TRUE(pair_->exchange(3000));
  lab_.firewall.enter();
  auto early = source.onlyRow();
  // The connection goes on at its first firewall while the other one has it already.
  NetworkNamespace second;
  second.enter();
  Device destination;
  destination.create(early);
  for (std::size_t octets : {1u, 1000u, 30000u}) {
    ASSERT_TRUE(pair_->exchange(octets));
    lab_.firewall.enter();
    AnyRow late{source.onlyRow()};
    second.enter();
    auto renewed = destination.table->renew(vm5, {&late, 1});
    auto there = destination.onlyRow();
    if (octets <= 1000) EXPECT_TRUE(renewed[0]) << "within the window";
    if (renewed[0]) EXPECT_TRUE(isPrimed(late.as<TcpConnRow>(), there));
    if (renewed[0]) EXPECT_TRUE(AnyRow{there}.equals(late, Carry::exact));
  }
}

TEST_P(Windows, AreNotSetInPlaceOfAConnectionThatMovedFar) {
  Device source;
  lab_.firewall.enter();
  auto early = source.onlyRow();
  NetworkNamespace second;
  second.enter();
  Device destination;
  destination.create(early);
  AnyRow late{early};
  late.as<TcpConnRow>().seqNumber += 100'000'000;
  late.as<TcpConnRow>().remAckNumber += 100'000'000;
  EXPECT_FALSE(destination.table->renew(vm5, {&late, 1})[0]) << "its windows do not reach that far";
  late = AnyRow{early};
  late.as<TcpConnRow>().state = TcpState::closeWait;
  EXPECT_FALSE(destination.table->renew(vm5, {&late, 1})[0]) << "a segment would change its state";
}

TEST_P(Windows, AForgedFirstPacketIsRefused) {
  auto row = move();
  Device destination;
  destination.create(row);
  forge(row);
  EXPECT_TRUE(isPrimed(row, destination.onlyRow()));
  EXPECT_TRUE(pair_->exchange(300000));
}

TEST_P(Windows, WithoutThemAForgedFirstPacketEndsTheConnection) {
  auto row = move();
  Device destination{false};
  EXPECT_FALSE(destination.backEnd->capabilities().has(Capability::windowWrite));
  destination.create(row);
  EXPECT_FALSE(destination.onlyRow().windowKnown);
  forge(row);
  EXPECT_FALSE(pair_->exchange(300000, std::chrono::seconds{1}));
}

bool isHalfClosed(const TcpConnRow& row) { return row.state == TcpState::closeWait; }

TEST(Look, TellsWhatTheEntryIs) {
  FirewallLab lab;
  lab.firewall.run("echo 0 > /proc/sys/net/netfilter/nf_conntrack_events");
  TcpPair silent{lab.vm, lab.peer, {"192.0.2.9", 80}, {"192.0.2.9", 80}};
  lab.firewall.run(
      "echo 1 > /proc/sys/net/netfilter/nf_conntrack_events && nft add table inet marks && "
      "nft 'add chain inet marks forward { type filter hook forward priority 1; }' && "
      "nft add rule inet marks forward tcp dport 8443 ct mark set 77");
  TcpPair telling{lab.vm, lab.peer, {"192.0.2.9", 8443}, {"192.0.2.9", 8443}};
  ASSERT_TRUE(silent.exchange(1000) && telling.exchange(1000));
  shutdown(telling.server.get(), SHUT_WR);
  lab.firewall.enter();
  Device device;
  auto windows = LinuxTcpWindows::open();
  ASSERT_TRUE(windows) << windows.error().text;
  std::vector<TcpConnRow> rows;
  ASSERT_TRUE(eventually([&] {
    rows = device.rows();
    return rows.size() == 2 && std::count_if(rows.begin(), rows.end(), isHalfClosed) == 1;
  })) << "the end has come";
  if (rows[0].remPort != 80) std::swap(rows[0], rows[1]);
  rows.push_back(rows[0]);
  rows[2].localPort ^= 1;
  auto seen = windows->look(rows);
  ASSERT_TRUE(seen) << seen.error().text;
  ASSERT_EQ(seen->size(), 3u);
  constexpr std::uint32_t status = IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY;
  const auto &first = seen->at(0), &second = seen->at(1);
  EXPECT_TRUE(first.exists && second.exists);
  EXPECT_FALSE(first.hasEvents);
  EXPECT_TRUE(second.hasEvents);
  EXPECT_EQ(first.status & (status | IPS_NAT_MASK), status);
  EXPECT_EQ(second.status & (status | IPS_NAT_MASK), status | IPS_SRC_NAT);
  EXPECT_EQ(first.state, TCP_CONNTRACK_ESTABLISHED);
  EXPECT_EQ(second.state, TCP_CONNTRACK_CLOSE_WAIT);
  EXPECT_NEAR(first.timeoutSeconds, rows[0].timeout, 2);
  EXPECT_NEAR(second.timeoutSeconds, rows[1].timeout, 2);
  EXPECT_NE(first.timeoutSeconds / 10, second.timeoutSeconds / 10);
  EXPECT_EQ(first.mark, 0u);
  EXPECT_EQ(second.mark, 77u);
  EXPECT_FALSE(seen->at(2).exists);
}

TEST(Look, TakesMoreRowsThanFitInOneRun) {
  FirewallLab lab;
  TcpPair pair{lab.vm, lab.peer, {"192.0.2.9", 80}, {"192.0.2.9", 80}};
  lab.firewall.enter();
  std::vector<TcpConnRow> rows(1300, Device{}.onlyRow());
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (i % 3) rows[i].localPort ^= 1;
  auto seen = LinuxTcpWindows::open().value().look(rows);
  ASSERT_TRUE(seen) << seen.error().text;
  ASSERT_EQ(seen->size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(seen->at(i).exists, i % 3 == 0) << i;
}

INSTANTIATE_TEST_SUITE_P(Linux, Windows, testing::ValuesIn(paths), [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace vmmig

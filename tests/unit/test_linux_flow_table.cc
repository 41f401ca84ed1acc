// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigFlowTable on the kernel: real UDP, ICMP and SCTP through one firewall and, with their rows, through another; and each
// attribute of a row there and back.

#include "subagent/linux_flow_table.h"

#include <gtest/gtest.h>

#include "mibs/image.h"
#include "subagent/linux_back_end.h"
#include "subagent/linux_sysctl.h"
#include "subagent/name_map.h"
#include "tests/unit/back_end_contract_rows.h"
#include "tests/unit/firewall_lab.h"

namespace vmmig {
namespace {

using namespace std::chrono_literals;

constexpr std::uint8_t udp = 17, icmp = 1, icmpv6 = 58, sctp = 132, gre = 47, esp = 50, udpLite = 136;
const Vm vm5 = makeVm(5);

std::vector<AnyRow> readAll(TableBackEnd& table, const Vm& vm) {
  std::vector<AnyRow> rows;
  auto cursor = table.read(vm);
  for (;;) {
    auto more = cursor->next(rows);
    if (!more) ADD_FAILURE() << more.error().text;
    if (!more || !*more) return rows;
  }
}

TableBackEnd& flowsOf(BackEnd& device) { return *device.tableFor(TableOf<FlowRow>::info); }

struct Received {
  std::string octets;
  std::string address;
  std::uint16_t port = 0;
};

/// A socket for datagrams or raw packets in a namespace.
class Datagrams {
 public:
  Datagrams(const NetworkNamespace& at, SocketAddress local, int type = SOCK_DGRAM, int protocol = 0) {
    at.enter();
    socket_ = UniqueFd{::socket(local.storage.ss_family, type | SOCK_CLOEXEC, protocol)};
    if (!socket_ || bind(socket_.get(), local.get(), local.size) != 0) throw std::runtime_error("no socket");
  }
  void send(const std::string& octets, SocketAddress to) {
    sendto(socket_.get(), octets.data(), octets.size(), 0, to.get(), to.size);
  }
  std::optional<Received> receive(std::chrono::milliseconds limit = 5s) {
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(limit.count())) != 1) return std::nullopt;
    std::array<char, 2048> buffer;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto n = recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (n < 0) return std::nullopt;
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
    return Received{{buffer.data(), static_cast<std::size_t>(n)}, text, ntohs(from.sin_port)};
  }
  /// The next one that ends so; what came before is thrown away.
  std::optional<Received> await(const std::string& end, std::chrono::milliseconds limit = 5s) {
    auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      auto received = receive(std::max(left, 0ms));
      if (!received || received->octets.ends_with(end)) return received;
    }
  }

 private:
  UniqueFd socket_;
};

/// A firewall, its device, and a second one that the links can be moved to.
class TwoFirewalls : public testing::Test {
 protected:
  TwoFirewalls() {
    lab_.firewall.enter();
    first_ = makeLinuxBackEnd();
  }
  FlowRow onlyRow() {
    lab_.firewall.enter();
    auto rows = readAll(flowsOf(*first_), vm5);
    EXPECT_EQ(rows.size(), 1u) << outputOf("conntrack -L");
    return rows.empty() ? FlowRow{} : rows[0].as<FlowRow>();
  }
  void move() {
    second_.emplace();
    lab_.moveTo(*second_);
    secondDevice_ = makeLinuxBackEnd();
  }
  void createAtSecond(const std::vector<AnyRow>& rows) {
    second_->enter();
    auto result = flowsOf(*secondDevice_).create(vm5, rows);
    ASSERT_FALSE(result.error) << result.error->text;
    for (const auto& row : rows) {
      auto found = flowsOf(*secondDevice_).find(vm5, row);
      ASSERT_TRUE(found && *found);
      EXPECT_TRUE((*found)->equals(row, Carry::exact));
    }
  }

  FirewallLab lab_;
  std::unique_ptr<BackEnd> first_, secondDevice_;
  std::optional<NetworkNamespace> second_;
};

TEST_F(TwoFirewalls, AUdpFlowKeepsItsTranslatedPort) {
  Datagrams vm{lab_.vm, {"10.0.0.5", 5000}}, peer{lab_.peer, {"192.0.2.9", 8443}};
  vm.send("before", {"192.0.2.9", 8443});
  auto before = peer.await("before");
  ASSERT_TRUE(before);
  peer.send("answer", {before->address, before->port});
  ASSERT_TRUE(vm.await("answer"));
  auto row = onlyRow();
  EXPECT_EQ(row.protocol, udp);
  EXPECT_EQ(row.opener, TcpOpener::local);
  EXPECT_TRUE(row.status.has(TcpConnStatus::seenReply));
  EXPECT_EQ(toString(row.natLocalAddress), "192.0.2.1");
  EXPECT_EQ(row.natLocalPort, before->port);
  EXPECT_FALSE(row.natRemAddress.isSet());
  EXPECT_TRUE(flowsOf(*first_).moves(row));

  move();
  peer.send("too early", {before->address, before->port});
  EXPECT_FALSE(vm.await("too early", 200ms)) << "an unknown peer is not let in";
  Datagrams other{lab_.vm, {"10.0.0.5", 5001}};
  other.send("control", {"192.0.2.9", 8443});
  auto control = peer.await("control");
  ASSERT_TRUE(control);
  EXPECT_NE(control->port, 5001) << "this firewall chooses ports anew";
  EXPECT_NE(control->port, before->port);

  createAtSecond({row});
  peer.send("from the peer", {before->address, before->port});
  EXPECT_TRUE(vm.await("from the peer"));
  vm.send("from the vm", {"192.0.2.9", 8443});
  auto after = peer.await("from the vm");
  ASSERT_TRUE(after);
  EXPECT_EQ(after->port, before->port);
}

TEST_F(TwoFirewalls, AnAnswerThatIsUnderWayArrivesAtAFlowThatWasNotAnsweredYet) {
  Datagrams vm{lab_.vm, {"10.0.0.5", 5000}}, forgotten{lab_.vm, {"10.0.0.5", 5001}}, peer{lab_.peer, {"192.0.2.9", 8443}};
  vm.send("question", {"192.0.2.9", 8443});
  auto question = peer.await("question");
  ASSERT_TRUE(question);
  auto row = onlyRow();
  EXPECT_FALSE(row.status.has(TcpConnStatus::seenReply));
  EXPECT_TRUE(flowsOf(*first_).moves(row));
  forgotten.send("control", {"192.0.2.9", 8443});
  auto control = peer.await("control");
  ASSERT_TRUE(control);
  move();
  createAtSecond({row});
  peer.send("answer", {question->address, question->port});
  peer.send("answer", {control->address, control->port});
  EXPECT_TRUE(vm.await("answer"));
  EXPECT_FALSE(forgotten.await("answer", 200ms)) << "whose row was left behind";
}

TEST_F(TwoFirewalls, WhileTheVmIsBlockedAnAnswerFromOutsideChangesNoTranslatedFlow) {
  Datagrams vm{lab_.vm, {"10.0.0.5", 5000}}, peer{lab_.peer, {"192.0.2.9", 8443}};
  vm.send("question", {"192.0.2.9", 8443});
  auto question = peer.await("question");
  ASSERT_TRUE(question);
  auto row = onlyRow();
  auto status = first_->block(vm5);
  ASSERT_TRUE(status) << status.error().text;
  auto packets = lab_.packetsFrom("out");
  peer.send("answer", {question->address, question->port});
  ASSERT_TRUE(eventually([&] { return lab_.packetsFrom("out") > packets; }));
  EXPECT_TRUE(AnyRow{onlyRow()}.equals(AnyRow{row}, Carry::exact)) << "not even that it was answered";
  EXPECT_FALSE(vm.await("answer", 100ms));
  first_->unblock(vm5.uuid);
  peer.send("answer", {question->address, question->port});
  EXPECT_TRUE(vm.await("answer"));
  EXPECT_TRUE(onlyRow().status.has(TcpConnStatus::seenReply));
}

std::string echoRequest(std::uint16_t identifier, const std::string& payload) {
  std::string packet{8, 0, 0, 0, static_cast<char>(identifier >> 8), static_cast<char>(identifier), 0, 1};
  packet += payload;
  if (packet.size() % 2) packet += '\0';
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < packet.size(); i += 2)
    sum += static_cast<std::uint32_t>(static_cast<std::uint8_t>(packet[i]) << 8 | static_cast<std::uint8_t>(packet[i + 1]));
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  packet[2] = static_cast<char>(~sum >> 8), packet[3] = static_cast<char>(~sum);
  return packet;
}
/// Behind an IPv4 header.
int identifierOf(const Received& echo) {
  return static_cast<std::uint8_t>(echo.octets.at(24)) << 8 | static_cast<std::uint8_t>(echo.octets.at(25));
}

TEST_F(TwoFirewalls, APingKeepsItsTranslatedIdentifier) {
  constexpr std::uint16_t identifier = 4711;
  // Somebody with the public address uses this identifier already, so the VM's gets another.
  Datagrams own{lab_.firewall, {"192.0.2.1", 0}, SOCK_RAW, IPPROTO_ICMP}, vm{lab_.vm, {"10.0.0.5", 0}, SOCK_RAW, IPPROTO_ICMP},
      peer{lab_.peer, {"192.0.2.9", 0}, SOCK_RAW, IPPROTO_ICMP};
  own.send(echoRequest(identifier, "firewall"), {"192.0.2.9", 0});
  ASSERT_TRUE(own.await("firewall"));
  vm.send(echoRequest(identifier, "first."), {"192.0.2.9", 0});
  auto seen = peer.await("first.");
  ASSERT_TRUE(seen);
  ASSERT_TRUE(vm.await("first."));
  auto row = onlyRow();
  EXPECT_EQ(row.protocol, icmp);
  EXPECT_EQ(row.localPort, identifier);
  EXPECT_EQ(row.remPort, 8 * 256);
  EXPECT_EQ(toString(row.natLocalAddress), "192.0.2.1");
  EXPECT_EQ(row.natLocalPort, identifierOf(*seen));
  EXPECT_NE(row.natLocalPort, identifier);

  move();
  vm.send(echoRequest(identifier, "control."), {"192.0.2.9", 0});
  auto control = peer.await("control.");
  ASSERT_TRUE(control);
  EXPECT_EQ(identifierOf(*control), identifier) << "without the row another identifier than before";
  second_->enter();
  auto stale = readAll(flowsOf(*secondDevice_), vm5);
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_FALSE(flowsOf(*secondDevice_).remove(vm5, stale).error);

  createAtSecond({row});
  vm.send(echoRequest(identifier, "second"), {"192.0.2.9", 0});
  auto again = peer.await("second");
  ASSERT_TRUE(again);
  EXPECT_EQ(identifierOf(*again), row.natLocalPort);
  EXPECT_TRUE(vm.await("second"));
}

std::string number(std::uint32_t value, int octets) {
  std::string text;
  for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
  return text;
}
/// One chunk (RFC 9260), with the checksum CRC32c.
std::string sctpPacket(std::uint16_t from, std::uint16_t to, std::uint32_t vtag, std::uint8_t type, const std::string& value) {
  auto header = number(from, 2) + number(to, 2) + number(vtag, 4);
  auto chunk = std::string{static_cast<char>(type), 0} + number(static_cast<std::uint32_t>(4 + value.size()), 2) + value;
  std::uint32_t crc = ~0u;
  for (char octet : header + std::string(4, '\0') + chunk) {
    crc ^= static_cast<std::uint8_t>(octet);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  crc = ~crc;
  for (int i = 0; i < 4; ++i) header += static_cast<char>(crc >> 8 * i);
  return header + chunk;
}
constexpr std::uint8_t data = 0, init = 1, initAck = 2, cookieEcho = 10, cookieAck = 11;

TEST_F(TwoFirewalls, AnSctpAssociationGoesOnWithItsVerificationTags) {
  constexpr std::uint32_t tagOfVm = 0x01020304, tagOfPeer = 0x0a0b0c0d;
  Datagrams vm{lab_.vm, {"10.0.0.5", 0}, SOCK_RAW, IPPROTO_SCTP}, peer{lab_.peer, {"192.0.2.9", 0}, SOCK_RAW, IPPROTO_SCTP};
  auto opening = [](std::uint32_t tag) { return number(tag, 4) + number(65536, 4) + number(1, 2) + number(1, 2) + number(7, 4); };
  auto fromVm = [&](std::uint32_t tag, std::uint8_t type, const std::string& value) {
    vm.send(sctpPacket(7777, 9999, tag, type, value), {"192.0.2.9", 0});
    return peer.await(value, 2s).has_value();
  };
  auto fromPeer = [&](std::uint32_t tag, std::uint8_t type, const std::string& value, std::chrono::milliseconds limit = 2s) {
    peer.send(sctpPacket(9999, 7777, tag, type, value), {"10.0.0.5", 0});
    return vm.await(value, limit).has_value();
  };
  auto chunk = [](const char* text) { return number(1, 4) + number(0, 4) + number(0, 4) + text; };
  ASSERT_TRUE(fromVm(0, init, opening(tagOfVm)));
  EXPECT_FALSE(flowsOf(*first_).moves(onlyRow())) << "the INIT is sent again";
  ASSERT_TRUE(fromPeer(tagOfVm, initAck, opening(tagOfPeer)));
  ASSERT_TRUE(fromVm(tagOfPeer, cookieEcho, "cake"));
  ASSERT_TRUE(fromPeer(tagOfVm, cookieAck, ""));
  ASSERT_TRUE(fromPeer(tagOfVm, data, chunk("here")));
  auto row = onlyRow();
  EXPECT_EQ(row.protocol, sctp);
  EXPECT_EQ(row.sctpState, SctpState::established);
  EXPECT_EQ(row.localVtag, tagOfPeer);
  EXPECT_EQ(row.remVtag, tagOfVm);
  EXPECT_TRUE(flowsOf(*first_).moves(row));

  move();
  EXPECT_FALSE(fromPeer(tagOfVm, data, chunk("lost"), 200ms));
  createAtSecond({row});
  EXPECT_TRUE(fromPeer(tagOfVm, data, chunk("there")));
  EXPECT_TRUE(fromVm(tagOfPeer, data, chunk("back")));
  EXPECT_FALSE(fromPeer(tagOfVm + 1, data, chunk("forged"), 200ms)) << "the tags are checked there, too";
}

FlowRow makeFlow(std::uint8_t protocol, std::uint16_t localPort, std::size_t family = 0) {
  FlowRow row;
  row.uuid = vm5.uuid;
  row.protocol = protocol;
  row.localAddress = vm5.addresses.at(family);
  row.remAddress = address(family == 0 ? "192.0.2.9" : "2001:db8::9");
  if (protocol != esp) row.localPort = localPort, row.remPort = 53;
  if (protocol == icmp) row.remPort = 8 << 8;
  if (protocol == icmpv6) row.remPort = 128 << 8;
  if (protocol == sctp) row.sctpState = SctpState::established, row.localVtag = 0xfffffff0, row.remVtag = 7;
  row.timeout = 300;
  row.status.mask = 0b011;
  return row;
}

std::vector<AnyRow> richFlows() {
  std::vector<AnyRow> rows;
  std::uint16_t port = 1000;
  for (auto opener : {TcpOpener::local, TcpOpener::remote})
    for (auto protocol : {udp, udpLite, sctp, gre, icmp, icmpv6, esp})
      for (std::size_t family : {0u, 1u}) {
        if ((protocol == icmp && family == 1) || (protocol == icmpv6 && family == 0)) continue;
        // Without ports there is one flow for two addresses: which end is translated, its address says.
        for (int translated = 0; translated < (protocol == gre ? 1 : 4); ++translated) {
          auto row = makeFlow(protocol, port++, family);
          row.opener = opener;
          if (protocol == icmp && opener == TcpOpener::remote) row.remPort = 0;
          if (protocol == icmpv6 && opener == TcpOpener::remote) row.remPort = 129 << 8;
          if (protocol == esp) row.remAddress.octets[3] = static_cast<std::uint8_t>(10 + port % 200);
          if (translated & 1) {
            row.natLocalAddress = address(family ? "2001:db8:ff::1" : "198.51.100.1");
            if (protocol != esp) row.natLocalPort = static_cast<std::uint16_t>(row.localPort + 20000);
          }
          if (translated & 2) {
            row.natRemAddress = address(family ? "2001:db8:ee::2" : "203.0.113.2");
            if (protocol == esp) row.natRemAddress.octets[family ? 15 : 3] = static_cast<std::uint8_t>(port % 200);
            if (protocol != esp) row.natRemPort = isIcmp(protocol) ? row.remPort : row.localPort;
          }
          rows.push_back(row);
        }
      }
  auto add = [&](auto change) {
    auto row = makeFlow(udp, port++);
    change(row);
    rows.push_back(row);
  };
  add([](FlowRow& row) { row.status.mask = 0; });
  add([](FlowRow& row) { row.status.mask = 0b111; });
  add([](FlowRow& row) { row.mark = 0xffffffff; });
  add([](FlowRow& row) { row.labels.value = std::string(16, '\x11'); });
  add([](FlowRow& row) { row.helper.value = "tftp"; });
  add([](FlowRow& row) { row.zone = 7; });
  for (int state = 2; state <= 9; ++state) {
    rows.push_back(makeFlow(sctp, port++));
    rows.back().as<FlowRow>().sctpState = static_cast<SctpState>(state);
  }
  return rows;
}

class LinuxFlowTableTest : public testing::Test {
 protected:
  // Before the device.
  NetworkNamespace here_;
  std::unique_ptr<BackEnd> device_ = makeLinuxBackEnd();
  TableBackEnd& table_ = flowsOf(*device_);
};

TEST_F(LinuxFlowTableTest, EachRowReadsBackAsItWasWritten) {
  auto rows = richFlows();
  auto result = table_.create(vm5, rows);
  ASSERT_FALSE(result.error) << result.error->text;
  image::Digest expected, actual;
  for (const auto& row : rows) {
    expected.add(row);
    auto found = table_.find(vm5, row);
    ASSERT_TRUE(found && *found) << smi::toString(row.get(*row.table().column("vmMigFlowProtocol")));
    for (const auto& column : row.table().columns)
      if (column.carry == Carry::exact) {
        EXPECT_TRUE(column.equal((*found)->data(), row.data()))
            << toString(row.index()) << ' ' << column.name << ": " << smi::toString((*found)->get(column));
      }
  }
  for (const auto& row : readAll(table_, vm5)) actual.add(row);
  EXPECT_EQ(actual, expected);
  EXPECT_EQ(actual.rows(), rows.size());
  EXPECT_TRUE(readAll(*device_->tableFor(TableOf<TcpConnRow>::info), vm5).empty());
  EXPECT_FALSE(table_.remove(vm5, rows).error);
  EXPECT_TRUE(readAll(table_, vm5).empty());
  EXPECT_EQ(device_->rows(), 0u);
}

TEST_F(LinuxFlowTableTest, ConntrackShowsEachAttribute) {
  auto row = makeFlow(udp, 1111);
  row.natLocalAddress = address("198.51.100.1"), row.natLocalPort = 2222;
  row.zone = 9, row.mark = 77, row.helper.value = "tftp";
  auto ping = makeFlow(icmp, 4711);
  ping.natLocalAddress = address("198.51.100.1"), ping.natLocalPort = 99;
  ASSERT_FALSE(table_.create(vm5, std::vector<AnyRow>{row, ping, makeFlow(sctp, 5)}).error);
  auto text = outputOf("conntrack -L -o extended");
  EXPECT_NE(text.find("src=10.0.0.5 dst=192.0.2.9 sport=1111 dport=53 src=192.0.2.9 dst=198.51.100.1 sport=53 dport=2222 "
                      "[ASSURED] mark=77 zone=9 helper=tftp"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("src=10.0.0.5 dst=192.0.2.9 type=8 code=0 id=4711 src=192.0.2.9 dst=198.51.100.1 type=0 code=0 id=99"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("ESTABLISHED src=10.0.0.5 dst=192.0.2.9 sport=5 dport=53"), std::string::npos) << text;
}

TEST_F(LinuxFlowTableTest, ReplacesWhatARowHas) {
  auto row = makeFlow(sctp, 1);
  ASSERT_FALSE(table_.create(vm5, std::vector<AnyRow>{row}).error);
  std::function<void()> changes[] = {[&] { row.mark = 5; },
                                     [&] { row.timeout = 77; },
                                     [&] { row.sctpState = SctpState::shutdownSent; },
                                     [&] { row.remVtag = 8; },
                                     [&] { row.status.mask = 0b001; },
                                     [&] { row.natLocalAddress = address("198.51.100.1"), row.natLocalPort = 99; }};
  for (const auto& change : changes) {
    change();
    auto status = table_.replace(vm5, row);
    ASSERT_TRUE(status) << status.error().text;
    auto found = table_.find(vm5, row);
    ASSERT_TRUE(found && *found);
    EXPECT_TRUE((*found)->equals(AnyRow{row}, Carry::exact));
    EXPECT_LE((*found)->as<FlowRow>().timeout, row.timeout);
    EXPECT_GE((*found)->as<FlowRow>().timeout + 5, row.timeout);
  }
  EXPECT_EQ(table_.replace(vm5, makeFlow(sctp, 2)).error().status, SnmpStatus::inconsistentName);
}

TEST_F(LinuxFlowTableTest, WithoutALifeARowGetsThatOfThisDevice) {
  auto flow = makeFlow(udp, 1), association = makeFlow(sctp, 2);
  flow.timeout = association.timeout = 0;
  std::ofstream{"/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream"} << 4000;
  std::ofstream{"/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established"} << 5000;
  ASSERT_FALSE(table_.create(vm5, std::vector<AnyRow>{flow, association}).error);
  auto lifeOf = [&](const FlowRow& row) { return table_.find(vm5, row).value()->as<FlowRow>().timeout; };
  EXPECT_NEAR(lifeOf(flow), 4000, 3);
  EXPECT_NEAR(lifeOf(association), 5000, 3);
}

TEST_F(LinuxFlowTableTest, RefusesWhatTheKernelCannotHold) {
  auto expectRefused = [&](std::string_view column, SnmpStatus error, std::uint8_t protocol, auto change) {
    auto row = makeFlow(protocol, 1);
    change(row);
    auto status = table_.check(vm5, row);
    ASSERT_FALSE(status) << column;
    EXPECT_EQ(status.error().status, error) << status.error().text;
    EXPECT_NE(status.error().text.find(column), std::string::npos) << status.error().text;
    auto result = table_.create(vm5, std::vector<AnyRow>{row});
    EXPECT_TRUE(result.error && result.done == 0);
  };
  using enum SnmpStatus;
  expectRefused("vmMigFlowProtocol", inconsistentName, 6, [](FlowRow&) {});
  expectRefused("vmMigFlowLocalAddress", inconsistentName, udp, [](FlowRow& row) { row.localAddress = address("10.0.0.6"); });
  expectRefused("vmMigFlowRemPort", inconsistentValue, icmp, [](FlowRow& row) { row.remPort = 3 << 8; });
  expectRefused("vmMigFlowNatRemPort", inconsistentValue, icmp,
                [](FlowRow& row) { row.natRemAddress = address("203.0.113.2"), row.natRemPort = 7; });
  expectRefused("vmMigFlowNatLocalPort", inconsistentValue, esp,
                [](FlowRow& row) { row.natLocalAddress = address("203.0.113.2"), row.natLocalPort = 7; });
  expectRefused("vmMigFlowNatLocalAddress", inconsistentValue, udp,
                [](FlowRow& row) { row.natLocalAddress = row.localAddress, row.natLocalPort = row.localPort; });
  expectRefused("vmMigFlowTimeout", wrongValue, udp, [](FlowRow& row) { row.timeout = longestConntrackTimeout() + 1; });
  expectRefused("vmMigFlowLabels", inconsistentValue, udp, [](FlowRow& row) { row.labels.value = std::string(16, '\0'); });
  expectRefused("vmMigFlowOpener", inconsistentValue, udp,
                [](FlowRow& row) { row.opener = TcpOpener::remote, row.remAddress = vm5.addresses[0]; });
  EXPECT_EQ(device_->rows(), 0u);
  auto longest = makeFlow(udp, 1);
  longest.timeout = longestConntrackTimeout();
  ASSERT_FALSE(table_.create(vm5, std::vector<AnyRow>{longest}).error);
  EXPECT_NEAR(table_.find(vm5, longest).value()->as<FlowRow>().timeout, longest.timeout, 3) << "and not a second is cut";
  auto helped = makeFlow(udp, 2);
  helped.helper.value = "no-such-helper";
  auto result = table_.create(vm5, std::vector<AnyRow>{helped});
  ASSERT_TRUE(result.error);
  EXPECT_NE(result.error->text.find("vmMigFlowHelper"), std::string::npos) << result.error->text;
}

TEST_F(LinuxFlowTableTest, WhatMovesIsWhatSomebodyWouldMiss) {
  auto moves = [&](auto change, std::uint8_t protocol = udp, std::size_t family = 0) {
    auto row = makeFlow(protocol, 1, family);
    change(row);
    return table_.moves(row);
  };
  EXPECT_TRUE(moves([](FlowRow&) {}));
  EXPECT_TRUE(moves([](FlowRow& row) { row.status.mask = 0; })) << "the VM's question";
  EXPECT_FALSE(moves([](FlowRow& row) { row.status.mask = 0, row.opener = TcpOpener::remote; })) << "a peer's that nobody heard";
  EXPECT_TRUE(moves([](FlowRow& row) { row.status.mask = 0b001, row.opener = TcpOpener::remote; }));
  EXPECT_TRUE(moves([](FlowRow&) {}, icmp));
  for (const char* many : {"224.0.0.251", "239.255.255.250", "255.255.255.255"})
    EXPECT_FALSE(moves([&](FlowRow& row) { row.remAddress = address(many); })) << many;
  EXPECT_FALSE(moves([](FlowRow& row) { row.remAddress = address("ff02::fb"); }, udp, 1));
  EXPECT_FALSE(moves([](FlowRow& row) { row.sctpState = SctpState::cookieWait; }, sctp));
  EXPECT_TRUE(moves([](FlowRow&) {}, sctp));
}

TEST_F(LinuxFlowTableTest, AZoneIsPartOfTheKey) {
  auto five = makeFlow(udp, 1), none = makeFlow(udp, 1);
  five.zone = 5, five.mark = 55;
  ASSERT_FALSE(table_.create(vm5, std::vector<AnyRow>{five, none}).error);
  EXPECT_EQ(table_.find(vm5, five).value()->as<FlowRow>().mark, 55u);
  EXPECT_EQ(table_.find(vm5, none).value()->as<FlowRow>().mark, 0u);
  EXPECT_EQ(readAll(table_, vm5).size(), 2u);
  EXPECT_FALSE(table_.remove(vm5, std::vector<AnyRow>{five}).error);
  EXPECT_FALSE(*table_.find(vm5, five));
  EXPECT_TRUE(*table_.find(vm5, none));
}

TEST(LinuxZones, RowsMoveFromOneZoneToAnotherByTheMapsOfBothDevices) {
  auto deviceWith = [](const char* zone) {
    NetworkNamespace fresh;
    return MappedBackEnd{makeLinuxBackEnd(), NameMap::make({NameRule{Names::zone, zone, "100"}}).value()};
  };
  auto flow = makeFlow(udp, 1);
  auto conn = makeRow(vm5, 1);
  flow.zone = conn.zone = 100;
  auto source = deviceWith("5");
  for (const auto& row : {AnyRow{flow}, AnyRow{conn}})
    ASSERT_FALSE(source.tableFor(row.table())->create(vm5, std::vector<AnyRow>{row}).error);
  EXPECT_NE(outputOf("conntrack -L").find("zone=5"), std::string::npos);
  // The sockets of the source's device stay in its namespace; dumps open new ones, hence this reads before it enters the other.
  std::vector<AnyRow> rows;
  for (const auto& row : {AnyRow{flow}, AnyRow{conn}}) {
    auto read = readAll(*source.tableFor(row.table()), vm5);
    ASSERT_EQ(read.size(), 1u);
    EXPECT_TRUE(read[0].equals(row, Carry::exact)) << "what moves names the common zone";
    rows.push_back(read[0]);
  }
  auto destination = deviceWith("7");
  for (const auto& row : rows) {
    auto result = destination.tableFor(row.table())->create(vm5, {&row, 1});
    ASSERT_FALSE(result.error) << result.error->text;
    auto found = destination.tableFor(row.table())->find(vm5, row);
    ASSERT_TRUE(found && *found);
    EXPECT_TRUE((*found)->equals(row, Carry::exact));
  }
  auto text = outputOf("conntrack -L");
  EXPECT_NE(text.find("zone=7"), std::string::npos) << text;
  EXPECT_EQ(text.find("zone=5"), std::string::npos) << text;
  for (const auto& row : rows) EXPECT_FALSE(destination.tableFor(row.table())->remove(vm5, {&row, 1}).error);
  EXPECT_EQ(destination.rows(), 0u);
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The back end `linux` against the kernel with real traffic, and against conntrack(8) and nft(8) as witnesses.

#include "subagent/linux_back_end.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/wait.h>

#include <csignal>

#include "subagent/linux_sysctl.h"
#include "tests/unit/back_end_contract_rows.h"
#include "tests/unit/firewall_lab.h"

namespace vmmig {
namespace {

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

class RealTraffic : public testing::TestWithParam<Path> {
 protected:
  RealTraffic() {
    lab_.firewall.enter();
    device_ = makeLinuxBackEnd();
    table_ = device_->tables()[0];
    pair_.emplace(openPair(lab_, GetParam()));
    lab_.firewall.enter();
  }
  AnyRow row() {
    lab_.firewall.enter();
    auto rows = readAll(*table_, vm5);
    EXPECT_EQ(rows.size(), 1u);
    return rows.empty() ? AnyRow{TcpConnRow{}} : rows[0];
  }
  int vmEnd() const { return GetParam().isOpenedByVm ? pair_->client.get() : pair_->server.get(); }
  int peerEnd() const { return GetParam().isOpenedByVm ? pair_->server.get() : pair_->client.get(); }

  FirewallLab lab_;
  std::unique_ptr<BackEnd> device_;
  TableBackEnd* table_;
  std::optional<TcpPair> pair_;
};

TEST_P(RealTraffic, TheRowTellsTheConnection) {
  ASSERT_TRUE(pair_->exchange(1000));
  const auto conn = row().as<TcpConnRow>();
  EXPECT_EQ(conn.state, TcpState::established);
  EXPECT_EQ(conn.opener, GetParam().isOpenedByVm ? TcpOpener::local : TcpOpener::remote);
  EXPECT_EQ(conn.natLocalAddress.isSet(), GetParam().isTranslated);
  EXPECT_EQ(toString(conn.remAddress), GetParam().listenAt.storage.ss_family == AF_INET ? "192.0.2.9" : "2001:db8::9");
  EXPECT_TRUE(conn.status.has(TcpConnStatus::assured));
  EXPECT_GT(conn.localWindowScale.value, 0u);
  EXPECT_EQ(conn.localFlags.mask & 0b11, 0b11u);
  EXPECT_LE(conn.idleTime, 2u);
  EXPECT_TRUE(summaryOf(device_->checks()).text.value.empty()) << summaryOf(device_->checks()).text.value;
}

TEST_P(RealTraffic, ACreatedRowLetsPassWhatWasDropped) {
  ASSERT_TRUE(pair_->exchange(300000));
  auto conn = row();
  ASSERT_FALSE(table_->remove(vm5, {&conn, 1}).error);
  auto before = lab_.invalidPackets();
  EXPECT_FALSE(pair_->exchange(1000, std::chrono::milliseconds{100}));
  EXPECT_TRUE(eventually([&] { return lab_.invalidPackets() > before; })) << "dropped, as a strict firewall must";
  lab_.firewall.enter();
  EXPECT_TRUE(readAll(*table_, vm5).empty());

  auto result = table_->create(vm5, {&conn, 1});
  ASSERT_FALSE(result.error) << result.error->text;
  EXPECT_TRUE(row().equals(conn, Carry::exact));
  auto dropped = lab_.invalidPackets();
  EXPECT_TRUE(pair_->exchange(3000000)) << "bulk, beyond any window that is not scaled";
  EXPECT_EQ(lab_.invalidPackets(), dropped);
}

TEST_P(RealTraffic, AfterABlockNoPacketChangesTheRowUntilTheUnblock) {
  ASSERT_TRUE(pair_->exchange(1000));
  auto status = device_->block(vm5);
  ASSERT_TRUE(status) << status.error().text;
  auto conn = row();
  auto fromVm = lab_.packetsFrom("in"), fromPeer = lab_.packetsFrom("out");
  // Both FINs would change the state.
  shutdown(vmEnd(), SHUT_WR);
  shutdown(peerEnd(), SHUT_WR);
  // The second packet of each is a retransmission: the first one is through.
  ASSERT_TRUE(eventually([&] { return lab_.packetsFrom("in") >= fromVm + 2 && lab_.packetsFrom("out") >= fromPeer + 2; }));
  EXPECT_TRUE(row().equals(conn, Carry::exact));
  char octet;
  EXPECT_LT(recv(vmEnd(), &octet, 1, MSG_DONTWAIT), 0) << "no FIN has arrived";
  EXPECT_LT(recv(peerEnd(), &octet, 1, MSG_DONTWAIT), 0);

  device_->unblock(vm5.uuid);
  EXPECT_TRUE(
      eventually([&] { return recv(vmEnd(), &octet, 1, MSG_DONTWAIT) == 0 && recv(peerEnd(), &octet, 1, MSG_DONTWAIT) == 0; }));
  EXPECT_FALSE(row().equals(conn, Carry::exact));
}

TEST_P(RealTraffic, AChangeOfTheMarkLeavesTheRunningConnectionAlone) {
  ASSERT_TRUE(pair_->exchange(300000));
  auto idOf = [&] {
    auto text = outputOf("conntrack -L -p tcp -o id 2>/dev/null; conntrack -L -f ipv6 -p tcp -o id 2>/dev/null");
    return text.substr(text.find(" id="), text.find('\n', text.find(" id=")) - text.find(" id="));
  };
  auto before = idOf();
  auto conn = row();
  conn.as<TcpConnRow>().mark = 42;
  auto status = table_->replace(vm5, conn);
  ASSERT_TRUE(status) << status.error().text;
  EXPECT_EQ(row().as<TcpConnRow>().mark, 42u);
  EXPECT_EQ(idOf(), before) << "still the same entry";
  EXPECT_TRUE(pair_->exchange(3000000));
  EXPECT_EQ(lab_.invalidPackets(), 0);
}

TEST(IdleTime, IsNotMeasuredByATimeoutThatTheKernelDidNotUse) {
  FirewallLab lab;
  lab.firewall.run("echo 1000 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established");
  lab.firewall.run("echo 100 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_unacknowledged");
  auto device = makeLinuxBackEnd();
  TcpPair pair{lab.vm, lab.peer, {"192.0.2.9", 80}, {"192.0.2.9", 80}};
  ASSERT_TRUE(pair.exchange(1000));
  auto row = [&] {
    lab.firewall.enter();
    auto rows = readAll(*device->tables()[0], vm5);
    EXPECT_EQ(rows.size(), 1u);
    return rows.empty() ? TcpConnRow{} : rows[0].as<TcpConnRow>();
  };
  EXPECT_LE(row().idleTime, 2u);
  // The acknowledgement is lost: the kernel gives the connection 100 seconds and not 1000.
  lab.peer.run("ip link set peer down");
  ASSERT_EQ(send(pair.client.get(), "x", 1, 0), 1);
  ASSERT_TRUE(eventually([&] { return row().timeout <= 100; }));
  EXPECT_LE(row().idleTime, 2u);
}

INSTANTIATE_TEST_SUITE_P(Over, RealTraffic, testing::ValuesIn(paths),
                         [](const auto& each) { return std::string{each.param.name}; });

/// The kernel's answers to this process overrun, as when it is short of memory.
void shrinkNetlinkBuffers() {
  int count = 0;
  for (int fd = 0; fd < 256; ++fd) {
    int domain = 0, protocol = 0, least = 1;
    socklen_t size = sizeof domain;
    bool isNetfilter = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK &&
                       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == NETLINK_NETFILTER;
    if (isNetfilter && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least) == 0) ++count;
  }
  ASSERT_GT(count, 0);
}

class LinuxBackEndTest : public testing::Test {
 protected:
  LinuxBackEndTest() { std::ofstream{"/proc/sys/net/netfilter/nf_conntrack_tcp_loose"} << 0; }
  // Before the device.
  NetworkNamespace here_;
  std::unique_ptr<BackEnd> device_ = makeLinuxBackEnd();
  TableBackEnd* table() { return device_->tables()[0]; }
};

TEST_F(LinuxBackEndTest, ConntrackShowsEachAttribute) {
  auto row = makeRow(vm5, 1111);
  row.natLocalAddress = address("198.51.100.1"), row.natLocalPort = 2222;
  row.natRemAddress = address("203.0.113.2"), row.natRemPort = 3333;
  row.zone = 9;
  row.mark = 77;
  row.helper.value = "ftp";
  std::vector<AnyRow> rows{row};
  auto result = table()->create(vm5, rows);
  ASSERT_FALSE(result.error) << result.error->text;
  auto text = outputOf("conntrack -L -o extended");
  EXPECT_NE(text.find("ESTABLISHED src=10.0.0.5 dst=192.0.2.9 sport=1111 dport=443 "
                      "src=203.0.113.2 dst=198.51.100.1 sport=3333 dport=2222 [ASSURED] mark=77 zone=9 helper=ftp"),
            std::string::npos)
      << text;
  // The kernel knows both translations as such.
  EXPECT_NE(outputOf("conntrack -L --src-nat").find("sport=1111"), std::string::npos);
  EXPECT_NE(outputOf("conntrack -L --dst-nat").find("sport=1111"), std::string::npos);
  EXPECT_FALSE(table()->remove(vm5, rows).error);
}

TEST_F(LinuxBackEndTest, RefusesWhatTheKernelCannotHold) {
  auto expectRefused = [&](std::string_view column, auto change) {
    auto row = makeRow(vm5, 1);
    change(row);
    auto status = table()->check(vm5, row);
    ASSERT_FALSE(status) << column;
    EXPECT_NE(status.error().text.find(column), std::string::npos) << status.error().text;
  };
  expectRefused("vmMigTcpConnState", [](TcpConnRow& row) { row.state = TcpState::synSent; });
  expectRefused("vmMigTcpConnState", [](TcpConnRow& row) { row.state = TcpState::finWait2; });
  expectRefused("vmMigTcpConnState", [](TcpConnRow& row) { row.state = TcpState::closing; });
  expectRefused("vmMigTcpConnWindowKnown", [](TcpConnRow& row) { row.seqNumber = 1; });
  expectRefused("vmMigTcpConnLocalWindowScale", [](TcpConnRow& row) { row.remFlags.mask = 0; });
  expectRefused("vmMigTcpConnLabels", [](TcpConnRow& row) { row.labels.value = "abc"; });
  expectRefused("vmMigTcpConnLabels", [](TcpConnRow& row) { row.labels.value = std::string(16, '\0'); });

  auto halfOpen = makeRow(vm5, 1);
  halfOpen.state = TcpState::synSent;
  EXPECT_FALSE(table()->moves(halfOpen));
  EXPECT_TRUE(table()->moves(makeRow(vm5, 1)));
}

TEST_F(LinuxBackEndTest, ALostAnswerToACreationIsMadeUpForByLooking) {
  std::vector<AnyRow> rows;
  for (std::uint16_t port = 1; port <= 100; ++port) rows.emplace_back(makeRow(vm5, port));
  // Each of these costs an answer; that the last of them differs tells them from what is made now.
  auto others = rows;
  for (auto& row : others) row.as<TcpConnRow>().mark = 9;
  ASSERT_FALSE(table()->create(vm5, std::span{others}.subspan(5, 60)).error);
  shrinkNetlinkBuffers();
  auto result = table()->create(vm5, rows);
  ASSERT_TRUE(result.error);
  EXPECT_NE(result.error->text.find("ENOBUFS"), std::string::npos) << result.error->text;
  EXPECT_EQ(result.done, 5u);
  auto present = readAll(*table(), vm5);
  EXPECT_EQ(present.size(), 65u) << "what was made behind the first that was refused is taken back";
  EXPECT_EQ(std::count_if(present.begin(), present.end(), [](const AnyRow& row) { return row.as<TcpConnRow>().mark == 9; }), 60);
  EXPECT_FALSE(table()->remove(vm5, rows).error);
  ASSERT_FALSE(table()->create(vm5, rows).error) << "and the next request is answered again";
}

TEST_F(LinuxBackEndTest, ALostAnswerToARemovalIsMadeUpForByAskingAgain) {
  std::vector<AnyRow> rows;
  for (std::uint16_t port = 1; port <= 100; ++port) rows.emplace_back(makeRow(vm5, port));
  ASSERT_FALSE(table()->create(vm5, std::span{rows}.last(20)).error);
  shrinkNetlinkBuffers();
  auto result = table()->remove(vm5, rows);
  EXPECT_FALSE(result.error) << result.error->text;
  EXPECT_EQ(result.done, rows.size());
  EXPECT_TRUE(readAll(*table(), vm5).empty());
}

TEST_F(LinuxBackEndTest, RefusesALifeThatTheKernelWouldCut) {
  auto row = makeRow(vm5, 1);
  row.timeout = longestConntrackTimeout() + 1;
  auto status = table()->check(vm5, row);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::wrongValue);
  EXPECT_NE(status.error().text.find("vmMigTcpConnTimeout"), std::string::npos) << status.error().text;
  --row.timeout;
  ASSERT_FALSE(table()->create(vm5, std::vector<AnyRow>{row}).error);
  EXPECT_NEAR(table()->find(vm5, row).value()->as<TcpConnRow>().timeout, row.timeout, 3);
}

TEST_F(LinuxBackEndTest, WorksInAZone) {
  auto five = makeRow(vm5, 1), none = makeRow(vm5, 1);
  five.zone = 5, five.mark = 55;
  ASSERT_FALSE(table()->create(vm5, std::vector<AnyRow>{five, none}).error);
  EXPECT_EQ(table()->find(vm5, five).value()->as<TcpConnRow>().mark, 55u);
  five.mark = 56;
  ASSERT_TRUE(table()->replace(vm5, five));
  EXPECT_EQ(table()->find(vm5, five).value()->as<TcpConnRow>().mark, 56u);
  EXPECT_FALSE(table()->remove(vm5, std::vector<AnyRow>{five}).error);
  EXPECT_FALSE(*table()->find(vm5, five));
  EXPECT_TRUE(*table()->find(vm5, none));
}

TEST_F(LinuxBackEndTest, NamesAHelperThatTheKernelDoesNotKnow) {
  auto row = makeRow(vm5, 1);
  row.helper.value = "no-such-helper";
  auto result = table()->create(vm5, std::vector<AnyRow>{row});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->status, SnmpStatus::inconsistentValue);
  EXPECT_NE(result.error->text.find("vmMigTcpConnHelper"), std::string::npos) << result.error->text;
  EXPECT_NE(result.error->text.find("no-such-helper"), std::string::npos) << result.error->text;
}

TEST_F(LinuxBackEndTest, SaysThatTheFirewallIsNotStrict) {
  auto expectHealth = [&](Health health, std::string_view word) {
    auto report = summaryOf(device_->checks());
    EXPECT_EQ(report.health, health) << report.text.value;
    EXPECT_NE(report.text.value.find(word), std::string::npos) << report.text.value;
  };
  auto set = [](const std::string& name, const char* value) {
    std::ofstream{"/proc/sys/net/netfilter/nf_conntrack_" + name} << value;
  };
  set("tcp_loose", "1");
  expectHealth(Health::degraded, "nf_conntrack_tcp_loose");
  set("tcp_loose", "0");
  expectHealth(Health::up, "");
  set("tcp_be_liberal", "1");
  expectHealth(Health::degraded, "nf_conntrack_tcp_be_liberal");
  set("tcp_be_liberal", "0");
}

TEST_F(LinuxBackEndTest, ASecondOneInTheSameNamespaceSaysSoAndLeavesTheFirstAlone) {
  ASSERT_TRUE(device_->block(vm5));
  auto second = makeLinuxBackEnd();
  EXPECT_FALSE(second->capabilities().has(Capability::block));
  EXPECT_EQ(summaryOf(second->checks()).health, Health::degraded);
  EXPECT_NE(summaryOf(second->checks()).text.value.find("another process"), std::string::npos)
      << summaryOf(second->checks()).text.value;
  auto status = second->block(vm5);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().text.find("another process"), std::string::npos) << status.error().text;
  EXPECT_NE(outputOf("nft list set inet vmmig vm4").find("10.0.0.5"), std::string::npos);
  device_.reset();
  EXPECT_TRUE(second->block(vm5)) << "once the first has ended";
}

TEST_F(LinuxBackEndTest, ABlockOutlivesAFlushOfTheRuleset) {
  ASSERT_TRUE(device_->block(vm5));
  outputOf("nft flush ruleset");
  EXPECT_NE(outputOf("nft list set inet vmmig vm4").find("10.0.0.5"), std::string::npos);
}

TEST(LinuxBackEndProcess, NothingStaysBlockedWhenItIsKilled) {
  NetworkNamespace here;
  int toParent[2];
  ASSERT_EQ(pipe(toParent), 0);
  auto child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto device = makeLinuxBackEnd();
    char answer = device->block(vm5) ? 'y' : 'n';
    [[maybe_unused]] auto n = write(toParent[1], &answer, 1);
    pause();
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(toParent[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_NE(outputOf("nft list set inet vmmig vm4").find("10.0.0.5"), std::string::npos);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(eventually([] { return outputOf("nft list tables").empty(); }));
  auto next = makeLinuxBackEnd();
  EXPECT_TRUE(next->capabilities().has(Capability::block)) << summaryOf(next->checks()).text.value;
}

}  // namespace
}  // namespace vmmig

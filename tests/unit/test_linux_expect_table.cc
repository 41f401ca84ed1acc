// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigExpectTable on the kernel: what nf_conntrack_ftp expects because of real text, and rows that are written by hand.

#include "subagent/linux_expect_table.h"

#include <gtest/gtest.h>

#include "mibs/image.h"
#include "subagent/linux_back_end.h"
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

TableBackEnd& expectationsOf(BackEnd& device) { return *device.tableFor(TableOf<ExpectRow>::info); }
TableBackEnd& connectionsOf(BackEnd& device) { return *device.tableFor(TableOf<TcpConnRow>::info); }

constexpr const char* ftpHelper = R"(nft -f - <<'END'
table inet helpers {
  ct helper ftp { type "ftp" protocol tcp; }
  chain prerouting { type filter hook prerouting priority 0; tcp dport { 2222, 8443 } ct helper set "ftp"; }
}
END
)";

/// An FTP control connection through the firewall that translates the VM's address: what the client says has its address in it.
class FtpThroughNat : public testing::Test {
 protected:
  FtpThroughNat() {
    lab_.firewall.run(ftpHelper);
    first_ = makeLinuxBackEnd();
    control_.emplace(lab_.vm, lab_.peer, SocketAddress{"192.0.2.9", 8443}, SocketAddress{"192.0.2.9", 8443});
    // The helper reads what begins behind a line that it has seen.
    say("USER ftp\r\n");
    EXPECT_EQ(hear(control_->server.get(), 10), "USER ftp\r\n");
  }
  void say(const std::string& text) {
    ASSERT_EQ(send(control_->client.get(), text.data(), text.size(), 0), ssize_t(text.size()));
  }
  /// Until nothing more comes for a moment, or `octets` have.
  std::string hear(int socket, std::size_t octets) {
    std::string heard;
    eventually(
        [&] {
          std::array<char, 1000> buffer;
          auto n = recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
          if (n > 0) heard.append(buffer.data(), static_cast<std::size_t>(n));
          return heard.size() >= octets;
        },
        std::chrono::seconds{3});
    return heard;
  }
  /// PORT in the client's words; how the server reads it.
  std::string port(int high, int low) {
    say("PORT 10,0,0,5," + std::to_string(high) + "," + std::to_string(low) + "\r\n");
    auto heard = hear(control_->server.get(), 10);
    return heard;
  }
  std::vector<AnyRow> expected(BackEnd& device, const NetworkNamespace& at, const Vm& vm = vm5) {
    at.enter();
    return readAll(expectationsOf(device), vm);
  }
  /// Does a connection of the peer to what it was told reach the VM?
  bool connects(std::uint16_t port) {
    lab_.vm.enter();
    UniqueFd listener{socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    SocketAddress at{"10.0.0.5", port}, to{"192.0.2.1", port};
    if (bind(listener.get(), at.get(), at.size) != 0 || listen(listener.get(), 1) != 0) return false;
    lab_.peer.enter();
    UniqueFd client{socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    connect(client.get(), to.get(), to.size);
    return eventually([&] { return static_cast<bool>(UniqueFd{accept(listener.get(), nullptr, nullptr)}); },
                      std::chrono::milliseconds{700});
  }

  FirewallLab lab_;
  NetworkNamespace second_;
  std::unique_ptr<BackEnd> first_, secondDevice_;
  std::optional<TcpPair> control_;
};

TEST_F(FtpThroughNat, TheExpectationAndTheSequenceAdjustmentGoToAnotherFirewall) {
  EXPECT_EQ(port(200, 1), "PORT 192,0,2,1,200,1\r\n") << "longer than it was sent";
  ASSERT_TRUE(connects(200 * 256 + 1));
  EXPECT_EQ(port(200, 2), "PORT 192,0,2,1,200,2\r\n");
  auto rows = expected(*first_, lab_.firewall);
  ASSERT_EQ(rows.size(), 1u) << outputOf("conntrack -L expect");
  const auto row = rows[0].as<ExpectRow>();
  EXPECT_EQ(toString(row.sourceAddress), "192.0.2.9");
  EXPECT_EQ(row.sourcePort, 0) << "any";
  EXPECT_EQ(toString(row.destAddress), "192.0.2.1");
  EXPECT_EQ(row.destPort, 200 * 256 + 2);
  EXPECT_EQ(toString(row.masterSourceAddress), "10.0.0.5");
  EXPECT_EQ(row.masterDestPort, 8443);
  EXPECT_EQ(row.helper.value, "ftp");
  EXPECT_EQ(row.function.value, "nat-follow-master");
  EXPECT_EQ(row.natPort, 200 * 256 + 2);
  EXPECT_TRUE(row.natReply);
  EXPECT_GT(row.timeout, 200u);
  EXPECT_TRUE(expectationsOf(*first_).moves(row));
  EXPECT_TRUE(expected(*first_, lab_.firewall, makeVm(6)).empty());
  lab_.firewall.enter();
  auto connections = readAll(connectionsOf(*first_), vm5);
  std::erase_if(connections, [](const AnyRow& each) { return each.as<TcpConnRow>().remPort != 8443; });
  ASSERT_EQ(connections.size(), 1u);
  EXPECT_EQ(connections[0].as<TcpConnRow>().localSeqAdjOffsetAfter, 2) << "one octet for each PORT";

  lab_.moveTo(second_);
  second_.run(ftpHelper);
  secondDevice_ = makeLinuxBackEnd();
  auto early = expectationsOf(*secondDevice_).create(vm5, rows);
  ASSERT_TRUE(early.error) << "its master is not there yet";
  EXPECT_EQ(early.error->status, SnmpStatus::inconsistentName);
  EXPECT_NE(early.error->text.find("master"), std::string::npos) << early.error->text;
  EXPECT_FALSE(connects(200 * 256 + 2)) << "nobody expects it here";
  second_.enter();
  outputOf("conntrack -D -d 192.0.2.1");

  ASSERT_FALSE(connectionsOf(*secondDevice_).create(vm5, connections).error);
  auto made = expectationsOf(*secondDevice_).create(vm5, rows);
  ASSERT_FALSE(made.error) << made.error->text;
  auto there = expected(*secondDevice_, second_);
  ASSERT_EQ(there.size(), 1u);
  EXPECT_TRUE(there[0].equals(rows[0], Carry::exact));
  EXPECT_NEAR(there[0].as<ExpectRow>().timeout, row.timeout, 3);
  EXPECT_TRUE(connects(200 * 256 + 2));
  EXPECT_TRUE(expected(*secondDevice_, second_).empty()) << "it is fulfilled";

  // The control connection goes on in step: what both sides say arrives whole, and is translated as before.
  say("NOOP\r\n");
  EXPECT_EQ(hear(control_->server.get(), 6), "NOOP\r\n");
  EXPECT_EQ(port(200, 3), "PORT 192,0,2,1,200,3\r\n");
  ASSERT_EQ(send(control_->server.get(), "200 fine\r\n", 10, 0), 10);
  EXPECT_EQ(hear(control_->client.get(), 10), "200 fine\r\n");
  EXPECT_TRUE(connects(200 * 256 + 3));
  EXPECT_TRUE(control_->exchange(1000000));
}

TEST_F(FtpThroughNat, WithoutTheSequenceAdjustmentTheConnectionDies) {
  EXPECT_EQ(port(200, 1), "PORT 192,0,2,1,200,1\r\n");
  lab_.firewall.enter();
  auto connections = readAll(connectionsOf(*first_), vm5);
  ASSERT_EQ(connections.size(), 1u);
  auto& conn = connections[0].as<TcpConnRow>();
  EXPECT_EQ(conn.localSeqAdjOffsetAfter, 1);
  conn.localSeqAdjCorrectionPos = 0;
  conn.localSeqAdjOffsetAfter = 0;
  lab_.moveTo(second_);
  secondDevice_ = makeLinuxBackEnd();
  ASSERT_FALSE(connectionsOf(*secondDevice_).create(vm5, connections).error);
  say("NOOP\r\n");
  EXPECT_NE(hear(control_->server.get(), 6), "NOOP\r\n") << "an octet is taken for one that was there before";
}

class LinuxExpectTableTest : public testing::Test {
 protected:
  /// Its master, with a helper, and what that expects.
  TcpConnRow master(std::uint16_t port, std::size_t family = 0, std::uint16_t zone = 0) {
    auto row = makeRow(vm5, port, family);
    row.remPort = 21;
    row.zone = zone;
    row.helper.value = "ftp";
    EXPECT_FALSE(connections_.create(vm5, std::vector<AnyRow>{row}).error);
    return row;
  }
  static ExpectRow expectation(const TcpConnRow& master, std::uint16_t port) {
    ExpectRow row;
    row.uuid = master.uuid;
    row.zone = master.zone;
    row.sourceAddress = master.remAddress;
    row.destAddress = master.localAddress;
    row.destPort = port;
    row.masterSourceAddress = master.localAddress;
    row.masterSourcePort = master.localPort;
    row.masterDestAddress = master.remAddress;
    row.masterDestPort = master.remPort;
    row.timeout = 100;
    row.helper.value = "ftp";
    return row;
  }
  /// FTP's helper expects one connection at a time, hence a master for each.
  std::vector<AnyRow> richRows() {
    std::vector<AnyRow> rows;
    std::uint16_t port = 5000;
    auto add = [&](auto change, std::size_t family = 0, std::uint16_t zone = 0) {
      ++port;
      auto row = expectation(master(port, family, zone), port);
      change(row);
      rows.emplace_back(row);
    };
    for (std::size_t family : {0u, 1u}) {
      add([](ExpectRow&) {}, family);
      add([](ExpectRow& row) { row.sourcePort = 20; }, family);
      add([](ExpectRow& row) { row.sourceAddress.octets.fill(0); }, family);
      add([](ExpectRow& row) { row.flags.mask = 0b11; }, family);
      add(
          [&](ExpectRow& row) {
            row.destAddress = address(family ? "2001:db8:ff::1" : "198.51.100.1");
            row.natAddress = row.masterSourceAddress;
            row.natPort = 40000;
            row.natReply = true;
            row.function.value = "nat-follow-master";
          },
          family);
      add(
          [&](ExpectRow& row) {
            row.natAddress = address(family ? "::" : "0.0.0.0");
            row.natPort = 40001;
          },
          family);
      add([](ExpectRow&) {}, family, 5);
    }
    add([](ExpectRow& row) { row.protocol = 17; });
    return rows;
  }

  NetworkNamespace here_;
  std::unique_ptr<BackEnd> device_ = makeLinuxBackEnd();
  TableBackEnd& table_ = expectationsOf(*device_);
  TableBackEnd& connections_ = connectionsOf(*device_);
};

TEST_F(LinuxExpectTableTest, EachRowReadsBackAsItWasWritten) {
  auto rows = richRows();
  auto result = table_.create(vm5, rows);
  ASSERT_FALSE(result.error) << result.error->text;
  image::Digest expected, actual;
  for (const auto& row : rows) {
    expected.add(row);
    auto found = table_.find(vm5, row);
    ASSERT_TRUE(found && *found) << toString(row.index());
    for (const auto& column : row.table().columns)
      if (column.carry == Carry::exact) {
        EXPECT_TRUE(column.equal((*found)->data(), row.data()))
            << toString(row.index()) << ' ' << column.name << ": " << smi::toString((*found)->get(column));
      }
    EXPECT_NEAR((*found)->as<ExpectRow>().timeout, 100, 3);
  }
  auto read = readAll(table_, vm5);
  for (const auto& row : read) actual.add(row);
  EXPECT_EQ(actual, expected);
  EXPECT_EQ(actual.rows(), rows.size()) << outputOf("conntrack -L expect");
  EXPECT_TRUE(readAll(table_, makeVm(6)).empty());
  for (int round = 0; round < 2; ++round) EXPECT_FALSE(table_.remove(vm5, rows).error);
  EXPECT_TRUE(readAll(table_, vm5).empty());
}

TEST_F(LinuxExpectTableTest, ConntrackShowsIt) {
  ASSERT_FALSE(table_.create(vm5, std::vector<AnyRow>{expectation(master(5000), 6000)}).error);
  auto text = outputOf("conntrack -L expect");
  for (const char* word :
       {"src=192.0.2.9 dst=10.0.0.5 sport=0 dport=6000", "master-src=10.0.0.5 master-dst=192.0.2.9 sport=5000 dport=21",
        "mask-src=255.255.255.255", "helper=ftp"})
    EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
}

TEST_F(LinuxExpectTableTest, AVmBehindADestinationTranslationIsFoundThroughTheMaster) {
  auto conn = makeRow(vm5, 2121);
  conn.opener = TcpOpener::remote;
  conn.natLocalAddress = address("198.51.100.1");
  conn.natLocalPort = 21;
  conn.helper.value = "ftp";
  ASSERT_FALSE(connections_.create(vm5, std::vector<AnyRow>{conn}).error);
  auto row = expectation(conn, 6000);
  row.masterSourceAddress = conn.remAddress, row.masterSourcePort = conn.remPort;
  row.masterDestAddress = conn.natLocalAddress, row.masterDestPort = conn.natLocalPort;
  row.destAddress = conn.natLocalAddress;
  row.function.value = "nat-follow-master";
  auto result = table_.create(vm5, std::vector<AnyRow>{row});
  ASSERT_FALSE(result.error) << result.error->text;
  auto rows = readAll(table_, vm5);
  ASSERT_EQ(rows.size(), 1u) << "no address that it names is the VM's own";
  EXPECT_TRUE(rows[0].equals(AnyRow{row}, Carry::exact));
  EXPECT_TRUE(readAll(table_, makeVm(6)).empty());
}

TEST_F(LinuxExpectTableTest, OneThatNoRowCanTellConcernsItsOwnVmOnly) {
  auto known = expectation(master(5000), 6000);
  ASSERT_FALSE(table_.create(vm5, std::vector<AnyRow>{known}).error);
  auto other = makeVm(6);
  auto conn = makeRow(other, 5001);
  conn.remPort = 21;
  conn.helper.value = "ftp";
  ASSERT_FALSE(connections_.create(other, std::vector<AnyRow>{conn}).error);
  // Sources of a whole prefix; SIP's helper and operators can make such.
  auto made = outputOf("conntrack -I expect -p tcp --orig-src 10.0.0.6 --orig-dst " + toString(conn.remAddress) +
                       " --orig-port-src 5001 --orig-port-dst 21 --tuple-src " + toString(conn.remAddress) +
                       " --tuple-dst 10.0.0.6 --tuple-port-src 0 --tuple-port-dst 6001 --mask-src 255.255.255.0"
                       " --mask-dst 255.255.255.255 --mask-port-src 0 --mask-port-dst 65535 -t 100 2>&1");
  ASSERT_NE(outputOf("conntrack -L expect").find("mask-src=255.255.255.0 "), std::string::npos) << made;
  EXPECT_EQ(readAll(table_, vm5).size(), 1u);
  std::vector<AnyRow> rows;
  Result<bool> more = true;
  for (auto cursor = table_.read(other); more && *more;) more = cursor->next(rows);
  ASSERT_FALSE(more) << "its own VM would leave it behind";
  EXPECT_NE(more.error().text.find("whole prefix of sources"), std::string::npos) << more.error().text;
}

TEST_F(LinuxExpectTableTest, SaysWhyItCannotMakeOne) {
  auto expectFailure = [&](const ExpectRow& row, SnmpStatus status, std::string_view word) {
    auto result = table_.create(vm5, std::vector<AnyRow>{row});
    ASSERT_TRUE(result.error) << word;
    EXPECT_EQ(result.done, 0u);
    EXPECT_EQ(result.error->status, status) << result.error->text;
    EXPECT_NE(result.error->text.find(word), std::string::npos) << result.error->text;
  };
  auto known = expectation(master(5000), 6000);
  ASSERT_FALSE(table_.create(vm5, std::vector<AnyRow>{known}).error);
  auto again = known;
  again.flags.mask = 1;
  expectFailure(again, SnmpStatus::inconsistentName, "is expected already");
  EXPECT_EQ(table_.find(vm5, known).value()->as<ExpectRow>().flags.mask, 0u) << "the one that is there stays as it is";

  auto orphan = known;
  orphan.destPort = 6001, orphan.masterSourcePort = 1;
  expectFailure(orphan, SnmpStatus::inconsistentName, "port 1 with 192.0.2.9 port 21, is not tracked here");
  auto plain = makeRow(vm5, 5001);
  ASSERT_FALSE(connections_.create(vm5, std::vector<AnyRow>{plain}).error);
  expectFailure(expectation(plain, 6002), SnmpStatus::inconsistentValue, "has no helper");
  auto strange = expectation(master(5002), 6003);
  strange.function.value = "no-such-function";
  expectFailure(strange, SnmpStatus::inconsistentValue, "vmMigExpectFunction");
  strange.function.value.clear();
  strange.flags.set(ExpectFlag::userspace);
  expectFailure(strange, SnmpStatus::inconsistentValue, "vmMigExpectFlags");
  strange.flags.mask = 0;
  strange.timeout = 0xffffffff;
  expectFailure(strange, SnmpStatus::wrongValue, "vmMigExpectTimeout");
  EXPECT_EQ(readAll(table_, vm5).size(), 1u);
}

TEST_F(LinuxExpectTableTest, StopsABatchAtTheRowThatCannotBe) {
  std::vector<AnyRow> rows;
  for (std::uint16_t i = 0; i < 5; ++i) rows.emplace_back(expectation(master(static_cast<std::uint16_t>(5000 + i)), 6000 + i));
  rows[2].as<ExpectRow>().masterSourcePort = 1;
  auto result = table_.create(vm5, rows);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.done, 2u);
  EXPECT_EQ(readAll(table_, vm5).size(), 2u) << "nothing behind it is made";
}

TEST_F(LinuxExpectTableTest, ReplacesWhatARowHas) {
  auto row = expectation(master(5000), 6000);
  ASSERT_FALSE(table_.create(vm5, std::vector<AnyRow>{row}).error);
  for (auto change : {+[](ExpectRow& each) { each.timeout = 50; }, +[](ExpectRow& each) { each.flags.mask = 1; }}) {
    change(row);
    auto status = table_.replace(vm5, row);
    ASSERT_TRUE(status) << status.error().text;
    auto found = table_.find(vm5, row).value();
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->equals(AnyRow{row}, Carry::exact));
    EXPECT_NEAR(found->as<ExpectRow>().timeout, row.timeout, 3);
  }
  row.destPort = 1;
  EXPECT_EQ(table_.replace(vm5, row).error().status, SnmpStatus::inconsistentName);
}

}  // namespace
}  // namespace vmmig

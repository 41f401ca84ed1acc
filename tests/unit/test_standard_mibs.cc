// SPDX-License-Identifier: GPL-2.0-or-later
// What is read of other vendors' agents: interfaces, ports of bridges, forwarding tables with and without VLANs, LLDP.
#include <gtest/gtest.h>

#include "manager/standard_mibs.h"
#include "mibs/standard_tables.h"
#include "tests/unit/fake_session.h"

namespace vmmig {
namespace {

std::string mac(char last) { return {2, 0, 0, 0, 0, last}; }
constexpr std::uint32_t ifIndex = 1007, port = 7;

class Agent : public testing::Test {
 protected:
  Agent() : device("sw-a", std::make_unique<test::FakeSession>(loop)) {}
  test::FakeSession& session() { return static_cast<test::FakeSession&>(device.session()); }
  template <class Row>
  void put(Row row) {
    session().put(AnyRow{std::move(row)});
  }
  /// ge-0/0/7: interface 1007, bridge port 7.
  void makeSwitch() {
    put(IfRow{.index = ifIndex, .physAddress = {mac(0x2a)}});
    put(IfXRow{.index = ifIndex, .name = {"ge-0/0/7"}});
    put(BasePortRow{.port = port, .ifIndex = ifIndex});
  }
  void makeNeighbour(LldpLocPortRow local) {
    local.number = 3;
    put(local);
    put(LldpRemRow{.timeMark = 99,
                   .localPort = 3,
                   .index = 1,
                   .chassisIdSubtype = chassisIdMacAddress,
                   .chassisId = {mac(0x1a)},
                   .sysName = {"node-a"}});
  }
  NetworkNode read(bool withTables = true) {
    auto node = test::await(loop, readNetworkNode(device, withTables));
    EXPECT_TRUE(node) << (node ? "" : node.error().text);
    return node ? *node : NetworkNode{};
  }
  std::uint32_t neighbourPort() {
    auto node = read();
    EXPECT_EQ(node.neighbours.size(), 1u);
    return node.neighbours.empty() ? 0 : node.neighbours.front().port;
  }

  EventLoop loop;
  Device device;
};

TEST_F(Agent, thatHasNothingIsNoSwitchAndTakesNoPart) {
  auto node = read();
  EXPECT_EQ(node.name, "sw-a");
  EXPECT_FALSE(node.isSwitch());
  EXPECT_FALSE(node.takesPart);
  EXPECT_TRUE(node.ownMacs.empty());
}

TEST_F(Agent, tellsItsNameAndItsOwnAddresses) {
  put(SystemScalars{.sysName = {"switch-a"}});
  put(IfRow{.index = 1, .physAddress = {}});  // the loopback
  put(IfRow{.index = 2, .physAddress = {std::string(6, '\0')}});
  put(IfRow{.index = 3, .physAddress = {"an EUI64"}});
  put(IfRow{.index = 4, .physAddress = {mac(1)}});
  put(LldpLocalScalars{.chassisIdSubtype = chassisIdMacAddress, .chassisId = {mac(2)}});
  auto node = read(false);
  EXPECT_EQ(node.sysName, "switch-a");
  EXPECT_EQ(node.ownMacs, (std::set<std::string>{mac(1), mac(2)}));
}

TEST_F(Agent, takesPartWhenItHasOurScalars) {
  put(DeviceScalars{});
  EXPECT_TRUE(read().takesPart);
}

TEST_F(Agent, callsItsPortsByTheirInterfaces) {
  makeSwitch();
  put(BasePortRow{.port = 8, .ifIndex = 4711});
  EXPECT_EQ(read().ports, (std::map<std::uint32_t, std::string>{{port, "ge-0/0/7"}, {8, "8"}}));
}

TEST_F(Agent, hasStationsOfBothTablesAndNotItself) {
  makeSwitch();
  put(TpFdbRow{.address = {mac(1)}, .port = port, .status = fdbLearned});
  put(TpFdbRow{.address = {mac(2)}, .port = port, .status = fdbMgmt});
  put(TpFdbRow{.address = {mac(3)}, .port = port, .status = fdbSelf});
  put(TpFdbRow{.address = {mac(4)}, .port = 0, .status = fdbLearned});
  put(TpFdbRow{.address = {mac(6)}, .port = port, .status = fdbInvalid});
  put(QTpFdbRow{.fdbId = 42, .address = {mac(5)}, .port = port, .status = fdbLearned});
  put(QTpFdbRow{.fdbId = 42, .address = {mac(3)}, .port = port, .status = fdbSelf});
  std::set<std::string> macs;
  for (const auto& station : read().stations) {
    EXPECT_EQ(station.port, port);
    macs.insert(station.mac);
  }
  EXPECT_EQ(macs, (std::set<std::string>{mac(1), mac(2), mac(5)}));
}

TEST_F(Agent, ofAHostIsNotAskedForTables) {
  makeSwitch();
  put(TpFdbRow{.address = {mac(1)}, .port = port, .status = fdbLearned});
  auto node = read(false);
  EXPECT_FALSE(node.isSwitch());
  EXPECT_TRUE(node.stations.empty());
}

TEST_F(Agent, findsLldpsPortByNameAddressDescriptionOrNumber) {
  makeSwitch();
  makeNeighbour({.idSubtype = portIdInterfaceName, .id = {"ge-0/0/7"}, .descr = {}});
  EXPECT_EQ(neighbourPort(), port);
  makeNeighbour({.idSubtype = portIdMacAddress, .id = {mac(0x2a)}, .descr = {}});
  EXPECT_EQ(neighbourPort(), port);
  makeNeighbour({.idSubtype = 7, .id = {"whatever"}, .descr = {"ge-0/0/7"}});
  EXPECT_EQ(neighbourPort(), port);
  makeNeighbour({.idSubtype = 7, .id = {"whatever"}, .descr = {"uplink"}});
  EXPECT_EQ(neighbourPort(), 0u) << "LLDP's 3 is no interface of a port";
  put(BasePortRow{.port = 9, .ifIndex = 3});
  EXPECT_EQ(neighbourPort(), 9u);
  EXPECT_EQ(read().neighbours.front().mac, mac(0x1a));
  EXPECT_EQ(read().neighbours.front().sysName, "node-a");
}

TEST_F(Agent, thatDoesNotAnswerIsAnError) {
  session().transport = [](int) { return Error{SnmpStatus::genErr, "no answer"}; };
  EXPECT_FALSE(test::await(loop, readNetworkNode(device, true)));
}

}  // namespace
}  // namespace vmmig

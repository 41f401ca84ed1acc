// SPDX-License-Identifier: GPL-2.0-or-later
// BRIDGE-MIB over real Linux bridges: which ports, which stations, how each is known, and in which order SNMP sees them.
#include <gtest/gtest.h>

#include "mibs/registry.h"
#include "mibs/standard_tables.h"
#include "subagent/linux_bridge_mib.h"
#include "subagent/request_handler.h"
#include "subagent/snapshot_store.h"
#include "tests/unit/network_namespace.h"

namespace vmmig {
namespace {

const std::string learned{"\x02\x00\x00\x00\x00\x05", 6}, configured{"\x02\x00\x00\x00\x00\x06", 6},
    own{"\x02\x00\x00\x00\x0a\x01", 6};

/// br0 with the ports 10 and 11, and what its forwarding table is to have.
NetworkNamespace& bridge() {
  static NetworkNamespace space;
  static bool isMade = [] {
    space.run("ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up");
    space.run(
        "ip link add p10 index 10 address 02:00:00:00:0a:01 type veth peer name e10 && ip link set p10 master br0 up && ip link "
        "set e10 up");
    space.run("ip link add p11 index 11 type veth peer name e11 && ip link set p11 master br0 up && ip link set e11 up");
    space.run("ip link add alone index 12 type veth peer name e12");
    space.run(
        "bridge fdb add 02:00:00:00:00:05 dev p10 master dynamic && bridge fdb add 02:00:00:00:00:06 dev p11 master static");
    space.run("bridge fdb add 01:00:5e:00:00:09 dev p11 self");
    return true;
  }();
  EXPECT_TRUE(isMade);
  space.enter();
  return space;
}

std::optional<TpFdbRow> station(const std::string& mac) {
  auto rows = readBridgeForwarding();
  EXPECT_TRUE(rows);
  for (const auto& row : *rows)
    if (row.as<TpFdbRow>().address.value == mac) return row.as<TpFdbRow>();
  return std::nullopt;
}

TEST(BridgePorts, areThoseOfBridgesAlone) {
  bridge();
  auto rows = readBridgePorts();
  ASSERT_TRUE(rows);
  std::map<std::uint32_t, std::uint32_t> ports;
  for (const auto& row : *rows) ports[row.as<BasePortRow>().port] = row.as<BasePortRow>().ifIndex;
  EXPECT_EQ(ports, (std::map<std::uint32_t, std::uint32_t>{{10, 10}, {11, 11}}));
}

TEST(BridgeForwarding, tellsHowEachStationIsKnown) {
  bridge();
  for (const auto& [mac, port, status] : {std::tuple{learned, 10, fdbLearned}, {configured, 11, fdbMgmt}, {own, 10, fdbSelf}}) {
    auto row = station(mac);
    ASSERT_TRUE(row);
    EXPECT_EQ(row->port, port);
    EXPECT_EQ(row->status, status);
  }
}

TEST(BridgeForwarding, hasNoGroupsAndNoFiltersOfInterfaces) {
  bridge();
  auto rows = readBridgeForwarding();
  ASSERT_TRUE(rows);
  for (const auto& row : *rows) EXPECT_EQ(row.as<TpFdbRow>().address.value[0] & 1, 0);
}

TEST(BridgeForwarding, followsAStationThatMoves) {
  auto& space = bridge();
  space.run("bridge fdb add 02:00:00:00:00:07 dev p10 master dynamic");
  const std::string moving{"\x02\x00\x00\x00\x00\x07", 6};
  EXPECT_EQ(station(moving)->port, 10);
  space.run("bridge fdb replace 02:00:00:00:00:07 dev p11 master dynamic");
  EXPECT_EQ(station(moving)->port, 11);
  space.run("bridge fdb del 02:00:00:00:00:07 dev p11 master");
  EXPECT_FALSE(station(moving));
}

class BridgeMib : public testing::Test {
 protected:
  BridgeMib() { bridge(); }
  smi::VarBind next(const Oid& after) { return handler.getNext({{after}})->front(); }

  SnapshotStore ports{TableOf<BasePortRow>::info, readBridgePorts};
  SnapshotStore stations{TableOf<TpFdbRow>::info, readBridgeForwarding};
  RequestHandler handler{{&ports, &stations}};
};

const Oid fdbPort{1, 3, 6, 1, 2, 1, 17, 4, 3, 1, 2}, basePort{1, 3, 6, 1, 2, 1, 17, 1, 4, 1, 1};

TEST_F(BridgeMib, hasSixSubIdentifiersOfAMacAsIndex) {
  auto answer = handler.get({fdbPort + Oid{2, 0, 0, 0, 0, 5}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->front().value, smi::Value::integer(10));
  for (const Oid& wrong : {Oid{6, 2, 0, 0, 0, 0, 5}, Oid{2, 0, 0, 0, 0}, Oid{2, 0, 0, 0, 0, 256}})
    EXPECT_EQ((*handler.get({fdbPort + wrong}))[0].value.type, smi::Type::noSuchInstance);
}

TEST_F(BridgeMib, isWalkedInTheOrderOfItsObjects) {
  Oid at = {1, 3, 6, 1, 2, 1, 17};
  std::vector<Oid> seen;
  for (auto answer = next(at); answer.value.type != smi::Type::endOfMibView; answer = next(at)) {
    ASSERT_LT(at, answer.name);
    EXPECT_EQ((*handler.get({answer.name}))[0].value, answer.value);
    seen.push_back(at = answer.name);
  }
  ASSERT_GE(seen.size(), 2 * 2 + 3 * 3u);
  EXPECT_EQ(seen.front(), basePort + 10u);
  EXPECT_TRUE(startsWith(seen.back(), Oid{1, 3, 6, 1, 2, 1, 17, 4, 3, 1, 3}));
}

TEST_F(BridgeMib, staysWithinTheRangeThatIsAsked) {
  auto bound = Oid{1, 3, 6, 1, 2, 1, 17, 1, 5};
  auto answer = handler.getNext({{.start = {1, 3, 6, 1, 2, 1, 17, 1, 4, 1, 2, 11}, .include = false, .end = bound}});
  EXPECT_EQ(answer->front().value.type, smi::Type::endOfMibView);
}

TEST_F(BridgeMib, isReadOnly) {
  auto set = handler.set();
  auto error = set->test({{fdbPort + Oid{2, 0, 0, 0, 0, 5}, smi::Value::integer(11)}});
  ASSERT_TRUE(error);
  EXPECT_EQ(error->status, SnmpStatus::notWritable);
}

TEST_F(BridgeMib, tellsItsSubtreesToTheAgent) {
  EXPECT_EQ(handler.otherSubtrees(), (std::vector<Oid>{{1, 3, 6, 1, 2, 1, 17, 1, 4}, {1, 3, 6, 1, 2, 1, 17, 4, 3}}));
}

}  // namespace
}  // namespace vmmig

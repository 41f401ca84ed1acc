// SPDX-License-Identifier: GPL-2.0-or-later
// Names of two devices for the same thing: rules, rows, the texts of policies, and a VM that moves between devices that agree on
// no name.
#include "mibs/multicast_table.h"
#include "tests/unit/transfer_fixture.h"

namespace vmmig::test {
namespace {

using Admin = TransferAdmin;
using Oper = TransferOper;

NameMap mapOf(std::vector<NameRule> rules) {
  auto map = NameMap::make(std::move(rules));
  EXPECT_TRUE(map) << map.error().text;
  return map ? *map : NameMap{};
}

std::string errorOf(std::vector<NameRule> rules) {
  auto map = NameMap::make(std::move(rules));
  return map ? "" : map.error().text;
}

TEST(NameRules, MapExactNamesBothWaysAndLeaveTheOthers) {
  auto map = mapOf({{Names::port, "tap3", "port-a"}, {Names::list, "auth", "authenticated"}});
  EXPECT_EQ(map.toCommon(Names::port, "tap3"), "port-a");
  EXPECT_EQ(map.toLocal(Names::port, "port-a"), "tap3");
  EXPECT_EQ(map.toCommon(Names::port, "tap4"), "tap4");
  EXPECT_EQ(map.toCommon(Names::list, "tap3"), "tap3") << "another kind";
  EXPECT_EQ(map.toLocal(Names::list, "authenticated"), "auth");
  EXPECT_FALSE(map.empty());
  EXPECT_TRUE(NameMap{}.empty());
}

TEST(NameRules, AStarStandsForTheSameTextInBothNames) {
  auto map = mapOf({{Names::port, "tap-uplink", "up"}, {Names::port, "tap*-x", "vm-*"}});
  EXPECT_EQ(map.toCommon(Names::port, "tap17-x"), "vm-17");
  EXPECT_EQ(map.toLocal(Names::port, "vm-17"), "tap17-x");
  EXPECT_EQ(map.toLocal(Names::port, "vm-"), "tap-x") << "nothing is a text too";
  EXPECT_EQ(map.toCommon(Names::port, "tap17"), "tap17");
  EXPECT_EQ(map.toCommon(Names::port, "-x"), "-x") << "shorter than prefix and suffix";
  EXPECT_EQ(map.toCommon(Names::port, "tap-uplink"), "up");
  EXPECT_EQ(mapOf({{Names::port, "ab*ba", "x*"}}).toCommon(Names::port, "aba"), "aba") << "prefix and suffix overlap";
}

TEST(NameRules, TheFirstThatMatchesWins) {
  auto map = mapOf({{Names::port, "tap1", "first"}, {Names::port, "tap*", "vm*"}});
  EXPECT_EQ(map.toCommon(Names::port, "tap1"), "first");
  EXPECT_EQ(map.toCommon(Names::port, "tap2"), "vm2");
}

TEST(NameRules, AZoneIsANumber) {
  auto map = mapOf({{Names::zone, "007", "65535"}});
  EXPECT_EQ(map.toCommon(Names::zone, "7"), "65535");
  for (const char* bad : {"65536", "-1", "x", "7x", "", "0x10"}) EXPECT_NE(errorOf({{Names::zone, bad, "1"}}), "") << bad;
  EXPECT_NE(errorOf({{Names::zone, "7", "1"}, {Names::zone, "07", "2"}}).find("has another name already"), std::string::npos);
}

TEST(NameRules, AmbiguousOnesAreErrorsThatNameBoth) {
  const std::vector<std::vector<NameRule>> ambiguous{
      {{Names::port, "a", "x"}, {Names::port, "a", "y"}},
      {{Names::port, "a", "x"}, {Names::port, "b", "x"}},
      {{Names::port, "tap*", "vm*"}, {Names::port, "tap1", "first"}},
      {{Names::port, "tap*", "vm*"}, {Names::port, "eth1", "vm1"}},
      {{Names::port, "tap*", "vm*"}, {Names::port, "tap*", "x*"}},
  };
  for (const auto& rules : ambiguous) {
    auto text = errorOf(rules);
    EXPECT_NE(text.find("map = port," + rules[0].local + "," + rules[0].common), std::string::npos) << text;
    EXPECT_NE(text.find("map = port," + rules[1].local + "," + rules[1].common), std::string::npos) << text;
  }
  EXPECT_EQ(errorOf({{Names::list, "a", "x"}, {Names::counter, "a", "x"}}), "") << "kinds do not mix";
  EXPECT_EQ(errorOf({{Names::port, "a", "b"}, {Names::port, "b", "a"}}), "") << "two that swap";
}

TEST(NameRules, WhatCannotMeanAnythingIsAnError) {
  EXPECT_NE(errorOf({{Names::port, "tap*", "vm"}}).find("either both"), std::string::npos);
  EXPECT_NE(errorOf({{Names::port, "vm", "tap*"}}).find("either both"), std::string::npos);
  EXPECT_NE(errorOf({{Names::port, "*tap*", "vm*"}}).find("one each"), std::string::npos);
  EXPECT_NE(errorOf({{Names::list, "a*", "b*"}}).find("only the names of a port"), std::string::npos);
  EXPECT_NE(errorOf({{Names::list, std::string(33, 'x'), "b"}}).find("1 to 32 octets"), std::string::npos);
  EXPECT_NE(errorOf({{Names::port, "", "b"}}).find("1 to 255 octets"), std::string::npos);
  EXPECT_NE(errorOf({{Names::port, "\xff", "b"}}), "");
  EXPECT_NE(errorOf({{Names::none, "a", "b"}}), "");
  EXPECT_NE(errorOf({{Names::ruleText, "a", "b"}}), "");
}

TEST(NameMapRow, MapsIndexAndColumns) {
  auto map = mapOf({{Names::zone, "7", "100"}, {Names::list, "auth", "authenticated"}, {Names::port, "tap*", "vm*"}});
  auto conn = connection(1000);
  conn.zone = 7;
  auto common = map.toCommon(AnyRow{conn}).value();
  EXPECT_EQ(common.as<TcpConnRow>().zone, 100);
  EXPECT_TRUE(map.toLocal(common).value().equals(AnyRow{conn}, Carry::exact));
  EXPECT_EQ(map.toCommon(AnyRow{aclEntry("10.0.0.7", "auth")}).value().as<AclRow>().list.value, "authenticated");
  MulticastRow member;
  member.port.value = "tap3";
  EXPECT_EQ(map.toCommon(AnyRow{member}).value().as<MulticastRow>().port.value, "vm3");
  Vm vm{.uuid = vmUuid, .name = "web1", .addresses = {}, .port = "vm3"};
  EXPECT_EQ(map.toLocal(vm).port, "tap3");
  vm.port = "";
  EXPECT_EQ(map.toLocal(vm).port, "");
}

TEST(NameMapRow, ANameThatDoesNotFitIsAnError) {
  auto map = mapOf({{Names::port, "tap*", std::string(250, 'x') + "*"}});
  MulticastRow member;
  member.port.value = "tap1234567";
  auto mapped = map.toCommon(AnyRow{member});
  ASSERT_FALSE(mapped);
  EXPECT_NE(mapped.error().text.find("vmMigMulticastPort"), std::string::npos);
}

class RuleText : public testing::Test {
 protected:
  /// Local to common and back.
  void expectMapped(const std::string& local, const std::string& common) {
    EXPECT_EQ(map_.toCommon(Names::ruleText, local), common);
    EXPECT_EQ(map_.toLocal(Names::ruleText, common), local);
  }
  void expectLeft(const std::string& text) { expectMapped(text, text); }

  NameMap map_ = mapOf({{Names::port, "eth0", "uplink"},
                        {Names::port, "tap*", "vm*"},
                        {Names::list, "auth", "authenticated"},
                        {Names::counter, "half", "halfopen"}});
};

TEST_F(RuleText, MapsInterfacesInQuotes) {
  expectMapped(R"(iifname "eth0" accept)", R"(iifname "uplink" accept)");
  expectMapped(R"(meta oifname != "tap3" iif "eth0" drop)", R"(meta oifname != "vm3" iif "uplink" drop)");
  expectMapped(R"(oif "tap3" counter packets 0 bytes 0)", R"(oif "vm3" counter packets 0 bytes 0)");
  expectMapped(R"(iifname { "eth0", "tap3" } oifname "tap*" accept)", R"(iifname { "uplink", "vm3" } oifname "vm*" accept)");
  expectMapped(R"(iifname vmap { "eth0" : jump tap1, "tap1" : drop })", R"(iifname vmap { "uplink" : jump tap1, "vm1" : drop })");
  expectMapped(R"(iifname . tcp dport { "eth0" . 22, "tap1" . 80 } drop)",
               R"(iifname . tcp dport { "uplink" . 22, "vm1" . 80 } drop)");
  expectMapped(R"(fwd to dev "eth0")", R"(fwd to dev "uplink")");
}

TEST_F(RuleText, MapsTheDevicesOfTc) {
  expectMapped("qdisc add dev tap3 root handle 1: htb default 30\nclass add dev tap3 parent 1: classid 1:1 htb rate 1mbit",
               "qdisc add dev vm3 root handle 1: htb default 30\nclass add dev vm3 parent 1: classid 1:1 htb rate 1mbit");
}

TEST_F(RuleText, MapsSetsOfListsAndCounters) {
  expectMapped("ip saddr @auth accept\nip saddr . tcp dport @half drop",
               "ip saddr @authenticated accept\nip saddr . tcp dport @halfopen drop");
  expectMapped("add @half { ip saddr ct count over 5 } drop", "add @halfopen { ip saddr ct count over 5 } drop");
  expectLeft("ip saddr @auth-more accept");
  expectLeft("ip saddr @authentic accept");
}

TEST_F(RuleText, LeavesEverythingElse) {
  expectLeft(R"(tcp dport 22 accept comment "eth0")");
  expectLeft(R"(accept comment "iifname eth0 and mail@auth")");
  expectLeft(R"(iif lo accept comment "eth0")");
  expectLeft(R"(fib saddr . iif oif missing log prefix "eth0" drop)");
  expectLeft("jump eth0");
  expectLeft("@th,16,16 22 accept");
  expectMapped(R"(iifname "eth0" log prefix "eth0" comment "eth0")", R"(iifname "uplink" log prefix "eth0" comment "eth0")");
  expectMapped("iifname { \"eth0\" comment \"eth0\", \"tap1\" } accept\ncomment \"tap1\"",
               "iifname { \"uplink\" comment \"eth0\", \"vm1\" } accept\ncomment \"tap1\"");
}

TEST_F(RuleText, TakesAnyText) {
  for (const char* text : {"", "\"", "@", "iifname", "iifname \"", "iifname \"eth0", "iifname {", "}", "dev", "dev ", "dev \"",
                           "iifname {\n\"eth0\"", "\"a\nb\" iifname", "@@@", "dev @"})
    EXPECT_EQ(map_.toCommon(Names::ruleText, text), text);
  std::string all;
  for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(map_.toCommon(Names::ruleText, all), all);
}

TEST_F(RuleText, AQuoteThatAPieceLeavesOpenEndsWithItsLine) {
  expectMapped("of a comment\"\niifname \"eth0\" accept", "of a comment\"\niifname \"uplink\" accept");
}

class MappedBackEndTest : public testing::Test {
 protected:
  explicit MappedBackEndTest(std::vector<NameRule> rules = {{Names::zone, "7", "100"}, {Names::list, "auth", "authenticated"}}) {
    auto faulty = std::make_unique<FaultyBackEnd>(memory_);
    local_ = faulty.get();
    mapped_ = std::make_unique<MappedBackEnd>(std::move(faulty), mapOf(std::move(rules)));
  }
  TableBackEnd& conns() { return *mapped_->tableFor(TableOf<TcpConnRow>::info); }
  static TcpConnRow inZone(std::uint16_t zone, std::uint16_t port = 1000) {
    auto row = connection(port);
    row.zone = zone;
    return row;
  }
  std::vector<AnyRow> read(TableBackEnd& table) {
    std::vector<AnyRow> rows;
    auto cursor = table.read(vm_);
    while (cursor->next(rows).value()) {
    }
    return rows;
  }

  Vm vm_{.uuid = vmUuid, .name = "web1", .addresses = {vmAddress}};
  MemoryBackEnd memory_;
  FaultyBackEnd* local_ = nullptr;
  std::unique_ptr<MappedBackEnd> mapped_;
};

TEST_F(MappedBackEndTest, RowsAreCommonInFrontAndLocalBehind) {
  std::vector<AnyRow> rows{inZone(100), inZone(3)};
  EXPECT_FALSE(conns().create(vm_, rows).error);
  EXPECT_TRUE(memory_.firewall().find(vm_, inZone(7)));
  EXPECT_TRUE(memory_.firewall().find(vm_, inZone(3)));
  auto seen = read(conns());
  ASSERT_EQ(seen.size(), 2u);
  for (const auto& row : seen) EXPECT_NE(row.as<TcpConnRow>().zone, 7);
  auto found = conns().find(vm_, inZone(100)).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->as<TcpConnRow>().zone, 100);
  auto changed = inZone(100);
  changed.mark = 9;
  EXPECT_TRUE(conns().replace(vm_, changed));
  EXPECT_EQ(memory_.firewall().find(vm_, inZone(7))->mark, 9u);
  EXPECT_FALSE(conns().remove(vm_, std::span{rows}.first(1)).error);
  EXPECT_FALSE(memory_.firewall().find(vm_, inZone(7)));
}

TEST_F(MappedBackEndTest, TheTableHearsWhatToForget) {
  conns().forget(vmUuid);
  EXPECT_EQ(local_->faults.forgotten, 1);
}

TEST_F(MappedBackEndTest, ALocalNameIsNoneInFront) {
  memory_.firewall().insert(inZone(7));
  EXPECT_FALSE(conns().find(vm_, inZone(7)).value()) << "it is zone 100 there";
  auto checked = conns().check(vm_, inZone(7));
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().text.find("vmMigTcpConnZone"), std::string::npos);
  EXPECT_TRUE(conns().check(vm_, inZone(100)));
  EXPECT_TRUE(conns().check(vm_, inZone(5)));
}

TEST_F(MappedBackEndTest, ABatchTellsHowFarItCame) {
  std::vector<AnyRow> rows{inZone(100, 1), inZone(3, 2), inZone(100, 1), inZone(3, 4)};
  auto result = conns().create(vm_, rows);
  EXPECT_EQ(result.done, 2u);
  EXPECT_TRUE(result.error);
}

TEST_F(MappedBackEndTest, ExchangesInLocalNames) {
  std::vector<AnyRow> first{aclEntry("10.0.0.7")}, second{aclEntry("10.0.0.8")};
  EXPECT_FALSE(mapped_->exchange(vm_, {{}, first}));
  EXPECT_EQ(local_->exchanged.rows.begin()->second.as<AclRow>().list.value, "auth");
  EXPECT_FALSE(mapped_->rehearse(vm_, {first, second}));
  EXPECT_FALSE(mapped_->exchange(vm_, {first, second}));
  ASSERT_EQ(local_->exchanged.rows.size(), 1u);
  EXPECT_EQ(local_->exchanged.rows.begin()->second.as<AclRow>().entry.value, "10.0.0.8");
  EXPECT_EQ(read(*mapped_->tableFor(TableOf<AclRow>::info)).front().as<AclRow>().list.value, "authenticated");
}

TEST_F(MappedBackEndTest, TwoRowsThatAreOneHereAreRefusedByName) {
  std::vector<AnyRow> rows{aclEntry("10.0.0.7"), aclEntry("10.0.0.7", "auth")};
  for (auto refusal : {mapped_->exchange(vm_, {{}, rows}), mapped_->rehearse(vm_, {{}, rows})}) {
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->created, 1u);
    EXPECT_NE(refusal->error.text.find("vmMigAclEntry auth 10.0.0.7"), std::string::npos) << refusal->error.text;
  }
  EXPECT_TRUE(mapped_->exchange(vm_, {rows, {}}));
  EXPECT_TRUE(local_->exchanged.rows.empty());
}

TEST_F(MappedBackEndTest, ARefusalKeepsItsTextAndItsRow) {
  local_->exchanged.faults.refused = {"vmMigAclEntry auth 10.0.0.8"};
  std::vector<AnyRow> rows{aclEntry("10.0.0.7"), aclEntry("10.0.0.8")};
  auto refusal = mapped_->exchange(vm_, {{}, rows});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->created, 1u);
  EXPECT_EQ(refusal->error.text, "vmMigAclEntry auth 10.0.0.8 cannot be made: the set is full");
}

/// Two devices that agree on no name.
class MappedTransferTest : public TransferTest {
 protected:
  MappedTransferTest()
      : TransferTest({{Names::port, "tap*", "port-*"},
                      {Names::port, "br-up", "uplink"},
                      {Names::zone, "1", "100"},
                      {Names::list, "auth_a", "authenticated"},
                      {Names::policy, "pol_a", "acl-100"}},
                     {{Names::port, "vnet*", "port-*"},
                      {Names::port, "eth9", "uplink"},
                      {Names::zone, "2", "100"},
                      {Names::list, "auth_b", "authenticated"},
                      {Names::policy, "pol_b", "acl-100"}}) {}

  static DhcpBindingRow binding(const std::string& port) {
    DhcpBindingRow row;
    row.uuid = vmUuid;
    row.macAddress.value = std::string("\x02\x00\x00\x00\x00\x07", 6);
    row.address = vmAddress;
    row.leaseTime = 3600;
    row.port.value = port;
    return row;
  }
  static TcpConnRow inZone(std::uint16_t port, std::uint16_t zone) {
    auto row = connection(port);
    row.zone = zone;
    return row;
  }
};

TEST_F(MappedTransferTest, MovesBetweenOtherNamesWithTheSameDigest) {
  for (std::uint16_t port = 1000; port < 1030; ++port) source_.add(inZone(port, port % 2 ? 1 : 0));
  source_.exchanged().add(aclEntry("10.0.0.7", "auth_a"));
  source_.exchanged().add(binding("tap3"));
  source_.add(policy("pol_a", {"iifname \"br-up\" ip saddr @auth_a accept comment \"br-up\"\n", "oifname \"tap3\" drop"}));
  // Here before, under the destination's names.
  auto stale = aclEntry("10.0.0.7", "auth_b");
  stale.identity.value = "bob";
  destination_.exchanged().add(stale);
  destination_.add(inZone(1001, 2));
  copyFrozen(5);
  commit(5);
  EXPECT_EQ(destination_.transferRow().digest, source_.transferRow().digest);
  EXPECT_EQ(destination_.transferRow().rows, 34u);

  std::vector<TcpConnRow> expected;
  for (std::uint16_t port = 1000; port < 1030; ++port) expected.push_back(inZone(port, port % 2 ? 2 : 0));
  EXPECT_EQ(packed(destination_.rows()), packed(expected));
  FakeExchangedTables names;
  std::swap(names.rows, destination_.exchanged().rows);
  destination_.exchanged().add(aclEntry("10.0.0.7", "auth_b"));
  destination_.exchanged().add(binding("vnet3"));
  destination_.add(policy("pol_b", {"iifname \"eth9\" ip saddr @auth_b accept comment \"br-up\"\n", "oifname \"vnet3\" drop"}));
  auto wanted = destination_.exchangedRows();
  std::swap(names.rows, destination_.exchanged().rows);
  EXPECT_EQ(destination_.exchangedRows(), wanted);

  ASSERT_TRUE(destination_.want(Admin::done, 5));
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_TRUE(source_.exchangedRows().empty());
  EXPECT_TRUE(source_.rows().empty());
}

TEST_F(MappedTransferTest, AnUndoBringsTheLocalNamesBack) {
  source_.exchanged().add(aclEntry("10.0.0.7", "auth_a"));
  auto stale = aclEntry("10.0.0.9", "auth_b");
  destination_.exchanged().add(stale);
  auto before = destination_.exchangedRows();
  copyFrozen(5);
  commit(5);
  EXPECT_NE(destination_.exchangedRows(), before);
  destination_.restart();
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  turns(20);
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  EXPECT_EQ(destination_.exchangedRows(), before);
}

}  // namespace
}  // namespace vmmig::test

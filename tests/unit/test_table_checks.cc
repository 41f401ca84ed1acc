// SPDX-License-Identifier: GPL-2.0-or-later
// What every device demands of a row (TableInfo::check): that its values fit each other and the VM's addresses.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/digest.h"
#include "common/hex.h"
#include "mibs/acl_table.h"
#include "mibs/counter_table.h"
#include "mibs/element_name.h"
#include "mibs/registry.h"
#include "mibs/row_json.h"

namespace vmmig {
namespace {

using nlohmann::json;

const std::vector<InetAddress> addresses{*parseInetAddress("10.1.0.5"), *parseInetAddress("fd00::5")};
constexpr const char* vm = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

TEST(EntryName, IsTheMatchAsLongAsThatIsShort) {
  EXPECT_EQ(entryName("10.1.0.5 . 443"), "10.1.0.5 . 443");
  EXPECT_EQ(entryName(std::string(64, 'x')), std::string(64, 'x'));
}

TEST(EntryName, IsTheBeginningOfTheDigestOfALongerOne) {
  std::string match(65, 'x');
  Sha256 sha;
  sha.update(match);
  auto name = entryName(match);
  EXPECT_EQ(name.size(), 41U);
  EXPECT_EQ(name, "#" + toHex(sha.finish()).substr(0, 40));
  EXPECT_NE(name, entryName(std::string(66, 'x')));
}

TEST(MatchComponents, AreJoinedByAFullStopBetweenSpaces) {
  using Parts = std::vector<std::string_view>;
  EXPECT_EQ(matchComponents("10.1.0.5"), (Parts{"10.1.0.5"}));
  EXPECT_EQ(matchComponents("10.1.0.5 . 443 . tcp"), (Parts{"10.1.0.5", "443", "tcp"}));
  EXPECT_EQ(matchComponents(""), (Parts{""}));
  EXPECT_EQ(matchComponents(" . "), (Parts{"", ""}));
}

TEST(Concerns, WhatIsAnAddressOfTheVmOrARangeOfSuchAlone) {
  for (auto match :
       {"10.1.0.5", "fd00::5", "443 . 10.1.0.5", "10.1.0.5/32", "fd00::5/128", "10.1.0.5-10.1.0.5", "192.0.2.1 . fd00:0::5 . 80"})
    EXPECT_TRUE(concerns(match, addresses)) << match;
  std::vector more{*parseInetAddress("10.1.0.7"), *parseInetAddress("10.1.0.5"), *parseInetAddress("10.1.0.6"),
                   *parseInetAddress("255.255.255.255")};
  for (auto match : {"10.1.0.5-10.1.0.7", "10.1.0.6/31", "10.1.0.7/31", "10.1.0.6-10.1.0.7 . 443", "255.255.255.255/32"})
    EXPECT_TRUE(concerns(match, more)) << match;
}

TEST(Concerns, NoRangeThatIsOthersToo) {
  for (auto match : {"10.1.0.0/24", "0.0.0.0/0", "10.1.0.4/31", "fd00::/64", "::/0", "10.1.0.1-10.1.0.9", "10.1.0.5-10.1.0.6",
                     "fd00::1-fd00::ffff"})
    EXPECT_FALSE(concerns(match, addresses)) << match;
}

TEST(Concerns, NothingElse) {
  for (auto match : {"",
                     "443",
                     "10.1.0.6",
                     "10.1.0.50",
                     "10.1.0.5/33",
                     "10.1.0.5/",
                     "10.1.0.5/x",
                     "10.1.0.5/32x",
                     "10.1.0.6/32",
                     "fd00::5/0x80",
                     "10.1.0.6-10.1.0.9",
                     "10.1.0.9-10.1.0.1",
                     "10.1.0.5-fd00::5",
                     "10.1.0.5-",
                     "-",
                     "10.1.0.5.443",
                     "10.1.0.5. 443",
                     "fd00::5/129",
                     "10.1.0.5/32/3",
                     "10.1.0.5/-1",
                     "10.1.0.5/99999999999999999999"})
    EXPECT_FALSE(concerns(match, addresses)) << match;
  EXPECT_FALSE(concerns("10.1.0.5", {}));
  EXPECT_FALSE(concerns("0.0.0.0/0", std::vector{*parseInetAddress("fd00::5")}));
}

/// A row that fits, and what each change of it is answered with.
struct Case {
  std::string name;
  std::string table;
  json row;
  json change;
  SnmpStatus status = SnmpStatus::noError;
};

json acl() {
  return {{"vmMigVmUuid", vm},
          {"vmMigAclList", "auth"},
          {"vmMigAclEntryName", "10.1.0.5 . 443"},
          {"vmMigAclMatch", "10.1.0.5 . 443"}};
}
json head() {
  return {{"vmMigVmUuid", vm},
          {"vmMigCounterName", "syn"},
          {"vmMigCounterMember", ""},
          {"vmMigCounterKind", "halfOpen"},
          {"vmMigCounterThreshold", 5}};
}
json member() {
  return {{"vmMigVmUuid", vm},
          {"vmMigCounterName", "syn"},
          {"vmMigCounterMember", "10.1.0.5 . 40000"},
          {"vmMigCounterKind", "halfOpen"},
          {"vmMigCounterTimeout", 30},
          {"vmMigCounterLifetime", 60}};
}
json binding() {
  return {{"vmMigVmUuid", vm},
          {"vmMigDhcpBindingVlan", 0},
          {"vmMigDhcpBindingMac", "020000000005"},
          {"vmMigDhcpBindingAddressType", "ipv4"},
          {"vmMigDhcpBindingAddress", "10.1.0.5"},
          {"vmMigDhcpBindingPort", "vnet0"}};
}
json membership() {
  return {{"vmMigVmUuid", vm},
          {"vmMigMulticastVlan", 0},
          {"vmMigMulticastGroupType", "ipv4"},
          {"vmMigMulticastGroup", "239.1.2.3"},
          {"vmMigMulticastSourceType", "unknown"},
          {"vmMigMulticastSource", ""},
          {"vmMigMulticastPort", "vnet0"}};
}
json policy() {
  return {{"vmMigVmUuid", vm}, {"vmMigPolicyName", "web"}, {"vmMigPolicyPiece", 1}, {"vmMigPolicyText", "accept\n"}};
}
json expectation() {
  return {{"vmMigVmUuid", vm},
          {"vmMigExpectZone", 0},
          {"vmMigExpectProtocol", 6},
          {"vmMigExpectSourceAddressType", "ipv4"},
          {"vmMigExpectSourceAddress", "192.0.2.9"},
          {"vmMigExpectSourcePort", 0},
          {"vmMigExpectDestAddressType", "ipv4"},
          {"vmMigExpectDestAddress", "10.1.0.5"},
          {"vmMigExpectDestPort", 50000},
          {"vmMigExpectMasterSourceAddressType", "ipv4"},
          {"vmMigExpectMasterSourceAddress", "192.0.2.9"},
          {"vmMigExpectMasterSourcePort", 40000},
          {"vmMigExpectMasterDestAddressType", "ipv4"},
          {"vmMigExpectMasterDestAddress", "10.1.0.5"},
          {"vmMigExpectMasterDestPort", 21}};
}
json flow() {
  return {{"vmMigVmUuid", vm},
          {"vmMigFlowZone", 0},
          {"vmMigFlowProtocol", 17},
          {"vmMigFlowLocalAddressType", "ipv4"},
          {"vmMigFlowLocalAddress", "10.1.0.5"},
          {"vmMigFlowLocalPort", 5000},
          {"vmMigFlowRemAddressType", "ipv4"},
          {"vmMigFlowRemAddress", "192.0.2.9"},
          {"vmMigFlowRemPort", 53}};
}
json ping(std::string opener, int remPort) {
  auto row = flow();
  row.update({{"vmMigFlowProtocol", 1}, {"vmMigFlowRemPort", remPort}, {"vmMigFlowOpener", opener}});
  return row;
}
json ping6(std::string opener, int remPort) {
  auto row = ping(opener, remPort);
  row.update({{"vmMigFlowProtocol", 58},
              {"vmMigFlowLocalAddressType", "ipv6"},
              {"vmMigFlowLocalAddress", "fd00::5"},
              {"vmMigFlowRemAddressType", "ipv6"},
              {"vmMigFlowRemAddress", "2001:db8::9"}});
  return row;
}
json association() {
  auto row = flow();
  row.update(
      {{"vmMigFlowProtocol", 132}, {"vmMigFlowSctpState", "established"}, {"vmMigFlowLocalVtag", 1}, {"vmMigFlowRemVtag", 2}});
  return row;
}

void PrintTo(const Case& each, std::ostream* out) { *out << each.row.dump() << " with " << each.change.dump(); }

class TableCheck : public testing::TestWithParam<Case> {};

TEST_P(TableCheck, AnswersAsTheModuleSays) {
  const auto& [name, tableName, plain, change, status] = GetParam();
  const auto& table = *mib::table("vmMig" + tableName + "Table");
  ASSERT_NE(table.check, nullptr);
  auto object = plain;
  if (!change.is_null()) object.update(change);
  auto row = rowFromJson(table, object);
  ASSERT_TRUE(row) << row.error().text;
  auto checked = table.check(row->data(), addresses);
  EXPECT_EQ(checked ? SnmpStatus::noError : checked.error().status, status) << (checked ? "" : checked.error().text);
  if (!checked) EXPECT_NE(checked.error().text.find("vmMig"), std::string::npos) << checked.error().text;
  // A row that does not survive the device cannot say that it does.
  row->set(*table.column("vmMig" + tableName + "StorageType"), smi::Value::integer(static_cast<int>(StorageType::nonVolatile)));
  auto stored = table.check(row->data(), addresses);
  EXPECT_EQ(stored.error().status, checked ? SnmpStatus::wrongValue : status);
}

const std::string longMatch = "10.1.0.5 . " + std::string(80, 'x');
constexpr auto good = SnmpStatus::noError;
constexpr auto badName = SnmpStatus::inconsistentName;
constexpr auto badValue = SnmpStatus::inconsistentValue;

std::vector<Case> aclCases() {
  return {
      {"AclThatFits", "Acl", acl(), {}, good},
      {"AclWhoseNameIsTheMatch", "Acl", acl(), {{"vmMigAclMatch", ""}}, good},
      {"AclOfAnotherName", "Acl", acl(), {{"vmMigAclEntryName", "10.1.0.5"}}, badName},
      {"AclOfAnotherVm", "Acl", acl(), {{"vmMigAclEntryName", "10.1.0.6"}, {"vmMigAclMatch", "10.1.0.6"}}, badName},
      {"AclOfAPrefix", "Acl", acl(), {{"vmMigAclEntryName", "10.1.0.5/32"}, {"vmMigAclMatch", "10.1.0.5/32"}}, good},
      {"AclOfAPrefixOfOthers", "Acl", acl(), {{"vmMigAclEntryName", "10.1.0.0/24"}, {"vmMigAclMatch", "10.1.0.0/24"}}, badName},
      {"AclWithALongMatch", "Acl", acl(), {{"vmMigAclEntryName", entryName(longMatch)}, {"vmMigAclMatch", longMatch}}, good},
      {"AclWithAWrongDigest",
       "Acl",
       acl(),
       {{"vmMigAclEntryName", "#" + std::string(40, '0')}, {"vmMigAclMatch", longMatch}},
       badName},
      {"AclWithADigestAlone", "Acl", acl(), {{"vmMigAclEntryName", entryName(longMatch)}, {"vmMigAclMatch", ""}}, badValue},
      {"AclThatSaysNothing", "Acl", acl(), {{"vmMigAclAction", "other"}}, badValue},
      {"AclWithData", "Acl", acl(), {{"vmMigAclAction", "other"}, {"vmMigAclData", "accept"}}, good},
      {"AclWithTimeout", "Acl", acl(), {{"vmMigAclTimeout", 60}}, good},
      {"AclWithLifetime", "Acl", acl(), {{"vmMigAclLifetime", 60}}, good},
      {"AclThatOutlivesItsLife", "Acl", acl(), {{"vmMigAclTimeout", 61}, {"vmMigAclLifetime", 60}}, badValue},
  };
}

std::vector<Case> counterCases() {
  return {
      {"CounterThatFits", "Counter", head(), {}, good},
      {"CounterThatSaysItsMembersTypes", "Counter", head(), {{"vmMigCounterMatch", "ipv4_addr . inet_service"}}, good},
      {"CounterWithAMatch",
       "Counter",
       head(),
       {{"vmMigCounterKind", "element"}, {"vmMigCounterThreshold", 0}, {"vmMigCounterMatch", "10.1.0.5"}},
       badValue},
      {"CounterWithAnEnd", "Counter", head(), {{"vmMigCounterTimeout", 5}}, badValue},
      {"CounterThatSaysItsMembersLife", "Counter", head(), {{"vmMigCounterLifetime", 5}}, good},
      {"CounterWithALife", "Counter", head(), {{"vmMigCounterKind", "quota"}, {"vmMigCounterLifetime", 5}}, badValue},
      {"CounterWithAThreshold", "Counter", head(), {{"vmMigCounterKind", "counter"}}, badValue},
      {"CounterOfElementsWithAThreshold", "Counter", head(), {{"vmMigCounterKind", "element"}}, badValue},
      {"CounterThatIsAQuota", "Counter", head(), {{"vmMigCounterKind", "quota"}}, good},
      {"MemberThatFits", "Counter", member(), {}, good},
      {"MemberOfAQuota", "Counter", member(), {{"vmMigCounterKind", "quota"}}, badName},
      {"MemberWithAThreshold", "Counter", member(), {{"vmMigCounterThresholdHigh", 1}}, badValue},
      {"MemberOfAnotherVm", "Counter", member(), {{"vmMigCounterMember", "10.1.0.6"}}, badName},
      {"MemberOfAnotherName", "Counter", member(), {{"vmMigCounterMatch", "10.1.0.5"}}, badName},
      {"MemberThatOutlivesItsLife", "Counter", member(), {{"vmMigCounterTimeout", 61}}, badValue},
  };
}

std::vector<Case> switchCases() {
  return {
      {"BindingThatFits", "DhcpBinding", binding(), {}, good},
      {"BindingOfIpv6",
       "DhcpBinding",
       binding(),
       {{"vmMigDhcpBindingAddressType", "ipv6"}, {"vmMigDhcpBindingAddress", "fd00::5"}},
       good},
      {"BindingOfAnotherAddressOfItsMac", "DhcpBinding", binding(), {{"vmMigDhcpBindingAddress", "10.1.0.6"}}, good},
      {"BindingOfTwoFamilies", "DhcpBinding", binding(), {{"vmMigDhcpBindingAddressType", "ipv6"}}, badName},
      {"BindingOfNoAddress",
       "DhcpBinding",
       binding(),
       {{"vmMigDhcpBindingAddressType", "unknown"}, {"vmMigDhcpBindingAddress", ""}},
       badName},
      {"BindingOfAGroup", "DhcpBinding", binding(), {{"vmMigDhcpBindingMac", "01005e000001"}}, badName},
      {"BindingOfNoMac", "DhcpBinding", binding(), {{"vmMigDhcpBindingMac", "000000000000"}}, badName},
      {"BindingWithoutAPort", "DhcpBinding", binding(), {{"vmMigDhcpBindingPort", ""}}, badValue},
      {"GroupThatFits", "Multicast", membership(), {}, good},
      {"GroupOfIpv6", "Multicast", membership(), {{"vmMigMulticastGroupType", "ipv6"}, {"vmMigMulticastGroup", "ff0e::1"}}, good},
      {"GroupThatIsNone", "Multicast", membership(), {{"vmMigMulticastGroup", "223.255.255.255"}}, badName},
      {"GroupBehindTheLast", "Multicast", membership(), {{"vmMigMulticastGroup", "240.0.0.0"}}, badName},
      {"GroupOfIpv6ThatIsNone",
       "Multicast",
       membership(),
       {{"vmMigMulticastGroupType", "ipv6"}, {"vmMigMulticastGroup", "fe80::1"}},
       badName},
      {"GroupOfTwoFamilies", "Multicast", membership(), {{"vmMigMulticastGroupType", "ipv6"}}, badName},
      {"GroupWithASource",
       "Multicast",
       membership(),
       {{"vmMigMulticastSourceType", "ipv4"}, {"vmMigMulticastSource", "192.0.2.1"}},
       good},
      {"GroupWithASourceOfNoType", "Multicast", membership(), {{"vmMigMulticastSource", "192.0.2.1"}}, badName},
      {"GroupWithASourceOfIpv6",
       "Multicast",
       membership(),
       {{"vmMigMulticastSourceType", "ipv6"}, {"vmMigMulticastSource", "fd00::1"}},
       badName},
      {"GroupWithAGroupAsSource",
       "Multicast",
       membership(),
       {{"vmMigMulticastSourceType", "ipv4"}, {"vmMigMulticastSource", "239.1.2.4"}},
       badName},
      {"GroupWithNobodyAsSource",
       "Multicast",
       membership(),
       {{"vmMigMulticastSourceType", "ipv4"}, {"vmMigMulticastSource", "0.0.0.0"}},
       badName},
      {"GroupWithoutAPort", "Multicast", membership(), {{"vmMigMulticastPort", ""}}, badValue},
      {"PolicyThatFits", "Policy", policy(), {}, good},
      {"PolicyOfTwoPieces", "Policy", policy(), {{"vmMigPolicyPiece", 2}, {"vmMigPolicyPieces", 2}}, good},
      {"PolicyBeyondItsPieces", "Policy", policy(), {{"vmMigPolicyPiece", 3}, {"vmMigPolicyPieces", 2}}, badName},
  };
}

std::vector<Case> connectionCases() {
  const json unset{{"vmMigExpectMasterSourceAddressType", "unknown"}, {"vmMigExpectMasterSourceAddress", ""}};
  const json others{{"vmMigExpectDestAddress", "192.0.2.8"}, {"vmMigExpectMasterDestAddress", "192.0.2.8"}};
  auto translated = others;
  translated.update({{"vmMigExpectNatAddressType", "ipv4"}, {"vmMigExpectNatAddress", "10.1.0.5"}});
  return {
      {"ExpectThatFits", "Expect", expectation(), {}, good},
      {"ExpectOfAnotherVm", "Expect", expectation(), others, badName},
      {"ExpectBehindATranslation", "Expect", expectation(), translated, good},
      {"ExpectOfTwoFamilies",
       "Expect",
       expectation(),
       {{"vmMigExpectDestAddressType", "ipv6"}, {"vmMigExpectDestAddress", "fd00::5"}},
       badName},
      {"ExpectFromNobody",
       "Expect",
       expectation(),
       {{"vmMigExpectSourceAddressType", "unknown"}, {"vmMigExpectSourceAddress", ""}},
       badName},
      {"ExpectWithoutAMaster", "Expect", expectation(), unset, badValue},
      {"ExpectWithHalfATranslation", "Expect", expectation(), {{"vmMigExpectNatPort", 5}}, badValue},
      {"ExpectTranslatedToIpv6",
       "Expect",
       expectation(),
       {{"vmMigExpectNatAddressType", "ipv6"}, {"vmMigExpectNatAddress", "fd00::5"}},
       badValue},
      {"FlowThatFits", "Flow", flow(), {}, good},
      {"FlowOfTcp", "Flow", flow(), {{"vmMigFlowProtocol", 6}}, badName},
      {"FlowOfAnotherVm", "Flow", flow(), {{"vmMigFlowLocalAddress", "10.1.0.6"}}, badName},
      {"FlowOfTwoFamilies", "Flow", flow(), {{"vmMigFlowRemAddressType", "ipv6"}, {"vmMigFlowRemAddress", "fd00::9"}}, badName},
      {"FlowWithNobody", "Flow", flow(), {{"vmMigFlowRemAddressType", "unknown"}, {"vmMigFlowRemAddress", ""}}, badName},
      {"FlowOfEsp", "Flow", flow(), {{"vmMigFlowProtocol", 50}, {"vmMigFlowLocalPort", 0}, {"vmMigFlowRemPort", 0}}, good},
      {"FlowOfEspWithPorts", "Flow", flow(), {{"vmMigFlowProtocol", 50}}, badName},
      {"FlowTranslated",
       "Flow",
       flow(),
       {{"vmMigFlowNatLocalAddressType", "ipv4"}, {"vmMigFlowNatLocalAddress", "198.51.100.1"}, {"vmMigFlowNatLocalPort", 1}},
       good},
      {"FlowWithHalfATranslation", "Flow", flow(), {{"vmMigFlowNatRemPort", 5}}, badValue},
      {"FlowTranslatedToIpv6",
       "Flow",
       flow(),
       {{"vmMigFlowNatRemAddressType", "ipv6"}, {"vmMigFlowNatRemAddress", "fd00::9"}},
       badValue},
      {"FlowWithAState", "Flow", flow(), {{"vmMigFlowSctpState", "closed"}}, badValue},
      {"FlowWithATag", "Flow", flow(), {{"vmMigFlowRemVtag", 1}}, badValue},
      {"PingByTheVm", "Flow", ping("local", 2048), {}, good},
      {"PingOfTheVm", "Flow", ping("remote", 0), {}, good},
      {"PingThatIsNoRequest", "Flow", ping("local", 0), {}, badValue},
      {"PingThatIsNoReply", "Flow", ping("remote", 2048), {}, badValue},
      {"PingOfIpv6InIpv4", "Flow", ping("local", 2048), {{"vmMigFlowProtocol", 58}}, badName},
      {"Ping6ByTheVm", "Flow", ping6("local", 32768), {}, good},
      {"Ping6OfTheVm", "Flow", ping6("remote", 33024), {}, good},
      {"Ping6ThatIsAnError", "Flow", ping6("local", 256), {}, badValue},
      {"PingOfIpv4InIpv6", "Flow", ping6("local", 2048), {{"vmMigFlowProtocol", 1}}, badName},
      {"SctpThatFits", "Flow", association(), {}, good},
      {"SctpWithoutAState", "Flow", association(), {{"vmMigFlowSctpState", "none"}}, badValue},
  };
}

std::vector<Case> allCases() {
  std::vector<Case> all;
  for (const auto& some : {aclCases(), counterCases(), switchCases(), connectionCases()})
    all.insert(all.end(), some.begin(), some.end());
  return all;
}

INSTANTIATE_TEST_SUITE_P(Mib, TableCheck, testing::ValuesIn(allCases()), [](const auto& info) { return info.param.name; });

TEST(Completed, AMatchThatIsLeftOutIsTheName) {
  AclRow row;
  row.entry.value = "10.1.0.5";
  EXPECT_EQ(completed(row).match.value, "10.1.0.5");
  row.match.value = "something else";
  EXPECT_EQ(completed(row).match.value, "something else");
  CounterRow counter;
  EXPECT_EQ(completed(counter).match.value, "");
}

TEST(Completed, OfTimeoutAndLifetimeTheOneWithAnEndStandsForBoth) {
  AclRow row;
  EXPECT_EQ(completed(row).timeout, forEver);
  EXPECT_EQ(completed(row).lifetime, forEver);
  row.timeout = 5;
  EXPECT_EQ(completed(row).lifetime, 5U);
  row.timeout = forEver;
  row.lifetime = 7;
  EXPECT_EQ(completed(row).timeout, 7U);
  row.timeout = 3;
  EXPECT_EQ(completed(row).timeout, 3U);
  EXPECT_EQ(completed(row).lifetime, 7U);
}

}  // namespace
}  // namespace vmmig

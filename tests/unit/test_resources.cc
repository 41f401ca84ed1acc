// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmmig {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class Add>
void expectRefused(Add add, const std::string& line, const std::string& why) {
  Resources resources;
  auto status = add(resources, line);
  ASSERT_FALSE(status) << line;
  EXPECT_THAT(status.error().text, HasSubstr(why));
  EXPECT_THAT(status.error().text, HasSubstr("it must be")) << "what to do";
}

TEST(Resources, ReplaceThePlaceholderByWhatNftTakes) {
  NftName name{"inet", "fw", "vm_{vm}_in"};
  EXPECT_TRUE(name.isPerVm());
  EXPECT_EQ(name.text("web1"), "inet fw vm_web1_in");
  EXPECT_EQ(name.nameFor("a b;\"x"), "vm_a_b__x_in");
  EXPECT_EQ(name.nameFor("{vm}"), "vm__vm__in") << "the name is not looked at again";
  EXPECT_FALSE((NftName{"ip", "t", "all"}.isPerVm()));
}

TEST(Resources, ReadAnAcl) {
  Resources resources;
  ASSERT_TRUE(addAcl(resources, " authenticated , inet fw auth , permit "));
  ASSERT_EQ(resources.acls.size(), 1u);
  EXPECT_EQ(resources.acls[0].name, "authenticated");
  EXPECT_EQ(resources.acls[0].set.text(""), "inet fw auth");
  EXPECT_EQ(resources.acls[0].action, AclAction::permit);
  auto again = addAcl(resources, "authenticated,inet fw other,deny");
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().text, HasSubstr("is taken"));
}

TEST(Resources, RefuseABadAcl) {
  expectRefused(addAcl, "", "three parts");
  expectRefused(addAcl, "a,inet fw s", "three parts");
  expectRefused(addAcl, ",inet fw s,permit", "1 to 32 octets");
  expectRefused(addAcl, std::string(33, 'x') + ",inet fw s,permit", "1 to 32 octets");
  expectRefused(addAcl, "a,inet fw,permit", "three words");
  expectRefused(addAcl, "a,inet6 fw s,permit", "no family");
  expectRefused(addAcl, "a,inet fw s;flush,permit", "no name that nftables takes");
  expectRefused(addAcl, "a,inet fw 5s,permit", "no name that nftables takes");
  expectRefused(addAcl, "a,inet fw s,allow", "not what a list does");
}

TEST(Resources, ReadCounters) {
  Resources resources;
  ASSERT_TRUE(addCounter(resources, "halfopen,halfOpen,inet fw ho_{vm}"));
  ASSERT_TRUE(addCounter(resources, "traffic,element,inet fw traffic"));
  EXPECT_EQ(resources.counters[0].kind, CounterKind::halfOpen);
  EXPECT_EQ(resources.counters[0].object.text("vm9"), "inet fw ho_vm9");
  EXPECT_EQ(resources.counters[1].kind, CounterKind::element);
  expectRefused(addCounter, "q,quota,inet fw q", "{vm}");
  expectRefused(addCounter, "q,limit,inet fw q_{vm}", "no kind of counter");
  expectRefused(addCounter, "q,quota,inet fw q_{vm}{vm}", "no name that nftables takes");
}

TEST(Resources, ReadPolicies) {
  Resources resources;
  ASSERT_TRUE(addPolicy(resources, "filter,acl,inet fw vm_{vm},dispatch4 dispatch6"));
  ASSERT_TRUE(addPolicy(resources, "shaping,qos"));
  EXPECT_EQ(resources.policies[0].chain.text("w"), "inet fw vm_w");
  EXPECT_THAT(resources.policies[0].maps, ElementsAre("dispatch4", "dispatch6"));
  EXPECT_EQ(resources.policies[1].kind, PolicyKind::qos);
  expectRefused(addPolicy, "filter", "a part is missing");
  expectRefused(addPolicy, "filter,acl,inet fw vm_{vm}", "a part is missing");
  expectRefused(addPolicy, "filter,acl,inet fw vm,map", "{vm}");
  expectRefused(addPolicy, "filter,acl,inet fw vm_{vm},", "a part is missing");
  expectRefused(addPolicy, "filter,acl,inet fw vm_{vm},a;b", "no list of maps");
  expectRefused(addPolicy, "shaping,qos,eth0", "one too many");
  expectRefused(addPolicy, "shaping,tc", "no kind of policy");
}

TEST(Resources, ReadBridges) {
  Resources resources;
  ASSERT_TRUE(addDhcpSnooping(resources, "br0,uplink core"));
  EXPECT_EQ(resources.dhcpSnooping[0].bridge, "br0");
  EXPECT_THAT(resources.dhcpSnooping[0].trustedPorts, ElementsAre("uplink", "core"));
  EXPECT_FALSE(resources.dhcpSnooping[0].guard6);
  EXPECT_FALSE(addDhcpSnooping(resources, "br0,other"));
  ASSERT_TRUE(addDhcpSnooping(resources, "br1,uplink,guard6"));
  EXPECT_TRUE(resources.dhcpSnooping[1].guard6);
  expectRefused(addDhcpSnooping, "br2,uplink,core", "guard6");
  expectRefused(addDhcpSnooping, "br0", "two parts");
  expectRefused(addDhcpSnooping, "br0,a/b", "no list of interfaces");
  expectRefused(addDhcpSnooping, "a-name-that-is-too-long,p", "no interface's name");
  ASSERT_TRUE(addMulticast(resources, " br0 "));
  ASSERT_TRUE(addMulticast(resources, "br0"));
  EXPECT_THAT(resources.multicastBridges, ElementsAre("br0"));
  expectRefused(addMulticast, "", "no interface's name");
}

TEST(Resources, ReadNameRules) {
  Resources resources;
  ASSERT_TRUE(addNameRule(resources, "port,tap*-b,tap*"));
  ASSERT_TRUE(addNameRule(resources, "zone,7,5"));
  EXPECT_EQ(resources.names[0].names, Names::port);
  EXPECT_EQ(resources.names[0].local, "tap*-b");
  EXPECT_EQ(resources.names[0].common, "tap*");
  EXPECT_EQ(resources.names[1].names, Names::zone);
  expectRefused(addNameRule, "port,a", "three parts");
  expectRefused(addNameRule, "port,,b", "three parts");
  expectRefused(addNameRule, "vlan,1,2", "no kind of name");
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigMulticastTable on bridges of a network namespace of its own.
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "tests/unit/multicast_switch.h"

namespace vmmig {
namespace {

using LinuxMulticastTableTest = MulticastSwitch;

using Told = std::vector<std::string>;

TEST_F(LinuxMulticastTableTest, ShowsWhatTheVmsPortHasJoined) {
  join("port p0 grp 239.1.1.1 temp");
  join("port p0 grp 239.1.1.2 permanent");
  join("port p0 grp 232.1.1.3 src 10.0.0.9 temp");
  join("port p0 grp ff15::1 temp");
  join("port p0 grp ff02::1:ff00:5 temp");
  join("port p1 grp 239.1.1.4 temp");
  EXPECT_EQ(told(vm), (Told{"232.1.1.3 10.0.0.9 include p0", "239.1.1.1 - p0", "239.1.1.2 - permanent p0", "ff02::1:ff00:5 - p0",
                            "ff15::1 - p0"}));
  auto timeout = rows(vm)[1].as<MulticastRow>().timeout;
  EXPECT_GT(timeout, 250u);
  EXPECT_LE(timeout, 260u);
}

TEST_F(LinuxMulticastTableTest, LeavesOutWhatIsNotTheVms) {
  join("port p0 grp ff02::6a temp");
  join("port p0 grp ff01::5 temp");
  join("port p0 grp 01:11:22:33:44:55 permanent");
  EXPECT_EQ(told(vm), Told{});
}

TEST_F(LinuxMulticastTableTest, EveryKindOfRowIsMadeAsItWasRead) {
  auto configured = [](auto r) {
    r.permanent = true;
    return r;
  };
  make(vm,
       {row("232.1.1.3", "10.0.0.8", FilterMode::include), row("232.1.1.3", "10.0.0.9", FilterMode::include), row("239.1.1.1"),
        configured(row("239.1.1.2")), row("239.1.1.5"), row("239.1.1.5", "10.0.0.8"), row("239.1.1.5", "10.0.0.9"),
        row("ff15::1"), row("ff15::1", "2001:db8::9"), row("ff35::2", "2001:db8::9", FilterMode::include)});
  const Told expected{"232.1.1.3 10.0.0.8 include p0",
                      "232.1.1.3 10.0.0.9 include p0",
                      "239.1.1.1 - p0",
                      "239.1.1.2 - permanent p0",
                      "239.1.1.5 - p0",
                      "239.1.1.5 10.0.0.8 p0",
                      "239.1.1.5 10.0.0.9 p0",
                      "ff15::1 - p0",
                      "ff15::1 2001:db8::9 p0",
                      "ff35::2 2001:db8::9 include p0"};
  EXPECT_EQ(told(vm), expected);
  // And again in another place, from what was read.
  auto read = rows(vm);
  auto removed = table->remove(vm, read);
  ASSERT_FALSE(removed.error) << removed.error->text;
  EXPECT_EQ(mdb(), "");
  auto created = table->create(vm, read);
  ASSERT_FALSE(created.error) << created.error->text;
  EXPECT_EQ(told(vm), expected);
  EXPECT_NE(mdb().find("grp 239.1.1.5 src 10.0.0.8"), std::string::npos) << mdb();
  EXPECT_NE(mdb().find("blocked"), std::string::npos) << mdb();
}

TEST_F(LinuxMulticastTableTest, OneSourceGoesAndTheOthersStay) {
  make(vm, {row("232.1.1.3", "10.0.0.8", FilterMode::include), row("232.1.1.3", "10.0.0.9", FilterMode::include),
            row("239.1.1.5"), row("239.1.1.5", "10.0.0.9")});
  std::vector<AnyRow> gone{row("232.1.1.3", "10.0.0.8"), row("239.1.1.5", "10.0.0.9")};
  ASSERT_FALSE(table->remove(vm, gone).error);
  EXPECT_EQ(told(vm), (Told{"232.1.1.3 10.0.0.9 include p0", "239.1.1.5 - p0"}));
  ASSERT_FALSE(table->remove(vm, gone).error) << "what is gone already is no error";
}

TEST_F(LinuxMulticastTableTest, FindsThePortByTheVmsMac) {
  join("port p1 grp 239.1.1.4 temp");
  Vm seen = as(VmPresence::here);
  seen.macAddresses = {std::string{"\x02\0\0\0\0\x05", 6}};
  EXPECT_EQ(told(seen), Told{}) << "not seen anywhere yet";
  learn("p1", "02:00:00:00:00:05");
  EXPECT_EQ(told(seen), Told{"239.1.1.4 - p1"});
}

TEST_F(LinuxMulticastTableTest, AtTheDestinationOnlyWhatWasMadeForTheVmIsTheVms) {
  join("port p0 grp 239.9.9.9 temp");
  auto arriving = as(VmPresence::arriving);
  EXPECT_EQ(told(arriving), Told{});
  make(arriving, {row("239.1.1.1"), row("239.9.9.9")});
  EXPECT_EQ(told(arriving), (Told{"239.1.1.1 - p0", "239.9.9.9 - p0"}));
  auto result = table->create(arriving, std::vector<AnyRow>{row("239.1.1.1")});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->status, SnmpStatus::inconsistentName);
  // Taken back: what had been there for others stays.
  ASSERT_FALSE(table->remove(arriving, rows(arriving)).error);
  EXPECT_EQ(told(vm), Told{"239.9.9.9 - p0"});
  EXPECT_EQ(told(arriving), Told{});
}

TEST_F(LinuxMulticastTableTest, AnotherVmsExclusionDoesNotBlockAnInclusion) {
  make(vm, {row("239.1.1.5"), row("239.1.1.5", "10.0.0.9")});
  Vm second = as(VmPresence::arriving);
  second.uuid.octets[0] ^= 1;
  auto wanted = row("239.1.1.5", "10.0.0.9", FilterMode::include);
  wanted.uuid = second.uuid;
  make(second, {wanted});
  EXPECT_EQ(told(second), Told{"239.1.1.5 10.0.0.9 include p0"});
  EXPECT_EQ(told(vm), Told{"239.1.1.5 - p0"}) << "the port forwards the source now";
}

TEST_F(LinuxMulticastTableTest, WhatOthersBehindThePortMayNeedStays) {
  join("port p0 grp 239.1.1.1 temp");
  vm.macAddresses = {std::string{"\x02\0\0\0\0\x05", 6}};
  learn("p0", "02:00:00:00:00:05");
  learn("p0", "02:00:00:00:00:06");
  vm.presence = VmPresence::left;
  ASSERT_FALSE(table->remove(vm, rows(vm)).error);
  EXPECT_EQ(told(vm), Told{"239.1.1.1 - p0"});
  space.run("bridge fdb del 02:00:00:00:00:06 dev p0 master");
  ASSERT_FALSE(table->remove(vm, rows(vm)).error);
  EXPECT_EQ(told(vm), Told{});
}

TEST_F(LinuxMulticastTableTest, AVmThatLeavesFromAPortThatIsNotHereIsRefused) {
  std::vector<AnyRow> read;
  auto result = table->read(as(VmPresence::leaving, "vm-port"))->next(read);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text.find("map = port,LOCAL,vm-port"), std::string::npos) << result.error().text;
  // Its interface went with it, and with that the memberships.
  EXPECT_EQ(told(as(VmPresence::left, "vm-port")), Told{});
  EXPECT_EQ(told(as(VmPresence::here, "vm-port")), Told{});
  EXPECT_EQ(told(as(VmPresence::leaving, "q0")), Told{}) << "a port of a bridge that is not ours";
}

TEST_F(LinuxMulticastTableTest, RefusesWhatTheBridgeCannotDo) {
  auto refusal = [this](const MulticastRow& r) {
    auto status = table->check(as(VmPresence::arriving), r);
    return status ? "" : status.error().text;
  };
  auto at = [](auto r, const std::string& port) {
    r.port.value = port;
    return r;
  };
  EXPECT_EQ(refusal(row("239.1.1.1")), "");
  EXPECT_NE(refusal(at(row("239.1.1.1"), "nowhere")).find("map = port,LOCAL,nowhere"), std::string::npos);
  EXPECT_NE(refusal(at(row("239.1.1.1"), "q0")).find("interface q0 is no port of br0"), std::string::npos);
  EXPECT_NE(refusal(row("239.1.1.1", "", FilterMode::include)).find("each source"), std::string::npos);
  auto vlan = row("239.1.1.1");
  vlan.vlan.value = 7;
  EXPECT_NE(refusal(vlan).find("vlan_filtering"), std::string::npos);
  space.run("ip link set br0 type bridge mcast_igmp_version 2 mcast_mld_version 1");
  EXPECT_NE(refusal(row("239.1.1.1", "10.0.0.9")).find("mcast_igmp_version 3"), std::string::npos);
  EXPECT_NE(refusal(row("ff15::1", "2001:db8::9")).find("mcast_mld_version 2"), std::string::npos);
  EXPECT_EQ(refusal(row("239.1.1.1")), "");
  space.run("ip link set br0 type bridge mcast_snooping 0");
  EXPECT_NE(refusal(row("239.1.1.1")).find("mcast_snooping 1"), std::string::npos);
  vm.port = "p1";
  EXPECT_FALSE(table->check(vm, row("239.1.1.1"))) << "the VM is at another port";
}

TEST_F(LinuxMulticastTableTest, AnExclusionNeedsItsGroup) {
  auto result = table->create(vm, std::vector<AnyRow>{row("239.1.1.5", "10.0.0.9")});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->status, SnmpStatus::inconsistentValue);
  EXPECT_EQ(told(vm), Told{});
}

TEST_F(LinuxMulticastTableTest, TheLimitsOfTheBridgeAreToldAndNothingElseSuffers) {
  space.run("ip link set br0 type bridge mcast_hash_max 2");
  make(vm, {row("239.1.1.1"), row("239.1.1.2")});
  auto result = table->create(vm, std::vector<AnyRow>{row("239.1.1.3")});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->status, SnmpStatus::resourceUnavailable);
  EXPECT_NE(result.error->text.find("mcast_hash_max"), std::string::npos) << result.error->text;
  EXPECT_TRUE(table->create(vm, std::vector<AnyRow>{row("239.1.1.2", "10.0.0.9")}).error) << "its source is one more";
  EXPECT_NE(outputOf("ip -d link show br0").find("mcast_snooping 1"), std::string::npos) << "the kernel has turned it off";
}

TEST_F(LinuxMulticastTableTest, TheLimitOfAPortIsToldInTheKernelsWords) {
  auto netlink = RtNetlink::open().value();
  RtRequest request{RTM_SETLINK, 0};
  auto& header = request.header<ifinfomsg>();
  header.ifi_family = AF_BRIDGE;
  header.ifi_index = static_cast<int>(findLink(netlink, "p0").value().index);
  auto* port = request.nest(IFLA_PROTINFO);
  request.put(IFLA_BRPORT_LOCKED + 3, std::uint32_t{1});  // IFLA_BRPORT_MCAST_MAX_GROUPS, which Debian 12's headers lack
  request.end(port);
  auto status = netlink.run(request);
  ASSERT_TRUE(status) << status.error().text;
  make(vm, {row("239.1.1.1")});
  auto result = table->create(vm, std::vector<AnyRow>{row("239.1.1.2"), row("239.1.1.3")});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.done, 0u);
  EXPECT_EQ(result.error->status, SnmpStatus::resourceUnavailable);
  EXPECT_NE(result.error->text.find("mcast_max_groups=1"), std::string::npos) << result.error->text;
  EXPECT_EQ(told(vm), Told{"239.1.1.1 - p0"});
}

// Not every kernel filters VLANs, but each keeps their groups apart.
TEST_F(LinuxMulticastTableTest, AVlanBelongsToTheRow) {
  join("port p0 grp 239.1.1.1 vid 7 temp");
  join("port p0 grp 239.1.1.1 temp");
  EXPECT_EQ(told(vm), (Told{"239.1.1.1 - p0", "239.1.1.1 - vlan 7 p0"}));
  auto tagged = row("239.1.1.1");
  tagged.vlan.value = 7;
  ASSERT_FALSE(table->remove(vm, std::vector<AnyRow>{tagged}).error);
  EXPECT_EQ(told(vm), Told{"239.1.1.1 - p0"});
  auto netlink = RtNetlink::open().value();
  MdbKey key{findLink(netlink, "p0").value().index, 9, tagged.group};
  ASSERT_TRUE(writeMembership(netlink, findLink(netlink, "br0").value().index, key, {.isExclude = true, .sources = {}}));
  EXPECT_EQ(told(vm), (Told{"239.1.1.1 - p0", "239.1.1.1 - vlan 9 p0"}));
}

TEST_F(LinuxMulticastTableTest, AChangedRowIsMadeAnew) {
  make(vm, {row("239.1.1.1")});
  auto changed = row("239.1.1.1");
  changed.permanent = true;
  ASSERT_TRUE(table->replace(vm, changed));
  EXPECT_EQ(told(vm), Told{"239.1.1.1 - permanent p0"});
  auto missing = table->replace(vm, row("239.1.1.2"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().status, SnmpStatus::inconsistentName);
}

TEST_F(LinuxMulticastTableTest, FindsARowAndOnlyThat) {
  join("port p0 grp 239.1.1.1 temp");
  auto found = table->find(vm, row("239.1.1.1"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->as<MulticastRow>().port.value, "p0");
  EXPECT_FALSE(*table->find(vm, row("239.1.1.2")));
}

TEST_F(LinuxMulticastTableTest, ChecksNameWhatIsMissing) {
  LinuxMulticastTable several{{"br0", "br1", "br2", "p0"}};
  auto found = several.checks();
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].health, Health::up);
  for (int i : {1, 2, 3}) EXPECT_EQ(found[i].health, Health::degraded);
  EXPECT_EQ(found[1].remedy.value, "ip link set br1 type bridge mcast_snooping 1");
  EXPECT_NE(found[3].text.value.find("no bridge"), std::string::npos);
}

TEST_F(LinuxMulticastTableTest, ManyGroupsAreReadAndMadeInOneGo) {
  std::vector<MulticastRow> many;
  for (int i = 0; i < 2000; ++i) many.push_back(row("239.2." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1)));
  make(vm, many);
  EXPECT_EQ(rows(vm).size(), many.size());
}

}  // namespace
}  // namespace vmmig

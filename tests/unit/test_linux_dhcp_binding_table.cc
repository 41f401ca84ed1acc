// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP snooping, the source guard, and their table, on a real bridge.

#include "subagent/linux_dhcp_binding_table.h"

#include <gtest/gtest.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <filesystem>

#include "subagent/linux_back_end.h"
#include "tests/unit/dhcp_switch.h"

namespace vmmig {
namespace {

// --- the guard

TEST_F(DhcpSwitch, WithoutABindingNothingPassesButWhatItTakesToGetOne) {
  EXPECT_TRUE(passes("vm1", ip(macOf(5), "10.1.0.5"))) << "without a guard";
  start();
  EXPECT_FALSE(passes("vm1", ip(macOf(5), "10.1.0.5")));
  EXPECT_FALSE(passes("vm1", arp(macOf(5), "10.1.0.5")));
  EXPECT_FALSE(passes("vm1", ip(macOf(5), "0.0.0.0")));
  EXPECT_TRUE(passes("vm1", DhcpFrame{}.text()));
  EXPECT_TRUE(passes("vm1", DhcpFrame{.ciaddr = "10.1.0.5"}.text())) << "a renewal";
  EXPECT_TRUE(passes("vm1", Dhcp6Frame{}.text()));
  EXPECT_TRUE(passes("vm1", arp(macOf(5), "0.0.0.0"))) << "a probe, RFC 5227";
  EXPECT_TRUE(passes("vm1", other(99, 0x8035))) << "RARP announces a VM";
  EXPECT_TRUE(passes("core", ip(serverMac, "10.1.0.1"), "vm1")) << "of a trusted port";
}

TEST_F(DhcpSwitch, WhoHasABindingKeepsToIt) {
  start();
  ASSERT_FALSE(create(row()).error);
  EXPECT_TRUE(passes("vm1", ip(macOf(5), "10.1.0.5")));
  EXPECT_TRUE(passes("vm1", arp(macOf(5), "10.1.0.5")));
  EXPECT_FALSE(passes("vm1", ip(macOf(5), "10.1.0.6"))) << "another address";
  EXPECT_FALSE(passes("vm1", arp(macOf(5), "10.1.0.6")));
  EXPECT_FALSE(passes("vm1", ip(macOf(6), "10.1.0.5"))) << "another MAC";
  EXPECT_FALSE(passes("vm1", arp(macOf(6), "10.1.0.5")));
  EXPECT_FALSE(passes("vm1", arp(macOf(6), "10.1.0.5", macOf(5)))) << "the sender's MAC is not the frame's";
  EXPECT_FALSE(passes("vm1", arp(macOf(5), "10.1.0.5", macOf(6))));
  EXPECT_FALSE(passes("vm2", ip(macOf(5), "10.1.0.5"))) << "another port";
  EXPECT_FALSE(passes("vm2", arp(macOf(5), "10.1.0.5")));
}

TEST_F(DhcpSwitch, NoTagHidesAnAddress) {
  start();
  ASSERT_FALSE(create(row()).error);
  for (std::uint16_t vlan : {0, 7}) {
    EXPECT_TRUE(passesTagged(vlan, ip(macOf(5), "10.1.0.5")));
    EXPECT_TRUE(passesTagged(vlan, arp(macOf(5), "10.1.0.5")));
    EXPECT_TRUE(passesTagged(vlan, arp(macOf(5), "0.0.0.0")));
    EXPECT_TRUE(passesTagged(vlan, DhcpFrame{}.text()));
    EXPECT_FALSE(passesTagged(vlan, ip(macOf(5), "10.1.0.6")));
    EXPECT_FALSE(passesTagged(vlan, arp(macOf(5), "10.1.0.6")));
    EXPECT_FALSE(passesTagged(vlan, DhcpFrame{.type = test::offer}.text()));
    EXPECT_FALSE(passesTagged(vlan, tagged(ip(macOf(5), "10.1.0.5"), 8))) << "what is behind a second one nobody can see";
  }
}

TEST_F(DhcpSwitch, ServersAtUntrustedPortsAreDropped) {
  start();
  DhcpFrame ack{.type = test::ack, .yiaddr = "10.1.0.5", .leaseTime = 60};
  EXPECT_FALSE(passes("vm2", ack.text(), "vm1"));
  EXPECT_FALSE(passes("vm2", Dhcp6Frame{.type = test::reply6}.text(), "vm1"));
  EXPECT_TRUE(passes("core", ack.text(), "vm1"));
}

TEST_F(DhcpSwitch, Ipv6NeedsABindingOnlyWhereTheOperatorSaysSo) {
  start();
  EXPECT_TRUE(passes("vm1", ip6(macOf(5), "2001:db8::5"))) << "of a host that made its address itself";
  start(true);
  EXPECT_FALSE(passes("vm1", ip6(macOf(5), "2001:db8::5")));
  EXPECT_TRUE(passes("vm1", ip6(macOf(5), "fe80::5")));
  EXPECT_TRUE(passes("vm1", ip6(macOf(5), "::")));
  ASSERT_FALSE(create(row("2001:db8::5")).error);
  EXPECT_TRUE(passes("vm1", ip6(macOf(5), "2001:db8::5")));
  EXPECT_FALSE(passes("vm1", ip6(macOf(5), "2001:db8::6")));
}

TEST_F(DhcpSwitch, PortsThatComeLaterAreGuardedAndOtherBridgesAreNot) {
  switch_.run("ip link add br1 type bridge forward_delay 0 mcast_snooping 0 && ip link set br1 up");
  for (const std::string port : {"x1", "x2"}) plug(port, "br1");
  start();
  EXPECT_TRUE(passes("x1", ip(macOf(5), "10.1.0.5"), "x2"));
  plug("vm3");
  EXPECT_FALSE(passes("vm3", ip(macOf(5), "10.1.0.5"))) << "at once, before anyone has heard of it";
  plug("x3", "br1");
  ASSERT_TRUE(turnUntil([&] { return outputOf("nft list set bridge vmmig exempt").find("x3") != std::string::npos; }));
  EXPECT_TRUE(passes("x3", ip(macOf(5), "10.1.0.5"), "x2"));
  lease("vm3", "10.1.0.5");
  EXPECT_TRUE(turnUntil([&] { return hasBinding("10.1.0.5", "vm3"); })) << "and its clients are heard";
}

// --- the snooper

TEST_F(DhcpSwitch, AnAckMakesABindingThatTheClientCanUse) {
  start();
  lease("vm1", "10.1.0.5");
  ASSERT_TRUE(turnUntil([&] { return hasBinding("10.1.0.5", "vm1"); }));
  ASSERT_EQ(rows().size(), 1u);
  auto learned = rows()[0];
  EXPECT_EQ(learned.port.value, "vm1");
  EXPECT_EQ(learned.macAddress.value, macOf(5));
  EXPECT_EQ(learned.vlan.value, 0u);
  EXPECT_LE(learned.leaseTime, 3600u);
  EXPECT_GE(learned.leaseTime, 3598u);
  EXPECT_TRUE(passes("vm1", ip(macOf(5), "10.1.0.5")));

  lease("vm1", "10.1.0.5", macOf(5), 2, 7200);
  EXPECT_TRUE(turnUntil([&] { return rows().size() == 1 && rows()[0].leaseTime > 3600; })) << "renewed";
  lease("vm1", "10.1.0.5", macOf(5), 3, 0xffffffff);
  EXPECT_TRUE(turnUntil([&] { return rows().size() == 1 && rows()[0].leaseTime == forEver; }));
}

TEST_F(DhcpSwitch, TheAddressOfAClientThatMovedOrAnotherOneHasIsAtOnePortOnly) {
  start();
  lease("vm1", "10.1.0.5");
  ASSERT_TRUE(turnUntil([&] { return hasBinding("10.1.0.5", "vm1"); }));
  lease("vm2", "10.1.0.5", macOf(5), 2);
  ASSERT_TRUE(turnUntil([&] { return rows().size() == 1 && rows()[0].port.value == "vm2"; }));
  lease("vm1", "10.1.0.5", macOf(6), 3);
  ASSERT_TRUE(turnUntil([&] { return rows().size() == 1 && rows()[0].macAddress.value == macOf(6); }));
}

TEST_F(DhcpSwitch, ReleaseAndDeclineEndItAtItsOwnPortOnly) {
  start();
  for (auto type : {test::release, test::decline}) {
    lease("vm1", "10.1.0.5", macOf(5), type);
    ASSERT_TRUE(turnUntil([&] { return hasBinding("10.1.0.5", "vm1"); }));
    DhcpFrame frame{.type = type};
    (type == test::release ? frame.ciaddr : frame.requested) = "10.1.0.5";
    cables_.at("vm2").send(frame.text());
    ASSERT_TRUE(heardAll());
    EXPECT_EQ(rows().size(), 1u) << "nobody else can end it";
    cables_.at("vm1").send(frame.text());
    EXPECT_TRUE(turnUntil([&] { return rows().empty(); }));
  }
}

TEST_F(DhcpSwitch, ARogueServersAckMakesNoBinding) {
  start();
  cables_.at("vm1").send(DhcpFrame{}.text());
  cables_.at("vm2").send(DhcpFrame{.type = test::ack, .xid = 0x1234, .yiaddr = "10.1.0.5", .leaseTime = 60}.text());
  ASSERT_TRUE(heardAll());
  EXPECT_TRUE(rows().empty());
}

TEST_F(DhcpSwitch, Dhcp6IsLearnedToo) {
  start(true);
  cables_.at("vm1").send(Dhcp6Frame{}.text());
  cables_.at("core").send(Dhcp6Frame{.type = test::reply6}.text());
  ASSERT_TRUE(turnUntil([&] { return hasBinding("2001:db8::5", "vm1"); }));
  EXPECT_TRUE(passes("vm1", ip6(macOf(5), "2001:db8::5")));
}

TEST_F(DhcpSwitch, ATagIsTheBindingsVlan) {
  start();
  cables_.at("vm1").send(tagged(DhcpFrame{}.text(), 10));
  DhcpFrame ack{.type = test::ack, .yiaddr = "10.1.0.5", .leaseTime = 60};
  cables_.at("core").send(tagged(ack.text(), 20));
  ASSERT_TRUE(heardAll());
  EXPECT_TRUE(rows().empty()) << "an answer in another VLAN";
  cables_.at("core").send(tagged(ack.text(), 10));
  ASSERT_TRUE(turnUntil([&] { return hasBinding("10.1.0.5", "vm1"); }));
  ASSERT_EQ(rows().size(), 1u);
  EXPECT_EQ(rows()[0].vlan.value, 10u);
}

/// Not all kernels have bridges with VLANs (CONFIG_BRIDGE_VLAN_FILTERING): what the others would say is told here.
TEST(BridgePorts, APortsVlanForFramesWithoutATag) {
  alignas(nlmsghdr) char buffer[512] = {};
  auto* message = mnl_nlmsg_put_header(buffer);
  mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg));
  EXPECT_EQ(pvidFrom(message), 0);
  auto* vlans = mnl_attr_nest_start(message, IFLA_AF_SPEC);
  for (bridge_vlan_info info : {bridge_vlan_info{0, 7}, bridge_vlan_info{BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED, 10},
                                bridge_vlan_info{BRIDGE_VLAN_INFO_UNTAGGED, 20}})
    mnl_attr_put(message, IFLA_BRIDGE_VLAN_INFO, sizeof info, &info);
  mnl_attr_put_u8(message, IFLA_BRIDGE_VLAN_INFO, 1);  // too short
  mnl_attr_nest_end(message, vlans);
  EXPECT_EQ(pvidFrom(message), 10);
}

TEST_F(DhcpSwitch, ABridgeWithVlansGivesTheVlanOfThePort) {
  if (std::system("ip link set br0 type bridge vlan_filtering 1 2> /dev/null") != 0) {
    auto bridges = readBridges();
    ASSERT_TRUE(bridges);
    EXPECT_EQ(bridges->port("vm1")->pvid, 0) << "this kernel has none";
    return;
  }
  switch_.run("bridge vlan add dev vm1 vid 10 pvid untagged && bridge vlan add dev core vid 10");
  start();
  cables_.at("vm1").send(DhcpFrame{}.text());
  cables_.at("core").send(tagged(DhcpFrame{.type = test::ack, .yiaddr = "10.1.0.5", .leaseTime = 60}.text(), 10));
  ASSERT_TRUE(turnUntil([&] { return hasBinding("10.1.0.5", "vm1"); }));
  ASSERT_EQ(rows().size(), 1u);
  EXPECT_EQ(rows()[0].vlan.value, 10u);
}

// --- restarts

TEST_F(DhcpSwitch, ARestartOfVmmigdLeavesBindingsAndGuardAlone) {
  start();
  ASSERT_FALSE(create(row("10.1.0.5", "vm1", forEver)).error);
  table_.reset();
  EXPECT_TRUE(passes("vm1", ip(macOf(5), "10.1.0.5")));
  EXPECT_FALSE(passes("vm1", ip(macOf(5), "10.1.0.6"))) << "also while none runs";
  std::filesystem::remove_all(directory_);  // the kernel is what counts
  start();
  ASSERT_EQ(rows().size(), 1u);
  EXPECT_TRUE(passes("vm1", ip(macOf(5), "10.1.0.5")));
  EXPECT_FALSE(passes("vm1", ip(macOf(5), "10.1.0.6")));
}

TEST_F(DhcpSwitch, ARestartOfTheSwitchTakesThemFromTheFile) {
  start();
  lease("vm1", "10.1.0.5");
  ASSERT_TRUE(turnUntil([&] { return hasBinding("10.1.0.5", "vm1"); }));
  ASSERT_FALSE(create(row("2001:db8::5", "vm1", forEver)).error);
  ASSERT_TRUE(turnUntil([&] { return outputOf("cat " + directory_ + "/*").find("2001:db8::5") != std::string::npos; }));
  table_.reset();
  switch_.run("nft flush ruleset");
  start();
  ASSERT_EQ(rows().size(), 2u);
  EXPECT_GT(rows()[0].leaseTime, 3500u);
  EXPECT_LE(rows()[0].leaseTime, 3600u);
  EXPECT_EQ(rows()[1].leaseTime, forEver);
  EXPECT_TRUE(passes("vm1", ip(macOf(5), "10.1.0.5")));
}

TEST_F(DhcpSwitch, AFileOfLeasesThatEndedOrOfRubbishIsNotUsed) {
  for (const char* content :
       {R"({"version":1,"bindings":[{"vlan":0,"macAddress":"02:00:00:00:00:05","address":"10.1.0.5","port":"vm1","ends":1000}]})",
        R"({"version":1,"bindings":[{"vlan":5000,"macAddress":"02:00:00:00:00:05","address":"10.1.0.5","port":"vm1"},7,{}]})",
        R"({"version":1,"bindings":[{"vlan":0,"macAddress":"02:00","address":"10.1.0.5","port":"vm1"}]})", R"({"version":2})",
        "{", ""}) {
    std::ofstream{directory_ + "/dhcp-bindings.json"} << content;
    switch_.run("nft flush ruleset");
    start();
    EXPECT_TRUE(rows().empty()) << content;
    EXPECT_FALSE(passes("vm1", ip(macOf(5), "10.1.0.5"))) << content;
  }
}

TEST_F(DhcpSwitch, ATableThatSomeoneFlushedIsMadeAnewWithTheNextLease) {
  start();
  ASSERT_FALSE(create(row("2001:db8::5", "vm1", forEver)).error);
  ASSERT_TRUE(table_->save());
  switch_.run("nft flush ruleset");
  EXPECT_EQ(checked("sourceGuard").health, Health::degraded);
  lease("vm1", "10.1.0.5");
  ASSERT_TRUE(turnUntil([&] { return hasBinding("10.1.0.5", "vm1"); }));
  EXPECT_EQ(rows().size(), 2u);
  EXPECT_EQ(checked("sourceGuard").health, Health::up);
}

// --- the table

TEST_F(DhcpSwitch, RowsAreWrittenFoundAndRemoved) {
  start();
  ASSERT_FALSE(create(row()).error);
  auto found = table_->find(vm_, AnyRow{row()});
  ASSERT_TRUE(found && *found);
  EXPECT_TRUE((*found)->equals(AnyRow{row()}, Carry::exact));
  auto again = create(row());
  ASSERT_TRUE(again.error);
  EXPECT_EQ(again.error->status, SnmpStatus::inconsistentName);
  ASSERT_TRUE(table_->replace(vm_, AnyRow{row("10.1.0.5", "vm2", 60)}));
  ASSERT_EQ(rows().size(), 1u);
  EXPECT_EQ(rows()[0].port.value, "vm2");
  AnyRow key{row()};
  EXPECT_FALSE(table_->remove(vm_, {&key, 1}).error);
  EXPECT_TRUE(rows().empty());
  EXPECT_FALSE(table_->remove(vm_, {&key, 1}).error) << "one that is gone is no error";
}

TEST_F(DhcpSwitch, WhatTheSwitchCannotHoldIsRefusedWithItsReason) {
  start();
  auto port = create(row("10.1.0.5", "srv-a"));
  ASSERT_TRUE(port.error);
  EXPECT_EQ(port.error->status, SnmpStatus::inconsistentValue);
  EXPECT_NE(port.error->text.find("'srv-a' is no untrusted port"), std::string::npos) << port.error->text;
  EXPECT_NE(port.error->text.find("map = port,vm1,srv-a"), std::string::npos) << port.error->text;
  EXPECT_TRUE(create(row("10.1.0.5", "core")).error) << "what is trusted needs no binding";
  auto stranger = row("10.1.0.9");
  EXPECT_FALSE(create(stranger).error) << "another address of its MAC";
  stranger.macAddress.value = macOf(9);
  auto refused = create(stranger);
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->status, SnmpStatus::inconsistentName);
}

TEST_F(DhcpSwitch, AnExchangeIsAllOrNothingAndARehearsalIsNothing) {
  start();
  ASSERT_FALSE(create(row()).error);
  LinuxExchangedTable* table = table_.get();
  std::vector<AnyRow> remove{AnyRow{row()}};
  std::vector<AnyRow> wrong{AnyRow{row("10.1.0.5", "vm2")}, AnyRow{row("2001:db8::5", "nowhere")}};
  auto before = outputOf("nft list ruleset | sed 's/expires [0-9a-z]*//'");
  auto refusal = exchange(*nft_, {&table, 1}, vm_, {remove, wrong});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->created, 1u);
  std::vector<AnyRow> right{wrong[0], AnyRow{row("2001:db8::5", "vm2")}};
  EXPECT_TRUE(rehearse(*nft_, {&table, 1}, vm_, {remove, wrong}));
  EXPECT_FALSE(rehearse(*nft_, {&table, 1}, vm_, {remove, right}));
  EXPECT_EQ(outputOf("nft list ruleset | sed 's/expires [0-9a-z]*//'"), before);
  EXPECT_FALSE(exchange(*nft_, {&table, 1}, vm_, {remove, right}));
  EXPECT_EQ(rows().size(), 2u);
  EXPECT_TRUE(passes("vm2", ip(macOf(5), "10.1.0.5")));
  EXPECT_FALSE(passes("vm1", ip(macOf(5), "10.1.0.5")));
}

TEST_F(DhcpSwitch, ChecksSayWhatIsMissing) {
  start();
  for (const auto& row : table_->checks()) EXPECT_EQ(row.health, Health::up) << row.text.value;
  switch_.run("ip link set core nomaster");
  ASSERT_TRUE(turnUntil([&] { return checked("dhcpSnooping br0").health == Health::degraded; }));
  EXPECT_NE(checked("dhcpSnooping br0").text.value.find("core"), std::string::npos);
  switch_.run("ip link del br0");
  ASSERT_TRUE(turnUntil([&] { return checked("dhcpSnooping br0").text.value.find("no bridge br0") != std::string::npos; }));
  EXPECT_EQ(checked("dhcpBindingFile").health, Health::up);
  std::filesystem::remove_all(directory_);
  EXPECT_EQ(checked("dhcpBindingFile").health, Health::degraded);
}

// --- with the rest of the back end

class DhcpBackEnd : public DhcpSwitch {
 protected:
  void startBackEnd() {
    switch_.enter();
    Resources resources;
    resources.dhcpSnooping = {{"br0", {"core"}, false}};
    backEnd_ = makeLinuxBackEnd({.loop = &loop_, .resources = resources, .stateDirectory = directory_});
  }
  std::unique_ptr<BackEnd> backEnd_;
};

TEST_F(DhcpBackEnd, ABlockedVmIsCutOffAtBridgesTooButNobodyElse) {
  startBackEnd();
  auto* table = backEnd_->tableFor(TableOf<DhcpBindingRow>::info);
  ASSERT_NE(table, nullptr);
  AnyRow binding{row()};
  ASSERT_FALSE(table->create(vm_, {&binding, 1}).error);
  lease("vm2", "10.1.0.6", macOf(6), 1);
  ASSERT_TRUE(turnUntil([&] { return hasBinding("10.1.0.6", "vm2"); }));
  auto status = backEnd_->block(vm_);
  ASSERT_TRUE(status) << status.error().text;
  EXPECT_FALSE(passes("vm1", ip(macOf(5), "10.1.0.5")));
  EXPECT_FALSE(passes("vm1", ip6(macOf(5), "2001:db8::5")));
  EXPECT_FALSE(passes("core", ip(serverMac, "10.1.0.1", "10.1.0.5"), "vm1"));
  EXPECT_FALSE(passes("vm1", DhcpFrame{}.text()));
  EXPECT_TRUE(passes("vm1", arp(macOf(5), "10.1.0.5"))) << "others learn where the VM is";
  EXPECT_TRUE(passes("vm2", ip(macOf(6), "10.1.0.6")));
  backEnd_->unblock(vm_.uuid);
  EXPECT_TRUE(passes("vm1", ip(macOf(5), "10.1.0.5")));
  EXPECT_TRUE(passes("core", ip(serverMac, "10.1.0.1", "10.1.0.5"), "vm1"));
}

TEST_F(DhcpBackEnd, ABlockEndsWithItsProcessAndTheGuardDoesNot) {
  startBackEnd();
  ASSERT_TRUE(backEnd_->block(vm_));
  backEnd_.reset();
  auto rules = outputOf("nft list ruleset");
  EXPECT_EQ(rules.find("vmmig_block"), std::string::npos);
  EXPECT_NE(rules.find("table bridge vmmig "), std::string::npos);
  backEnd_ = makeLinuxBackEnd();
  EXPECT_EQ(outputOf("nft list ruleset").find("table bridge vmmig "), std::string::npos) << "no line asks for it any more";
}

TEST_F(DhcpBackEnd, NothingIsLearnedOfABlockedVm) {
  startBackEnd();
  lease("vm1", "10.1.0.5");
  ASSERT_TRUE(turnUntil([&] { return hasBinding("10.1.0.5", "vm1"); }));
  ASSERT_TRUE(backEnd_->block(vm_));
  lease("vm1", "10.1.0.50", macOf(5), 2);
  cables_.at("vm1").send(DhcpFrame{.type = test::release, .ciaddr = "10.1.0.5"}.text());
  ASSERT_TRUE(heardAll());
  EXPECT_TRUE(hasBinding("10.1.0.5", "vm1"));
  EXPECT_FALSE(hasBinding("10.1.0.50", "vm1"));
}

}  // namespace
}  // namespace vmmig

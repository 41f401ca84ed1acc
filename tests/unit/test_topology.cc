// SPDX-License-Identifier: GPL-2.0-or-later
// Where a VM or a host is, from what switches have learned: edge ports, what stands in front, and every doubt as a sentence.
#include <gtest/gtest.h>

#include "manager/locate.h"

namespace vmmig {
namespace {

std::string mac(char last) { return {2, 0, 0, 0, 0, last}; }
const std::string vm = mac(5), hostA = mac(0x1a), hostB = mac(0x1b), switchA = mac(0x2a), switchB = mac(0x2b),
                  firewallA = mac(0x3a), firewallB = mac(0x3b);
constexpr std::uint32_t srv = 1, core = 2;

/// sw-a and sw-b, each with a host at srv and its firewall at core; both cores are one network.
class Where : public testing::Test {
 protected:
  Where() {
    for (std::string site : {"a", "b"}) {
      bool isA = site == "a";
      NetworkNode access{.name = "sw-" + site, .sysName = "switch-" + site, .ownMacs = {isA ? switchA : switchB}};
      access.ports = {{srv, "srv-" + site}, {core, "core"}};
      access.stations = {{isA ? hostA : hostB, srv}, {isA ? hostB : hostA, core}, {isA ? firewallA : firewallB, core}};
      access.takesPart = true;
      access.stations.push_back({vm, isA ? srv : core});  // the VM is at a
      devices.push_back(std::move(access));
      NetworkNode firewall{.name = "fw-" + site, .sysName = "firewall-" + site, .ownMacs = {isA ? firewallA : firewallB}};
      firewall.takesPart = true;
      firewall.behind = {"sw-" + site};
      devices.push_back(std::move(firewall));
      hosts.push_back({.name = "host-" + site, .sysName = "node-" + site, .ownMacs = {isA ? hostA : hostB}});
    }
  }
  NetworkNode& device(const std::string& name) {
    return *std::find_if(devices.begin(), devices.end(), [&](const NetworkNode& each) { return each.name == name; });
  }
  void forget(const std::string& name, const std::string& address) {
    std::erase_if(device(name).stations, [&](const NetworkNode::Station& each) { return each.mac == address; });
  }
  Topology topology() const { return {devices, hosts}; }
  static std::string shown(const Result<Place>& place) {
    if (!place) return place.error().text;
    std::string text = place->device;
    for (const auto& port : place->ports) text += " " + port;
    return text;
  }
  std::string vmAt() const { return shown(topology().placeOf("VM web1", {vm})); }
  std::string front(const std::string& name) const {
    auto found = topology().devicesAt({.device = name, .ports = {}, .how = {}});
    if (!found) return found.error().text;
    std::string text;
    for (const auto& each : *found) text += (text.empty() ? "" : " ") + each.name;
    return text;
  }

  std::vector<NetworkNode> devices, hosts;
};

TEST_F(Where, aVmIsAtTheSwitchThatHasItAtAnEdgePort) { EXPECT_EQ(vmAt(), "sw-a srv-a"); }

TEST_F(Where, aPortBehindWhichAnotherDeviceIsIsNoEdge) {
  // Only one thing behind core tells it apart.
  device("sw-b").stations = {{vm, core}, {switchA, core}};
  EXPECT_EQ(vmAt(), "sw-a srv-a");
  device("sw-b").stations = {{vm, core}};
  device("sw-b").neighbours = {{.port = core, .mac = firewallB, .sysName = {}}};
  EXPECT_EQ(vmAt(), "sw-a srv-a");
  device("sw-b").neighbours = {{.port = core, .mac = {}, .sysName = "switch-a"}};
  EXPECT_EQ(vmAt(), "sw-a srv-a");
  device("sw-b").neighbours = {};
  device("sw-b").stations = {{vm, core}, {hostA, core}, {hostB, core}};
  EXPECT_EQ(vmAt(), "sw-a srv-a") << "two hosts are behind it";
}

TEST_F(Where, anAnycastAddressOfTwoFirewallsIsADevicesStill) {
  const auto gateway = mac(1);
  device("fw-a").ownMacs = device("fw-b").ownMacs = {gateway};
  device("sw-b").stations = {{vm, core}, {gateway, core}};
  EXPECT_EQ(vmAt(), "sw-a srv-a");
}

TEST_F(Where, aVmAtEdgePortsOfTwoSwitchesIsAmbiguous) {
  device("sw-b").stations = {{vm, core}};
  EXPECT_EQ(vmAt(),
            "VM web1 is at device sw-a, port srv-a and device sw-b, port core, so it is not clear where: write devices= in the "
            "section of its host");
  EXPECT_EQ(topology().placeOf("VM web1", {vm}).error().status, SnmpStatus::inconsistentName);
}

TEST_F(Where, aVmInTwoVlansIsAtOneSwitchStill) {
  device("sw-a").ports[3] = "srv-a2";
  device("sw-a").stations.push_back({vm, 3});
  EXPECT_EQ(vmAt(), "sw-a srv-a srv-a2");
}

TEST_F(Where, aVmThatNobodyOrOnlyAnUplinkKnowsIsNotFound) {
  forget("sw-a", vm);
  EXPECT_EQ(vmAt(),
            "VM web1 is seen only on the way to other devices (device sw-b, port core): the switch that it is at is not in the "
            "inventory, or its agent "
            "has no BRIDGE-MIB");
  forget("sw-b", vm);
  EXPECT_EQ(vmAt(), "VM web1 (02:00:00:00:00:05) is known at no switch of the inventory");
  EXPECT_EQ(shown(topology().placeOf("VM web1", {})),
            "VM web1 has no MAC address that is known: write mac= in the VM's section of vmmig.conf");
}

TEST_F(Where, aHostIsWhereLldpOrItsOwnAddressIs) {
  EXPECT_EQ(shown(topology().placeOfHost("host-b")), "sw-b srv-b");
  forget("sw-b", hostB);
  forget("sw-a", hostB);
  EXPECT_EQ(
      shown(topology().placeOfHost("host-b")),
      "host host-b is known at no switch of the inventory, by none of its addresses nor by LLDP: write devices= in its section");
  device("sw-b").neighbours = {{.port = srv, .mac = hostB, .sysName = {}}};
  EXPECT_EQ(shown(topology().placeOfHost("host-b")), "sw-b srv-b");
  device("sw-b").neighbours = {{.port = srv, .mac = {}, .sysName = "node-b"}};
  EXPECT_EQ(shown(topology().placeOfHost("host-b")), "sw-b srv-b");
  forget("sw-a", hostA);
  device("sw-a").neighbours = {{.port = srv, .mac = {}, .sysName = "node-b"}};
  EXPECT_EQ(shown(topology().placeOfHost("host-b")),
            "host host-b is at device sw-a, port srv-a and device sw-b, port srv-b, so it is not clear where: write devices= in "
            "the section of its host");
}

TEST_F(Where, aHostThatIsNotInTheInventoryIsWhereLldpNamesIt) {
  EXPECT_EQ(shown(topology().placeOfHost("node-9")),
            "host node-9 is not in the inventory, and no switch has a neighbour of this name by LLDP: add [host.node-9]");
  device("sw-b").neighbours = {{.port = srv, .mac = mac(0x79), .sysName = "node-9"}};
  EXPECT_EQ(shown(topology().placeOfHost("node-9")), "sw-b srv-b");
  EXPECT_NE(shown(topology().placeOfHost("node-9.example.org")), "sw-b srv-b") << "a name is a name";
  EXPECT_EQ(shown(placeOfVmOn(topology(), "web1", {mac(9)}, "node-9")), "sw-b srv-b");
  forget("sw-b", hostB);
  hosts.pop_back();
  EXPECT_EQ(topology().hostsAt(*topology().placeOfHost("node-9")), (std::set<std::string>{"node-9"}));
  device("sw-a").neighbours = {{.port = srv, .mac = {}, .sysName = "node-9"}};
  EXPECT_EQ(topology().placeOfHost("node-9").error().status, SnmpStatus::inconsistentName);
  device("sw-a").neighbours = {};
  device("sw-b").neighbours = {{.port = srv, .mac = switchA, .sysName = "node-9"}};
  EXPECT_FALSE(topology().placeOfHost("node-9")) << "by its address it is a device";
}

TEST_F(Where, aVmOnAHostThatNothingKnowsIsWhereItsOwnAddressIs) {
  EXPECT_EQ(shown(placeOfVmOn(topology(), "web1", {vm}, "node-9")), "sw-a srv-a");
}

TEST_F(Where, aNameThatTwoNodesHaveTellsNothing) {
  for (auto* nodes : {&devices, &hosts})
    for (auto& node : *nodes) node.sysName = "localhost";
  device("sw-a").neighbours = {{.port = srv, .mac = {}, .sysName = "localhost"}};
  EXPECT_EQ(vmAt(), "sw-a srv-a");
  EXPECT_EQ(shown(topology().placeOfHost("host-b")), "sw-b srv-b");
}

TEST_F(Where, anAddressThatTwoHostsHaveTellsNothing) {
  const auto common = mac(0x77);
  for (auto& host : hosts) host.ownMacs.insert(common);
  device("sw-a").stations.push_back({common, srv});
  EXPECT_EQ(shown(topology().placeOfHost("host-b")), "sw-b srv-b");
}

TEST_F(Where, inFrontIsWhatStandsBehindTheSwitchAndTheSwitchItself) {
  EXPECT_EQ(front("sw-a"), "fw-a sw-a");
  device("fw-a").behind = {};
  EXPECT_EQ(front("sw-a"), "sw-a");
  device("sw-a").neighbours = {{.port = core, .mac = firewallA, .sysName = {}}, {.port = core, .mac = switchB, .sysName = {}}};
  EXPECT_EQ(front("sw-a"), "fw-a sw-a") << "another switch is not behind it";
  device("sw-a").takesPart = false;
  EXPECT_EQ(front("sw-a"), "fw-a") << "any vendor's switch may tell";
  device("fw-a").takesPart = false;
  EXPECT_EQ(front("sw-a"),
            "neither device sw-a nor one behind it implements VM-MIGRATION-MIB: write behind = sw-a in the section of the "
            "firewall behind it, or "
            "devices= in the host's");
}

TEST_F(Where, theHostsAtAPortAreTold) {
  auto place = topology().placeOf("VM web1", {vm});
  EXPECT_EQ(topology().hostsAt(*place), (std::set<std::string>{"host-a"}));
}

TEST_F(Where, aVmAndItsHostMustBeAtTheSameSwitch) {
  EXPECT_EQ(shown(placeOfVmOn(topology(), "web1", {vm}, "host-a")), "sw-a srv-a");
  EXPECT_EQ(shown(placeOfVmOn(topology(), "web1", {vm}, "host-b")),
            "VM web1 is at device sw-a, port srv-a, and its host host-b at device sw-b, port srv-b, so it is not clear where: "
            "write devices= in "
            "the section of its host");
  EXPECT_EQ(shown(placeOfVmOn(topology(), "web1", {}, "host-a")), "sw-a srv-a")
      << "of a VM without known addresses the host tells";
  device("sw-b").stations = {{vm, core}};
  EXPECT_EQ(placeOfVmOn(topology(), "web1", {vm}, "host-a").error().status, SnmpStatus::inconsistentName)
      << "the host's place is no way out of an ambiguity";
}

using Front = std::vector<FrontDevice>;

std::string paired(const Front& from, const Front& to) {
  auto legs = pairFound(from, to);
  if (!legs) return legs.error().text;
  std::string text;
  for (const auto& leg : *legs) text += (text.empty() ? "" : " ") + leg.source + ">" + leg.destination;
  return text;
}

TEST(Pairs, aSwitchGoesWithASwitchWhateverTheOrder) {
  EXPECT_EQ(paired({{"fw-a", "", false}, {"sw-a", "", true}}, {{"sw-b", "", true}, {"fw-b", "", false}}), "fw-a>fw-b sw-a>sw-b");
}

TEST(Pairs, whatIsInFrontOfBothStays) {
  EXPECT_EQ(paired({{"fw", "", false}, {"sw-a", "", true}}, {{"fw", "", false}, {"sw-b", "", true}}), "sw-a>sw-b");
  EXPECT_EQ(paired({{"sw-a", "", true}}, {{"sw-a", "", true}}), "");
}

TEST(Pairs, moreThanOneOfAKindIsNotGuessed) {
  Front one{{"fw-a", "", false}}, two{{"fw-b", "", false}, {"fw-c", "", false}}, others{{"fw-d", "", false}, {"fw-e", "", false}};
  EXPECT_NE(paired(one, two).find("of devices that are no switches its source has 1 in front of it and its destination 2"),
            std::string::npos);
  EXPECT_NE(paired(two, others).find("not clear which goes with which"), std::string::npos);
}

}  // namespace
}  // namespace vmmig

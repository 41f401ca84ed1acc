// SPDX-License-Identifier: GPL-2.0-or-later
// vmmig.conf: what is read from it, the pairs of devices, and the sentence for each mistake.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "manager/device_pool.h"
#include "tests/unit/source_dir.h"

namespace vmmig {
namespace {

using namespace std::chrono_literals;

constexpr const char* good = R"(
# two hosts
listen = udp:10.9.0.9:162
policy = bestEffort
stop-deadline = 2.5

[host.host-a]
agent = tcp:10.9.0.3
devices = fw-a, sw-a
[host.b.example.org]
agent = tcp:10.9.0.4
user = other
devices = fw-b sw-b

[device.fw-a]
agent = tcp:10.9.0.1
[device.fw-b]
agent = tcp:10.9.0.2
timeout = 2
[device.sw-a]
agent = tcp:10.9.0.5
[device.sw-b]
agent = tcp:10.9.0.6

[vm.web1]
uuid = 6ba7b810-9dad-11d1-80b4-00c04fd430c8
addresses = 10.0.0.5, fd00::5
mac = 52:54:00:12:34:56
policy = require
)";

Result<Inventory> parse(const std::string& text) {
  std::istringstream in{text};
  return Inventory::parse(in, "vmmig.conf");
}
std::string wrong(const std::string& text) {
  auto inventory = parse(text);
  return inventory ? "nothing is wrong" : inventory.error().text;
}
std::string replaced(std::string from, const std::string& to) {
  std::string text = good;
  return text.replace(text.find(from), from.size(), to);
}

TEST(Inventory, saysHowHostsAreReachedThatItDoesNotHave) {
  EXPECT_EQ(parse("")->unlistedHosts, Inventory::Unlisted::udp);
  EXPECT_EQ(parse("unlisted-hosts = tcp\n")->unlistedHosts, Inventory::Unlisted::tcp);
  EXPECT_EQ(parse("unlisted-hosts = none\n")->unlistedHosts, Inventory::Unlisted::none);
  EXPECT_EQ(wrong("unlisted-hosts = yes\n"), "vmmig.conf: unlisted-hosts: must be udp, tcp or none");
}

TEST(Inventory, knowsBehindWhichSwitchADeviceStandsAndWhoseDevicesAreLeftOpen) {
  auto inventory = parse(replaced("agent = tcp:10.9.0.1", "agent = tcp:10.9.0.1\nbehind = sw-a, sw-b"));
  ASSERT_TRUE(inventory) << inventory.error().text;
  EXPECT_EQ(inventory->behind, (std::map<std::string, std::vector<std::string>>{{"fw-a", {"sw-a", "sw-b"}}}));
  EXPECT_TRUE(inventory->hosts.at("host-a").namesDevices);
  auto open = parse(replaced("devices = fw-a, sw-a", ""));
  ASSERT_TRUE(open);
  EXPECT_FALSE(open->hosts.at("host-a").namesDevices);
  auto none = parse(replaced("devices = fw-a, sw-a", "devices ="));
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->hosts.at("host-a").namesDevices) << "it says that there are none";
  EXPECT_EQ(wrong(replaced("agent = tcp:10.9.0.1", "agent = tcp:10.9.0.1\nbehind = sw-x")),
            "vmmig.conf: device.fw-a.behind names sw-x, and there is no section [device.sw-x]");
  EXPECT_EQ(wrong(replaced("agent = tcp:10.9.0.1", "agent = tcp:10.9.0.1\nbehind = fw-a")),
            "vmmig.conf: device.fw-a.behind names the device itself");
}

TEST(Inventory, isReadAsItIsWritten) {
  auto inventory = parse(good);
  ASSERT_TRUE(inventory) << inventory.error().text;
  EXPECT_EQ(inventory->listen, "udp:10.9.0.9:162");
  EXPECT_EQ(inventory->limits.stop, 2500ms);
  EXPECT_EQ(inventory->hosts.at("b.example.org").agent.user, "other");
  EXPECT_EQ(inventory->hosts.at("b.example.org").devices, (std::vector<std::string>{"fw-b", "sw-b"}));
  EXPECT_EQ(inventory->devices.at("fw-b").timeoutSeconds, "2");
  const auto& vm = inventory->vms.at("web1");
  EXPECT_EQ(vm.addresses.size(), 2u);
  EXPECT_EQ(vm.addresses[1].address, *parseInetAddress("fd00::5"));
  EXPECT_EQ(vm.addresses[0].macAddress.value.size(), 6u);
  EXPECT_EQ(inventory->policyOf(vm.uuid), TransferPolicy::require);
  EXPECT_EQ(inventory->policyOf(Uuid{}), TransferPolicy::bestEffort);
  EXPECT_TRUE(inventory->addressesOf(Uuid{}).empty());
}

TEST(Inventory, pairsTheDevicesOfTwoHostsInTheirOrder) {
  auto legs = parse(good)->legsBetween("host-a", "b.example.org");
  ASSERT_TRUE(legs) << legs.error().text;
  ASSERT_EQ(legs->size(), 2u);
  EXPECT_EQ((*legs)[0].source, "fw-a");
  EXPECT_EQ((*legs)[0].destination, "fw-b");
  EXPECT_EQ((*legs)[1].destination, "sw-b");
}

TEST(Inventory, aDeviceInFrontOfBothHostsKeepsItsState) {
  auto legs = parse(replaced("fw-b sw-b", "fw-a sw-b"))->legsBetween("host-a", "b.example.org");
  ASSERT_TRUE(legs);
  ASSERT_EQ(legs->size(), 1u);
  EXPECT_EQ((*legs)[0].source, "sw-a");
}

TEST(Inventory, whatIsNotClearStopsBeforeAnythingIsTouched) {
  auto inventory = parse(replaced("fw-b sw-b", "fw-b"));
  auto legs = inventory->legsBetween("host-a", "b.example.org");
  ASSERT_FALSE(legs);
  EXPECT_NE(legs.error().text.find("which goes with which"), std::string::npos);
  legs = parse(replaced("fw-b sw-b", "sw-b fw-a"))->legsBetween("host-a", "b.example.org");
  ASSERT_FALSE(legs);
  EXPECT_NE(legs.error().text.find("both hosts"), std::string::npos);
  EXPECT_NE(inventory->legsBetween("host-a", "host-x").error().text.find("host-x is not in the inventory"), std::string::npos);
  EXPECT_FALSE(inventory->legsBetween("", "host-a"));
}

TEST(Inventory, eachMistakeIsNamedWithItsFileAndKey) {
  EXPECT_EQ(wrong(replaced("listen =", "listne =")), "vmmig.conf: listne: there is no such option");
  EXPECT_NE(wrong(replaced("[device.sw-a]\nagent = tcp:10.9.0.5", "")).find("no section [device.sw-a]"), std::string::npos);
  EXPECT_NE(wrong(replaced("fw-b sw-b", "fw-b fw-b")).find("twice"), std::string::npos);
  EXPECT_NE(wrong(replaced("policy = require", "policy = maybe")).find("vm.web1.policy"), std::string::npos);
  EXPECT_NE(wrong(replaced("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "web1")).find("vm.web1.uuid"), std::string::npos);
  EXPECT_NE(wrong(replaced("fd00::5", "fd00::x")).find("fd00::x"), std::string::npos);
  EXPECT_NE(wrong(replaced("stop-deadline = 2.5", "stop-deadline = soon")).find("stop-deadline"), std::string::npos);
  EXPECT_NE(wrong(replaced("agent = tcp:10.9.0.1\n", "")).find("fw-a"), std::string::npos);
  EXPECT_NE(wrong(replaced("[vm.web1]", "[virtual.web1]")).find("[vm.NAME]"), std::string::npos);
  EXPECT_NE(wrong(std::string{good} + "[vm.web2]\nuuid = 6ba7b810-9dad-11d1-80b4-00c04fd430c8\n").find("[vm.web1]"),
            std::string::npos);
  EXPECT_EQ(wrong("[host.a]\n"), "vmmig.conf: host.a.agent is missing: give the address of its SNMP agent");
  EXPECT_EQ(wrong("[device.a]\n"), "vmmig.conf: device.a.agent is missing: give the address of its SNMP agent");
  EXPECT_EQ(wrong("[vm.a]\n"), "vmmig.conf: vm.a.uuid must be the VM's UUID");
  EXPECT_NE(wrong("nonsense\n").find("vmmig.conf"), std::string::npos);
}

TEST(Inventory, theExampleThatIsShippedIsGood) {
  std::ifstream in{test::sourceDir() / "docs/vmmig.conf.example"};
  ASSERT_TRUE(in);
  auto inventory = Inventory::parse(in, "vmmig.conf.example");
  ASSERT_TRUE(inventory) << inventory.error().text;
  EXPECT_TRUE(inventory->legsBetween("host-a", "host-b"));
}

TEST(Names, whatIsNeitherListedNorAnAddressIsAnErrorThatTellsTheNames) {
  EventLoop loop;
  std::istringstream in{good};
  auto inventory = Inventory::parse(in, "vmmig.conf");
  ASSERT_TRUE(inventory) << inventory.error().text;
  SessionOptions base;
  base.version = "2c";
  base.community = "public";
  DevicePool pool{loop, *inventory, base};
  auto device = pool.device("fw-c.invalid");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().status, SnmpStatus::badValue);
  EXPECT_EQ(device.error().text.find("fw-c.invalid is not in the inventory, which has fw-a, fw-b, sw-a, sw-b, and no address"),
            0u)
      << device.error().text;
  auto host = pool.host("host-c.invalid");
  ASSERT_FALSE(host);
  EXPECT_NE(host.error().text.find("which has b.example.org, host-a"), std::string::npos) << host.error().text;
  for (const char* peer : {"fw-a", "127.0.0.1", "tcp:127.0.0.1", "udp6:[::1]:1161", "localhost"})
    EXPECT_TRUE(pool.device(peer)) << peer;
}

}  // namespace
}  // namespace vmmig

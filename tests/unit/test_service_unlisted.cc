// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig serve` and hosts that the inventory has no section for: who takes part, where it is asked, and what stops it before
// anything is touched.
#include "mibs/standard_tables.h"
#include "tests/unit/serve_fixture.h"

namespace vmmig {
namespace {

using migration::Outcome;

/// Both firewalls are switches here, and know node-a and node-b by LLDP; host-a is in the inventory, with its device.
class ServeUnlisted : public Serve {
 protected:
  ServeUnlisted() {
    inventory.hosts.erase("host-b");
    inventory.hosts.erase("host-c");
    for (std::string site : {"a", "b"}) {
      pool.agent("fw-" + site).put(BasePortRow{.port = 1, .ifIndex = 1});
      pool.agent("fw-" + site).put(IfXRow{.index = 1, .name = {"srv-" + site}});
      pool.agent("fw-" + site).put(LldpLocPortRow{.number = 1, .idSubtype = portIdInterfaceName, .id = {"srv-" + site}});
      neighbour("fw-" + site, "node-" + site);
    }
  }
  void neighbour(const std::string& device, const std::string& name) {
    LldpRemRow row;
    row.localPort = row.index = 1;
    row.sysName.value = name;
    pool.agent(device).put(row);
  }
  void notify(const std::string& host, const std::string& address) { service->notified(address, rowOf(host)); }
  /// host-a stops the VM for node-b, which says at 10.0.0.2 that it is prepared.
  void stopForNodeB(std::uint32_t hold = 5000) {
    tell("node-b", Phase::prepared);
    notify("node-b", "10.0.0.2");
    tell("host-a", Phase::stopped, hold);
  }
  bool isCancelled() {
    return waitFor([&] { return hold() == HoldStatus::cancelled; }, 4s);
  }
  /// By more than looking where the hosts are.
  bool isChanged() {
    for (const char* device : {"fw-a", "fw-b", "fw-c"})
      for (const auto& request : pool.agent(device).requests)
        if (!request.starts_with("get")) return true;
    return !migrations().empty();
  }
  void expectMoved(const std::string& source, const std::string& destination) {
    ASSERT_TRUE(waitFor([&] { return rowOf(source).holdStatus == HoldStatus::released; }));
    tell(destination, Phase::resumed);
    ASSERT_TRUE(waitFor([&] { return isOver(); }));
    EXPECT_EQ(migrations().front().outcome, Outcome::moved);
    EXPECT_EQ(migrations().front().plan.sourceHost, source);
    EXPECT_EQ(migrations().front().plan.destinationHost, destination);
    EXPECT_EQ(pool.agent("fw-b").rows<TcpConnRow>().size(), 20u);
  }
};

TEST_F(ServeUnlisted, aDestinationIsFoundByLldpAndAskedWhereItNotifiesFrom) {
  serve();
  stopForNodeB();
  expectMoved("host-a", "node-b");
  ASSERT_FALSE(HasFatalFailure());
  auto agent = pool.options("node-b", true);
  EXPECT_EQ(agent.peer, "udp:10.0.0.2:161");
  EXPECT_EQ(agent.version + " " + agent.level, "3 authPriv");
  EXPECT_EQ(migrations().front().plan.unlisted, (std::map<std::string, std::string>{{"node-b", "10.0.0.2"}}));
}

TEST_F(ServeUnlisted, aSourceIsFoundByTheVmsAddress) {
  inventory.hosts.clear();
  inventory.unlistedHosts = Inventory::Unlisted::tcp;
  neighbour("fw-a", "somebody");
  const std::string mac{2, 0, 0, 0, 0, 5};
  pool.agent("fw-a").put(TpFdbRow{.address = {mac}, .port = 1});
  serve();
  tell("node-b", Phase::prepared);
  notify("node-b", "fd00::2");
  tell("node-a", Phase::stopped, 5000);
  auto row = rowOf("node-a");
  row.macAddresses.value = mac;
  pool.agent("node-a").put(row);
  notify("node-a", "10.0.0.1");
  expectMoved("node-a", "node-b");
  EXPECT_EQ(pool.options("node-b", true).peer, "tcp6:[fd00::2]:161");
}

TEST_F(ServeUnlisted, aHostThatNoSwitchKnowsStopsItBeforeAnythingIsTouched) {
  neighbour("fw-b", "somebody");
  serve();
  stopForNodeB();
  EXPECT_TRUE(isCancelled());
  EXPECT_FALSE(isChanged());
}

TEST_F(ServeUnlisted, aHostThatTwoSwitchesKnowStopsIt) {
  neighbour("fw-a", "node-b");
  serve();
  stopForNodeB();
  EXPECT_TRUE(isCancelled());
  EXPECT_FALSE(isChanged());
}

TEST_F(ServeUnlisted, aHostThatTheOtherAloneNamesIsAskedNowhereUntilItNotifies) {
  serve();
  tell("host-a", Phase::stopped, 5000);
  auto row = rowOf("host-a");
  row.destinationHost.value = "node-b";
  pool.agent("host-a").put(row);
  letItBe();
  EXPECT_EQ(hold(), HoldStatus::held);
  EXPECT_FALSE(isChanged());
  EXPECT_TRUE(pool.agent("node-b").requests.empty());
  tell("node-b", Phase::prepared);
  notify("node-b", "10.0.0.2");
  expectMoved("host-a", "node-b");
}

TEST_F(ServeUnlisted, aHostThatTheOtherAloneNamesIsWaitedForDuringHalfOfTheHold) {
  serve();
  tell("host-a", Phase::stopped, 600);
  auto row = rowOf("host-a");
  row.destinationHost.value = "node-b";
  pool.agent("host-a").put(row);
  EXPECT_TRUE(isCancelled());
  EXPECT_FALSE(isChanged());
  EXPECT_TRUE(pool.agent("node-b").requests.empty());
}

TEST_F(ServeUnlisted, aHostWhoseAgentDoesNotAnswerTakesNoPart) {
  pool.agent("node-b").fault = [](const std::string&) { return FakeAgent::Fault::dead; };
  serve();
  stopForNodeB(600);
  EXPECT_TRUE(isCancelled());
  EXPECT_FALSE(isChanged());
}

TEST_F(ServeUnlisted, aSourceWhoseHoldTheManagerCouldNotEndIsRefused) {
  pool.agent("node-a").fault = [](const std::string& request) {
    return request.starts_with("get") ? FakeAgent::Fault::none : FakeAgent::Fault::refuse;
  };
  serve();
  tell("node-b", Phase::prepared);
  notify("node-b", "10.0.0.2");
  tell("node-a", Phase::preCopy);
  notify("node-a", "10.0.0.1");
  ASSERT_TRUE(waitFor([&] { return pool.agent("node-a").requests.contains("set vmMigPhaseTable"); })) << "it was tried";
  letItBe();
  EXPECT_FALSE(isChanged());
}

TEST_F(ServeUnlisted, anOtherAddressThatNotifiesByTheSameNameStopsIt) {
  serve();
  tell("node-b", Phase::prepared);
  notify("node-b", "10.0.0.2");
  ASSERT_TRUE(waitFor([&] { return !pool.agent("node-b").requests.empty(); }));
  letItBe();
  notify("node-b", "10.0.0.3");
  EXPECT_EQ(pool.options("node-b", true).peer, "udp:10.0.0.2:161");
  tell("host-a", Phase::stopped, 5000);
  EXPECT_TRUE(isCancelled());
  EXPECT_FALSE(isChanged());
}

TEST_F(ServeUnlisted, aHostOfTheInventoryAtAnotherAddressIsNoOther) {
  serve();
  for (const char* host : {"host-a", "alias"}) {
    tell(host, Phase::preCopy);
    auto row = rowOf(host);
    row.sourceHost.value = "alias";
    row.time.value = 4711;
    pool.agent(host).put(row);
  }
  notify("alias", "10.0.0.9");
  ASSERT_TRUE(waitFor([&] { return !pool.agent("alias").requests.empty(); }));
  letItBe();
  pool.agent("alias").requests.clear();
  stopForNodeB();
  expectMoved("host-a", "node-b");
  EXPECT_TRUE(pool.agent("alias").requests.empty()) << "it is asked where the inventory says";
}

TEST_F(ServeUnlisted, nobodyElseIsAskedThanWhoNotifiedByANameOfAHost) {
  serve();
  tell("tcp:10.9.9.9", Phase::prepared);
  notify("tcp:10.9.9.9", "10.0.0.2");
  letItBe();
  EXPECT_TRUE(pool.agent("tcp:10.9.9.9").requests.empty());
  tell("node-b", Phase::resumed);
  notify("node-b", "10.0.0.2");
  letItBe();
  EXPECT_TRUE(pool.agent("node-b").requests.empty()) << "it is history";
}

TEST_F(ServeUnlisted, aHostOfAnEarlierMigrationIsAskedWhereItWasThen) {
  JournalPlan plan{.vm = vm, .vmName = "web1", .sourceHost = "host-a", .destinationHost = "node-b", .legs = {{"fw-a", "fw-b"}}};
  plan.unlisted["node-b"] = "10.0.0.2";
  journal->end(*journal->begin(plan), Outcome::incomplete, "", {});
  serve();
  tell("host-a", Phase::resumed);
  auto row = rowOf("host-a");
  row.sourceHost.value = "host-a";
  row.destinationHost.value = "node-b";
  pool.agent("host-a").put(row);
  EXPECT_TRUE(waitFor([&] { return pool.options("node-b", true).peer == "udp:10.0.0.2:161"; }));
  EXPECT_TRUE(waitFor([&] { return !pool.agent("node-b").requests.empty(); }));
}

TEST(UnlistedHosts, areGivenUpAfterAMinuteOfSilence) {
  UnlistedHosts hosts;
  ASSERT_TRUE(hosts.add("node-b", "10.0.0.2"));
  Clock::time_point began{};
  EXPECT_FALSE(hosts.isGivenUp("node-b", false, began));
  EXPECT_FALSE(hosts.isGivenUp("node-b", true, began + 50s));
  EXPECT_FALSE(hosts.isGivenUp("node-b", false, began + 100s));
  EXPECT_FALSE(hosts.isGivenUp("node-b", false, began + 160s));
  EXPECT_TRUE(hosts.isGivenUp("node-b", false, began + 161s));
  EXPECT_FALSE(hosts.isGivenUp("host-a", false, began + 161s)) << "the inventory's stay";
}

TEST(UnlistedHosts, areNotMoreThanCanBeAsked) {
  UnlistedHosts hosts;
  for (std::size_t number = 0; number < UnlistedHosts::most; ++number)
    ASSERT_TRUE(hosts.add("node-" + std::to_string(number), "10.0.0." + std::to_string(number)));
  EXPECT_FALSE(hosts.add("node-b", "10.0.1.0"));
  hosts.forget("node-0");
  EXPECT_TRUE(hosts.add("node-b", "10.0.1.0"));
}

TEST_F(ServeUnlisted, theOperatorCanDoWithoutThem) {
  inventory.unlistedHosts = Inventory::Unlisted::none;
  serve();
  stopForNodeB(600);
  EXPECT_TRUE(isCancelled());
  EXPECT_FALSE(isChanged());
  EXPECT_TRUE(pool.agent("node-b").requests.empty());
}

}  // namespace
}  // namespace vmmig

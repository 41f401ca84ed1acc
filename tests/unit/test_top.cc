// SPDX-License-Identifier: GPL-2.0-or-later
// What `vmmig top` shows of what agents answered: the tables, the countdowns, and what a terminal gets to see of it.
#include <gtest/gtest.h>

#include <clocale>
#include <nlohmann/json.hpp>
#include <sstream>

#include "manager/top/model.h"

namespace vmmig::top {
namespace {

using namespace std::chrono_literals;

class Top : public testing::Test {
 protected:
  Top() {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    snapshot.now = Clock::time_point{} + 1000s;
    snapshot.utcMicroseconds = 1'700'000'000'000'000;
    view.width = 160;
    std::istringstream text{R"(
[device.fw-a]
agent = udp:192.0.2.1
[device.fw-b]
agent = udp:192.0.2.2
[device.sw-a]
agent = udp:192.0.2.3
[device.sw-b]
agent = udp:192.0.2.4
[host.host-a]
agent = udp:192.0.2.5
devices = fw-a, sw-a
[host.host-b]
agent = udp:192.0.2.6
devices = fw-b, sw-b
[vm.db1]
uuid = 00000000-0000-0000-0000-000000000002
addresses = 10.0.0.2
)"};
    auto parsed = Inventory::parse(text, "test");
    EXPECT_TRUE(parsed) << parsed.error().text;
    inventory = std::move(*parsed);
  }

  /// One that answered two seconds ago.
  Agent& device(const std::string& name) {
    auto& agent = snapshot.agents.emplace_back();
    agent.name = name;
    agent.reach = Reach::answers;
    agent.askedAt = agent.answeredAt = snapshot.now - 2s;
    agent.answerTime = 7ms;
    agent.scalars.backEnd.value = "linux";
    agent.scalars.maxRows = 262144;
    agent.scalars.maxTransfers = 64;
    agent.scalars.capabilities.mask = 1u << static_cast<int>(Capability::tcpConn) | 1u << static_cast<int>(Capability::image);
    return agent;
  }
  TransferRow& transfer(Agent& agent, TransferRole role, TransferOper oper, std::uint32_t rows, int number = 1) {
    auto& row = agent.transfers.emplace_back();
    row.uuid = vm(number);
    row.role = role;
    row.operStatus = oper;
    row.rows = rows;
    row.epoch = {77};
    row.deadline = {30};
    return row;
  }
  static Uuid vm(int number) { return *parseUuid("00000000-0000-0000-0000-00000000000" + std::to_string(number)); }

  std::string text() {
    auto frame = frameOf(snapshot, inventory, view);
    std::string all;
    for (const auto* lines : {&frame.head, &frame.body})
      for (const auto& line : *lines) {
        EXPECT_LE(cellsOf(plainText(line)), view.width);
        all += plainText(line) + "\n";
      }
    return all;
  }
  /// The first line that begins so.
  std::string line(const std::string& begin) {
    std::istringstream in{text()};
    for (std::string each; std::getline(in, each);)
      if (each.starts_with(begin)) return each;
    return "no line begins with " + begin + " in:\n" + text();
  }
  Style styleOfCell(const std::string& wanted) {
    auto frame = frameOf(snapshot, inventory, view);
    for (const auto& each : frame.body)
      for (const auto& run : each)
        if (run.text.starts_with(wanted)) return run.style;
    return Style::title;
  }
  static bool has(const std::string& all, const std::string& part) { return all.find(part) != std::string::npos; }

  Snapshot snapshot;
  Inventory inventory;
  View view;
};

TEST_F(Top, anEmptyInventoryIsAFrameToo) {
  EXPECT_TRUE(has(text(), "0 agents, 0 unreachable, 0 not well; 0 transfers under way, 0 VMs held"));
  EXPECT_TRUE(has(text(), "22:13:20 UTC"));
}

TEST_F(Top, aTransferHasItsRowsItsProgressAndTheTimeThatIsLeft) {
  auto& source = device("fw-a");
  source.names[vm(1)] = "web1";
  transfer(source, TransferRole::source, TransferOper::tracking, 1000).chunks = 3;
  transfer(device("fw-b"), TransferRole::destination, TransferOper::prepared, 420);
  EXPECT_TRUE(has(line("web1 "), "tracking")) << line("web1 ");
  EXPECT_TRUE(has(line("web1 "), "3 chunks"));
  auto destination = line("00000000-0000-0000-0000-000000000001");
  EXPECT_TRUE(has(destination, "[####......]  42 %")) << destination;
  EXPECT_TRUE(has(destination, "28 s")) << "2 of 30 seconds have passed since it answered: " << destination;
  EXPECT_TRUE(has(text(), "2 transfers under way"));
}

TEST_F(Top, withSeveralDevicesTheInventoryPairsThem) {
  transfer(device("fw-a"), TransferRole::source, TransferOper::frozen, 1000);
  transfer(device("sw-a"), TransferRole::source, TransferOper::frozen, 10);
  transfer(device("fw-b"), TransferRole::destination, TransferOper::prepared, 500);
  transfer(device("sw-b"), TransferRole::destination, TransferOper::prepared, 5);
  auto shown = transfersOf(snapshot, inventory);
  EXPECT_EQ(shown[2].expected, 1000u);
  EXPECT_EQ(shown[3].expected, 10u);
  // Between devices that the inventory does not pair it is not clear.
  snapshot.agents[3].name = "unknown";
  EXPECT_EQ(transfersOf(snapshot, inventory)[3].expected, std::nullopt);
  EXPECT_FALSE(has(line("00000000-0000-0000-0000-000000000001  unknown"), "%"));
}

TEST_F(Top, rowsOfAnotherClaimAreNotItsSource) {
  transfer(device("fw-a"), TransferRole::source, TransferOper::released, 1000).epoch = {76};
  transfer(device("fw-b"), TransferRole::destination, TransferOper::prepared, 500);
  EXPECT_EQ(transfersOf(snapshot, inventory)[1].expected, std::nullopt);
}

TEST_F(Top, whatHasEndedComesLastOrNotAtAll) {
  auto& agent = device("fw-a");
  transfer(agent, TransferRole::source, TransferOper::released, 9, 1);
  transfer(agent, TransferRole::source, TransferOper::tracking, 9, 2);
  auto all = text();
  EXPECT_LT(all.find("db1"), all.find("00000000-0000-0000-0000-000000000001")) << all;
  view.isReversed = true;
  all = text();
  EXPECT_GT(all.find("db1"), all.find("00000000-0000-0000-0000-000000000001")) << all;
  view.hidesFinished = true;
  EXPECT_FALSE(has(text(), "00000000-0000-0000-0000-000000000001"));
  EXPECT_FALSE(has(line("db1"), "%"));
}

TEST_F(Top, transfersAreSortedByRowsAndByDevice) {
  transfer(device("z"), TransferRole::source, TransferOper::tracking, 9, 1);
  transfer(device("a"), TransferRole::source, TransferOper::tracking, 100, 3);
  auto isFirst = [&](const std::string& one, const std::string& other) {
    auto all = text();
    return all.find(one) < all.find(other);
  };
  EXPECT_TRUE(isFirst("-000000000001", "-000000000003"));
  view.sort = Sort::rows;
  EXPECT_TRUE(isFirst("-000000000003", "-000000000001"));
  view.sort = Sort::device;
  EXPECT_TRUE(isFirst("-000000000003", "-000000000001"));
  EXPECT_TRUE(has(text(), "by device"));
}

TEST_F(Top, aFailureIsToldWithItsReason) {
  auto& row = transfer(device("fw-b"), TransferRole::destination, TransferOper::failed, 0, 2);
  row.error.value = "port vms does not exist here";
  EXPECT_TRUE(has(line("db1"), "failed")) << line("db1");
  EXPECT_TRUE(has(line("db1"), "port vms does not exist here"));
  EXPECT_EQ(styleOfCell("failed"), Style::bad);
  row.missing = 3;
  EXPECT_TRUE(has(line("db1"), "3 rows missing; port vms"));
}

TEST_F(Top, aHoldCountsDownAndTheNextToEndIsFirst) {
  auto& host = device("host-a");
  host.scalars.backEnd.value.clear();
  for (int number : {1, 2}) {
    auto& row = host.phases.emplace_back();
    row.uuid = vm(number);
    row.vmName.value = number == 1 ? "slow" : "soon";
    row.phase = Phase::stopped;
    row.holdStatus = HoldStatus::held;
    row.holdDeadline = {number == 1 ? 9000u : 2500u};
    row.holdPolicy = number == 1 ? HoldPolicy::bestEffort : HoldPolicy::require;
    row.sourceHost.value = "host-a";
    row.destinationHost.value = "host-b";
  }
  auto all = text();
  EXPECT_LT(all.find("soon"), all.find("slow")) << all;
  EXPECT_TRUE(has(line("soon"), "0.5 s")) << line("soon");
  EXPECT_TRUE(has(line("soon"), "goes back"));
  EXPECT_TRUE(has(line("slow"), "7.0 s"));
  EXPECT_TRUE(has(line("slow"), "goes on"));
  EXPECT_EQ(styleOfCell("0.5 s"), Style::title) << "it is padded";
  EXPECT_TRUE(has(all, "2 VMs held"));
  // What a host tells of long ago is no migration.
  for (auto& row : host.phases) row.holdStatus = HoldStatus::released;
  EXPECT_FALSE(has(text(), "soon"));
}

TEST_F(Top, agentsThatDoNotAnswerSaySo) {
  device("fw-a");
  auto& silent = device("fw-b");
  silent.reach = Reach::silent;
  silent.error = "udp:192.0.2.2: no answer. Is the device up?";
  device("sw-a").reach = Reach::noAgent;
  snapshot.agents.push_back({.name = "sw-b"});
  EXPECT_TRUE(has(line("fw-a"), "up"));
  EXPECT_TRUE(has(line("fw-a"), "262144"));
  EXPECT_TRUE(has(line("fw-a"), "0/64"));
  EXPECT_TRUE(has(line("fw-a"), "1 table, image"));
  EXPECT_TRUE(has(line("fw-b"), "unreachable")) << line("fw-b");
  EXPECT_TRUE(has(line("fw-b"), "no answer. Is the device up?"));
  EXPECT_TRUE(has(line("sw-a"), "no agent"));
  EXPECT_TRUE(has(line("sw-b"), "asking"));
  EXPECT_TRUE(has(text(), "4 agents, 2 unreachable"));
  EXPECT_EQ(styleOfCell("unreachable"), Style::bad);
}

TEST_F(Top, anAnswerThatIsLateIsNoted) {
  device("fw-a").askedAt = snapshot.now;
  EXPECT_FALSE(has(line("fw-a"), "no answer for"));
  snapshot.agents[0].askedAt = snapshot.now - 5s;
  snapshot.agents[0].answeredAt = snapshot.now - 6s;
  EXPECT_TRUE(has(line("fw-a"), "no answer for 5.0 s"));
  snapshot.agents[0].scalars.health = Health::degraded;
  EXPECT_TRUE(has(text(), "1 not well"));
}

TEST_F(Top, onANarrowTerminalTheLeastImportantColumnsGo) {
  auto& agent = device("fw-a");
  agent.names[vm(1)] = "web1";
  transfer(agent, TransferRole::source, TransferOper::tracking, 1000);
  for (std::size_t width : {200, 100, 80, 60, 40, 20, 8, 1}) {
    view.width = width;
    text();  // expects that no line is wider
  }
  view.width = 60;
  EXPECT_TRUE(has(line("web1"), "tracking")) << line("web1");
  EXPECT_FALSE(has(text(), "EPOCH"));
  view.width = 160;
  EXPECT_TRUE(has(text(), "EPOCH"));
}

TEST_F(Top, aNoteThatIsCutStandsBelowInFull) {
  const std::string remedy = "net.netfilter.nf_conntrack_tcp_loose is 1: this firewall is not strict; set it to 0 with sysctl";
  for (const auto* name : {"fw-a", "fw-b"}) {
    auto& agent = device(name);
    agent.scalars.health = Health::degraded;
    agent.scalars.healthText = {remedy};
  }
  view.width = 300;
  EXPECT_TRUE(has(text(), remedy));
  EXPECT_FALSE(has(text(), "NOTES"));
  view.width = 60;
  EXPECT_TRUE(has(text(),
                  "\n\nNOTES\nfw-a; fw-b: net.netfilter.nf_conntrack_tcp_loose is 1: this\n"
                  "  firewall is not strict; set it to 0 with sysctl\n"))
      << text();
  view.width = 10;
  EXPECT_TRUE(has(text(), "\n  strict;\n")) << text();
}

TEST_F(Top, aTransfersReasonThatIsCutStandsBelowInFull) {
  auto& row = transfer(device("fw-b"), TransferRole::destination, TransferOper::failed, 5);
  row.error = {"vmMigTcpConnTable, row 10.1.0.5:7000: the device is full; see vmMigMaxRows and vmMigHealthText"};
  view.width = 80;
  EXPECT_TRUE(has(text(), "\nNOTES\nfw-b, 00000000-0000-0000-0000-000000000001: ")) << text();
  EXPECT_TRUE(has(text(), " see vmMigMaxRows and")) << text();
}

TEST_F(Top, whatADeviceSaysDoesNothingToTheTerminal) {
  auto& agent = device("fw-a");
  agent.names[vm(1)] =
      "\033[2J\r\nweb\xff\xc2\x9b"
      "1\t\u202e";
  transfer(agent, TransferRole::source, TransferOper::tracking, 1);
  auto all = text();
  for (char c : {'\033', '\r', '\t', '\xff', '\x9b'}) EXPECT_EQ(all.find(c), std::string::npos) << static_cast<int>(c);
  EXPECT_TRUE(has(all, "?[2J??web??1??"));
}

TEST_F(Top, wideCharactersTakeTwoCells) {
  EXPECT_EQ(cellsOf("web"), 3u);
  EXPECT_EQ(cellsOf("ä"), 1u);
  EXPECT_EQ(cellsOf("漢字"), 4u);
  EXPECT_EQ(cellsOf("e\u0301"), 1u);
  EXPECT_EQ(fitted(std::string{"漢字漢字"}, 5), "漢字…");
  EXPECT_EQ(fitted(std::string{"漢字漢字"}, 4), "漢…");
  EXPECT_EQ(fitted(std::string{"web"}, 3), "web");
  std::setlocale(LC_CTYPE, "C");
  EXPECT_EQ(fitted(std::string{"wäbserver"}, 5), "w??b~");
}

TEST_F(Top, asJsonTheKeysAreTheModules) {
  auto& source = device("fw-a");
  transfer(source, TransferRole::source, TransferOper::tracking, 1000);
  transfer(device("fw-b"), TransferRole::destination, TransferOper::prepared, 400);
  snapshot.agents.push_back({.name = "sw-a", .reach = Reach::silent, .error = "no answer"});
  auto json = jsonOf(snapshot, inventory);
  EXPECT_EQ(json["transfers"][1]["vmMigTransferOperStatus"], "prepared");
  EXPECT_EQ(json["transfers"][1]["vmMigTransferRows"], 400);
  EXPECT_EQ(json["transfers"][1]["rowsAtSource"], 1000);
  EXPECT_EQ(json["transfers"][1]["secondsLeft"], 28);
  EXPECT_EQ(json["agents"][0]["device"]["vmMigMaxRows"], 262144);
  EXPECT_EQ(json["agents"][0]["ageMs"], 2000);
  EXPECT_EQ(json["agents"][2]["state"], "unreachable");
  EXPECT_EQ(json["agents"][2]["error"], "no answer");
  EXPECT_FALSE(json["agents"][2].contains("device"));
}

}  // namespace
}  // namespace vmmig::top

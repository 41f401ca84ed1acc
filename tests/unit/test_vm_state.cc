// SPDX-License-Identifier: GPL-2.0-or-later
// The file of export and import, and what diff calls a difference.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "manager/vm_state.h"
#include "mibs/tcp_conn_table.h"
#include "mibs/vm_address_table.h"
#include "tests/unit/fake_session.h"

namespace vmmig {
namespace {

using nlohmann::json;

const Uuid web = *parseUuid("6ba7b810-9dad-41d1-80b4-00c04fd430c8");

VmState sample() {
  VmState state;
  state.vm.uuid = web;
  state.vm.name.value = "web1";
  VmAddressRow address;
  address.uuid = web;
  address.address = *parseInetAddress("10.0.0.5");
  state.addresses.emplace_back(address);
  TcpConnRow row;
  row.uuid = web;
  row.localAddress = address.address;
  row.localPort = 80;
  row.remAddress = *parseInetAddress("192.0.2.7");
  row.remPort = 4000;
  row.timeout = 100;
  row.labels.value = std::string(16, '\x01');
  state.rows.emplace_back(row);
  return state;
}

json sampleJson() { return toJson(sample(), "fw-a"); }

std::string errorOf(const json& root) {
  auto state = vmStateFromText(root.dump());
  return state ? "accepted" : state.error().text;
}

TEST(VmStateFile, HoldsWhatWasExported) {
  auto state = vmStateFromText(sampleJson().dump());
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_EQ(state->vm.name.value, "web1");
  EXPECT_TRUE(differences(sample(), *state, 0).empty());
}

TEST(VmStateFile, NamesItsVersionAndRefusesAnother) {
  auto root = sampleJson();
  EXPECT_EQ(root["version"], 1);
  root["version"] = 2;
  EXPECT_NE(errorOf(root).find("version"), std::string::npos);
  root["version"] = "1";
  EXPECT_NE(errorOf(root).find("version"), std::string::npos);
}

TEST(VmStateFile, SaysWhereItIsWrong) {
  EXPECT_EQ(vmStateFromText("{").error().text, "this is no JSON");
  EXPECT_NE(errorOf(json::array()).find("no file of"), std::string::npos);
  EXPECT_NE(errorOf(json::object()).find("no file of"), std::string::npos);
  auto root = sampleJson();
  root["tables"]["vmMigTcpConnTable"][0]["vmMigTcpConnState"] = "openish";
  EXPECT_NE(errorOf(root).find("vmMigTcpConnTable[0]: vmMigTcpConnState"), std::string::npos) << errorOf(root);
  root = sampleJson();
  root.erase("addresses");
  EXPECT_NE(errorOf(root).find("\"addresses\" is missing"), std::string::npos);
  root = sampleJson();
  root["tables"]["vmMigNothingTable"] = json::array();
  EXPECT_NE(errorOf(root).find("vmMigNothingTable"), std::string::npos);
  root = sampleJson();
  root["tables"]["vmMigTransferTable"] = json::array();
  EXPECT_NE(errorOf(root).find("vmMigTransferTable"), std::string::npos) << "a table that does not move must not be imported";
  root = sampleJson();
  root["tables"] = 5;
  EXPECT_NE(errorOf(root), "accepted");
}

TEST(VmStateFile, RefusesARowOfAnotherVmAndARowTwice) {
  auto root = sampleJson();
  root["tables"]["vmMigTcpConnTable"][0]["vmMigVmUuid"] = "00000000-0000-4000-8000-000000000001";
  EXPECT_NE(errorOf(root).find("not of the file's"), std::string::npos) << errorOf(root);
  root = sampleJson();
  root["tables"]["vmMigTcpConnTable"].push_back(root["tables"]["vmMigTcpConnTable"][0]);
  EXPECT_NE(errorOf(root).find("twice"), std::string::npos);
}

TEST(VmDiff, SeesRowsOnOneSideOnly) {
  auto left = sample(), right = sample();
  right.rows.front().as<TcpConnRow>().remPort = 4001;
  auto lines = differences(left, right, 0);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "- TcpConn 0 10.0.0.5 80 192.0.2.7 4000");
  EXPECT_EQ(lines[1], "+ TcpConn 0 10.0.0.5 80 192.0.2.7 4001");
}

TEST(VmDiff, NamesTheColumnsThatDiffer) {
  auto left = sample(), right = sample();
  right.rows.front().as<TcpConnRow>().state = TcpState::closeWait;
  right.rows.front().as<TcpConnRow>().mark = 3;
  auto lines = differences(left, right, 0);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], "! TcpConn 0 10.0.0.5 80 192.0.2.7 4000: State established -> closeWait, Mark 0 -> 3");
}

TEST(VmDiff, ComparesClockColumnsWithinTheTolerance) {
  auto left = sample(), right = sample();
  right.rows.front().as<TcpConnRow>().timeout = 95;
  EXPECT_TRUE(differences(left, right, 5).empty());
  EXPECT_EQ(differences(left, right, 4).size(), 1u);
}

TEST(VmDiff, WhatHasNoEndIsEqualOnlyToItself) {
  auto left = sample(), right = sample();
  left.rows.front().as<TcpConnRow>().timeout = forEver;
  right.rows.front().as<TcpConnRow>().timeout = forEver - 2;
  EXPECT_EQ(differences(left, right, 5).size(), 1u);
  EXPECT_EQ(differences(right, left, 5).size(), 1u);
  right.rows.front().as<TcpConnRow>().timeout = forEver;
  EXPECT_TRUE(differences(left, right, 0).empty());
}

TEST(VmDiff, LeavesOutWhatIsTheDevicesOwnBusiness) {
  auto left = sample(), right = sample();
  right.rows.front().as<TcpConnRow>().storageType = StorageType::nonVolatile;
  right.vm.port.value = "tap7";
  EXPECT_TRUE(differences(left, right, 0).empty());
}

TEST(FindVm, TakesAUuidAsItIsAndLooksANameUp) {
  EventLoop loop;
  auto session = std::make_unique<test::FakeSession>(loop);
  session->put(sample().vm);
  auto twin = sample().vm;
  twin.uuid.octets[0] = 1;
  twin.name.value = "twin";
  session->put(twin);
  auto second = twin;
  second.uuid.octets[0] = 2;
  session->put(second);
  Device device{"fw-a", std::move(session)};
  EXPECT_EQ(test::await(loop, findVm(device, toString(web))).value(), web);
  EXPECT_EQ(test::await(loop, findVm(device, "web1")).value(), web);
  EXPECT_EQ(test::await(loop, findVm(device, "nobody")).error().status, SnmpStatus::noSuchName);
  EXPECT_NE(test::await(loop, findVm(device, "twin")).error().text.find("several"), std::string::npos);
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP snooping apart from the kernel: how frames read, and what they teach.

#include "subagent/linux_dhcp_packet.h"

#include <gtest/gtest.h>

#include "mibs/column.h"
#include "subagent/linux_dhcp_learner.h"
#include "tests/unit/dhcp_frames.h"

namespace vmmig {
namespace {

using test::Dhcp6Frame;
using test::DhcpFrame;
using test::macOf;
using Kind = DhcpMessage::Kind;

TEST(DhcpPacket, AnAckIsALeaseOfTheClient) {
  auto message = readDhcpFrame(DhcpFrame{.type = test::ack, .xid = 7, .yiaddr = "10.1.0.5", .leaseTime = 3600}.text());
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, Kind::lease);
  EXPECT_EQ(message->clientMac, macOf(5));
  EXPECT_EQ(message->sourceMac, macOf(0x63));
  EXPECT_EQ(message->transaction, 7u);
  ASSERT_EQ(message->leases.size(), 1u);
  EXPECT_EQ(toString(message->leases[0].address), "10.1.0.5");
  EXPECT_EQ(message->leases[0].seconds, 3600u);
}

TEST(DhcpPacket, AnInfiniteLeaseIsForEver) {
  auto message = readDhcpFrame(DhcpFrame{.type = test::ack, .yiaddr = "10.1.0.5", .leaseTime = 0xffffffff}.text());
  ASSERT_TRUE(message);
  EXPECT_EQ(message->leases.at(0).seconds, forEver);
}

TEST(DhcpPacket, WhatClientsSay) {
  for (auto type : {test::discover, test::request}) EXPECT_EQ(readDhcpFrame(DhcpFrame{.type = type}.text())->kind, Kind::request);
  auto release = readDhcpFrame(DhcpFrame{.type = test::release, .ciaddr = "10.1.0.5"}.text());
  ASSERT_TRUE(release);
  EXPECT_EQ(release->kind, Kind::release);
  EXPECT_EQ(toString(release->leases.at(0).address), "10.1.0.5");
  auto decline = readDhcpFrame(DhcpFrame{.type = test::decline, .requested = "10.1.0.6"}.text());
  ASSERT_TRUE(decline);
  EXPECT_EQ(toString(decline->leases.at(0).address), "10.1.0.6");
  EXPECT_EQ(readDhcpFrame(DhcpFrame{.type = test::nak}.text())->kind, Kind::refusal);
}

TEST(DhcpPacket, OptionsMayStandInTheFileField) {
  DhcpFrame frame{.type = test::ack, .yiaddr = "10.1.0.5"};
  frame.extraOptions = "\x34\x01\x01";  // 52: overload
  frame.file = std::string{"\x33\x04\0\0\x0e\x10\xff", 7};
  auto message = readDhcpFrame(frame.text());
  ASSERT_TRUE(message);
  EXPECT_EQ(message->leases.at(0).seconds, 3600u);
}

TEST(DhcpPacket, WhatIsNoLeaseIsNothing) {
  EXPECT_FALSE(readDhcpFrame(DhcpFrame{.type = test::ack, .yiaddr = "10.1.0.5"}.text())) << "BOOTP: no lease time";
  EXPECT_FALSE(readDhcpFrame(DhcpFrame{.type = test::ack, .leaseTime = 60}.text())) << "INFORM: no address";
  EXPECT_FALSE(readDhcpFrame(DhcpFrame{.type = test::ack, .yiaddr = "10.1.0.5", .leaseTime = 0}.text()));
  EXPECT_FALSE(readDhcpFrame(DhcpFrame{.type = test::offer, .yiaddr = "10.1.0.5", .leaseTime = 60}.text()));
  EXPECT_FALSE(readDhcpFrame(DhcpFrame{.type = test::inform, .ciaddr = "10.1.0.5"}.text()));
  EXPECT_FALSE(readDhcpFrame(DhcpFrame{.type = test::release}.text())) << "of no address";
}

TEST(DhcpPacket, EveryTruncationIsNothingOrTheSame) {
  auto whole = DhcpFrame{.type = test::ack, .yiaddr = "10.1.0.5", .leaseTime = 3600}.text();
  ASSERT_TRUE(readDhcpFrame(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(readDhcpFrame(whole.substr(0, size))) << size;
  EXPECT_TRUE(readDhcpFrame(whole + std::string(20, 'x'))) << "Ethernet pads";
}

TEST(DhcpPacket, PiecesOfPacketsAndOtherPortsAreNothing) {
  auto frame = DhcpFrame{}.text();
  auto fragment = frame;
  fragment[20] = 0x20;  // more fragments
  EXPECT_FALSE(readDhcpFrame(fragment));
  fragment[20] = 0;
  fragment[21] = 1;  // offset
  EXPECT_FALSE(readDhcpFrame(fragment));
  auto tcp = frame;
  tcp[23] = 6;
  EXPECT_FALSE(readDhcpFrame(tcp));
  auto port = frame;
  port[37] = 53;
  EXPECT_FALSE(readDhcpFrame(port));
}

TEST(DhcpPacket, Dhcp6) {
  EXPECT_EQ(readDhcpFrame(Dhcp6Frame{}.text())->kind, Kind::request);
  auto reply = readDhcpFrame(Dhcp6Frame{.type = test::reply6}.text());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->kind, Kind::lease);
  EXPECT_EQ(reply->clientMac, macOf(5));
  EXPECT_EQ(toString(reply->leases.at(0).address), "2001:db8::5");
  EXPECT_EQ(reply->leases.at(0).seconds, 3600u);
  EXPECT_FALSE(readDhcpFrame(Dhcp6Frame{.type = test::reply6, .validLifetime = 0}.text())) << "an end of the lease";
  EXPECT_EQ(readDhcpFrame(Dhcp6Frame{.type = test::release6}.text())->kind, Kind::release);
  auto whole = Dhcp6Frame{.type = test::reply6}.text();
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(readDhcpFrame(whole.substr(0, size))) << size;
}

/// Ports vm1 and vm2, where clients are, and core, behind which the server is.
class Learning : public testing::Test {
 protected:
  using Clock = DhcpLearner::Clock;

  std::vector<DhcpLearner::Change> hear(const std::string& port, const std::string& frame, std::uint16_t vlan = 0) {
    auto message = readDhcpFrame(frame);
    if (!message) return {};
    return learner_.learn(*message, {port, port == "core", vlan}, now_);
  }
  static std::string ackFor(std::uint32_t xid = 0x1234) {
    return DhcpFrame{.type = test::ack, .xid = xid, .yiaddr = "10.1.0.5", .leaseTime = 3600}.text();
  }

  DhcpLearner learner_;
  Clock::time_point now_ = Clock::now();
};

TEST_F(Learning, TheAckGivesTheBindingToThePortThatAsked) {
  EXPECT_TRUE(hear("vm1", DhcpFrame{}.text(), 10).empty());
  auto changes = hear("core", ackFor(), 10);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].isEnd);
  const auto& binding = changes[0].binding;
  EXPECT_EQ(binding.port, "vm1");
  EXPECT_EQ(binding.vlan, 10);
  EXPECT_EQ(binding.macAddress, macOf(5));
  EXPECT_EQ(toString(binding.address), "10.1.0.5");
  EXPECT_EQ(binding.seconds, 3600u);
}

TEST_F(Learning, Dhcp6Too) {
  hear("vm1", Dhcp6Frame{}.text());
  auto changes = hear("core", Dhcp6Frame{.type = test::reply6}.text());
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(toString(changes[0].binding.address), "2001:db8::5");
}

TEST_F(Learning, ServersAtUntrustedPortsAreNotHeard) {
  hear("vm1", DhcpFrame{}.text());
  EXPECT_TRUE(hear("vm2", ackFor()).empty());
  EXPECT_TRUE(hear("vm1", ackFor()).empty());
  EXPECT_EQ(hear("core", ackFor()).size(), 1u) << "and the request is still waiting for the right one";
}

TEST_F(Learning, AnAnswerThatNobodyHereAskedForIsNotHeard) {
  EXPECT_TRUE(hear("core", ackFor()).empty());
  hear("core", DhcpFrame{}.text());  // of a client behind the trusted port
  EXPECT_TRUE(hear("core", ackFor()).empty());
  hear("vm1", DhcpFrame{}.text());
  EXPECT_TRUE(hear("core", ackFor(0x4321)).empty()) << "another transaction";
  EXPECT_TRUE(hear("core", ackFor(), 20).empty()) << "another VLAN";
}

TEST_F(Learning, WhoRepeatsANeighboursBroadcastGetsNothing) {
  hear("vm1", DhcpFrame{}.text());
  hear("vm2", DhcpFrame{}.text());
  auto changes = hear("core", ackFor());
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].binding.port, "vm1");
}

TEST_F(Learning, AClientSpeaksForItselfOnly) {
  hear("vm1", DhcpFrame{.sourceMac = macOf(9)}.text());
  EXPECT_TRUE(hear("core", ackFor()).empty()) << "in the name of another MAC";
  hear("vm1", DhcpFrame{.giaddr = "10.1.0.9"}.text());
  EXPECT_TRUE(hear("core", ackFor()).empty()) << "as a relay";
}

TEST_F(Learning, AReleaseEndsTheBindingAtItsOwnPort) {
  auto frame = DhcpFrame{.type = test::release, .ciaddr = "10.1.0.5"};
  auto changes = hear("vm2", frame.text());
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].isEnd);
  EXPECT_EQ(changes[0].binding.port, "vm2") << "the binding at vm1 is another one";
  frame.sourceMac = macOf(9);
  EXPECT_TRUE(hear("vm1", frame.text()).empty());
}

TEST_F(Learning, ANakForgetsTheRequest) {
  hear("vm1", DhcpFrame{}.text());
  EXPECT_TRUE(hear("core", DhcpFrame{.type = test::nak}.text()).empty());
  EXPECT_TRUE(hear("core", ackFor()).empty());
}

TEST_F(Learning, RequestsAreForgottenInTime) {
  hear("vm1", DhcpFrame{}.text());
  now_ += DhcpLearner::memory + std::chrono::seconds{1};
  EXPECT_TRUE(hear("core", ackFor()).empty());
}

TEST_F(Learning, APortThatFloodsForgetsItsOwnRequestsOnly) {
  hear("vm1", DhcpFrame{}.text());
  hear("vm2", DhcpFrame{.xid = 1}.text());
  for (std::uint32_t xid = 2; xid < 2 + DhcpLearner::requestsPerPort; ++xid) {
    now_ += std::chrono::milliseconds{200};  // as fast as it may be heard
    hear("vm2", DhcpFrame{.xid = xid}.text());
  }
  EXPECT_TRUE(hear("core", ackFor(1)).empty());
  EXPECT_EQ(hear("core", ackFor(2)).size(), 1u);
  EXPECT_EQ(hear("core", ackFor()).size(), 1u);
}

TEST_F(Learning, AFloodOfReleasesIsCutToWhatAPortMayAsk) {
  auto released = [&](const std::string& port, int count) {
    std::size_t changes = 0;
    for (int i = 0; i < count; ++i) changes += hear(port, DhcpFrame{.type = test::release, .ciaddr = "10.1.0.5"}.text()).size();
    return changes;
  };
  EXPECT_EQ(released("vm1", 1000), 20u);
  EXPECT_EQ(released("vm2", 3), 3u) << "another port's are heard";
  hear("vm1", DhcpFrame{}.text());
  EXPECT_EQ(hear("core", ackFor()).size(), 1u) << "and so are this port's requests";
  now_ += std::chrono::seconds{2};
  EXPECT_EQ(released("vm1", 1000), 10u);
  now_ += std::chrono::hours{1};
  EXPECT_EQ(released("vm1", 1000), 20u);
}

TEST_F(Learning, AFloodOfRequestsIsCutToo) {
  std::size_t answered = 0;
  for (std::uint32_t xid = 1; xid <= 60; ++xid) hear("vm1", DhcpFrame{.xid = xid}.text());
  for (std::uint32_t xid = 1; xid <= 60; ++xid) answered += hear("core", ackFor(xid)).size();
  EXPECT_EQ(answered, 20u);
}

}  // namespace
}  // namespace vmmig

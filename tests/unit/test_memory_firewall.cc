// SPDX-License-Identifier: GPL-2.0-or-later
// The model firewall, and with it the story of draft-gu-dc-management-problem-statement-00 section 4.1 with its own numbers.

#include "subagent/memory_firewall.h"

#include <gtest/gtest.h>

#include "subagent/memory_back_end.h"

namespace vmmig {
namespace {

using namespace std::chrono_literals;

// Section 4.1.1.
const Endpoint vmEnd{parseInetAddress("10.138.3.1").value(), 1234};
const Endpoint peerEnd{parseInetAddress("192.167.22.3").value(), 4321};
const Vm vm1{{{1}}, "VM1", {vmEnd.address}};

/// An hour into the life of the machine, and only moving when told.
struct TestClock {
  Clock::time_point now{1h};
  MemoryFirewall::Now function() {
    return [this] { return now; };
  }
};

constexpr std::uint32_t vmIsn = 89, peerIsn = 5000;

TcpPacket fromVm(std::uint32_t sequence, std::uint32_t length = 1) {
  return {.source = vmEnd,
          .destination = peerEnd,
          .sequence = sequence,
          .acknowledgement = peerIsn + 1,
          .length = length,
          .ack = true};
}
TcpPacket fromPeer(std::uint32_t sequence, std::uint32_t acknowledgement, std::uint32_t length = 0) {
  return {.source = peerEnd,
          .destination = vmEnd,
          .sequence = sequence,
          .acknowledgement = acknowledgement,
          .length = length,
          .ack = true};
}

bool openConnection(MemoryFirewall& firewall) {
  auto syn = fromVm(vmIsn, 0);
  syn.syn = true;
  syn.ack = false;
  auto synAck = fromPeer(peerIsn, vmIsn + 1);
  synAck.syn = true;
  return firewall.packet(syn) && firewall.packet(synAck) && firewall.packet(fromVm(vmIsn + 1, 0));
}

/// Packets of one octet each, with these sequence numbers.
bool sendFromVm(MemoryFirewall& firewall, std::uint32_t first, std::uint32_t last) {
  for (auto sequence = first; sequence <= last; ++sequence)
    if (!firewall.packet(fromVm(sequence))) return false;
  return true;
}

/// Firewall-A and Firewall-B; a copy is what a network manager would do: GET there, SET here.
class DraftSection41 : public testing::Test {
 protected:
  TcpConnRow get() { return a_.firewall().rowsOf(vm1).at(0); }
  void set(const TcpConnRow& row) {
    auto result = b_.tables()[0]->create(vm1, std::vector<AnyRow>{row});
    ASSERT_FALSE(result.error) << result.error->text;
  }

  TestClock clock_;
  MemoryBackEnd a_{100, clock_.function()};
  MemoryBackEnd b_{100, clock_.function()};
};

TEST_F(DraftSection41, TheTableOfFirewallAHasTheItemOfTheDraft) {
  ASSERT_TRUE(openConnection(a_.firewall()));
  auto row = get();
  EXPECT_EQ(row.state, TcpState::established);
  EXPECT_EQ(toString(row.localAddress), "10.138.3.1");
  EXPECT_EQ(row.localPort, 1234);
  EXPECT_EQ(toString(row.remAddress), "192.167.22.3");
  EXPECT_EQ(row.remPort, 4321);
  EXPECT_TRUE(row.windowKnown);
  EXPECT_EQ(row.opener, TcpOpener::local);
}

TEST_F(DraftSection41, WithoutACopyTheFollowingPacketsAreDropped) {
  ASSERT_TRUE(openConnection(a_.firewall()));
  ASSERT_TRUE(sendFromVm(a_.firewall(), 90, 110));
  EXPECT_FALSE(b_.firewall().packet(fromVm(111)));
  EXPECT_FALSE(b_.firewall().packet(fromPeer(peerIsn + 1, 111, 1)));
  EXPECT_EQ(b_.firewall().invalidPackets(), 2u);
  EXPECT_EQ(b_.rows(), 0u) << "and they open no connection";
}

TEST_F(DraftSection41, ACopyOfTimeAWithSequenceNumber99DropsPacket111AndTheConnectionIsLost) {
  ASSERT_TRUE(openConnection(a_.firewall()));
  ASSERT_TRUE(sendFromVm(a_.firewall(), 90, 99));
  auto atTimeA = get();
  EXPECT_EQ(atTimeA.seqNumber, 100u) << "99 was sent, 100 is expected";
  ASSERT_TRUE(sendFromVm(a_.firewall(), 100, 110));
  set(atTimeA);
  EXPECT_FALSE(b_.firewall().packet(fromVm(111)));
  EXPECT_EQ(b_.firewall().invalidPackets(), 1u);
  for (int retransmission = 0; retransmission < 15; ++retransmission) EXPECT_FALSE(b_.firewall().packet(fromVm(111)));
}

TEST_F(DraftSection41, ACopyOfTheStopWithSequenceNumber110LetsPacket111Pass) {
  ASSERT_TRUE(openConnection(a_.firewall()));
  ASSERT_TRUE(sendFromVm(a_.firewall(), 90, 110));
  ASSERT_TRUE(a_.block(vm1));
  auto inTheStop = get();
  EXPECT_EQ(inTheStop.seqNumber, 111u) << "110 was sent, 111 is expected";
  set(inTheStop);
  EXPECT_TRUE(b_.firewall().packet(fromVm(111)));
  EXPECT_TRUE(b_.firewall().packet(fromPeer(peerIsn + 1, 112, 1)));
  EXPECT_TRUE(sendFromVm(b_.firewall(), 112, 200));
  EXPECT_EQ(b_.firewall().invalidPackets(), 0u);
}

TEST_F(DraftSection41, WithoutABlockAPacketBehindTheReadMakesTheCopyStale) {
  ASSERT_TRUE(openConnection(a_.firewall()));
  ASSERT_TRUE(sendFromVm(a_.firewall(), 90, 110));
  set(get());
  ASSERT_TRUE(sendFromVm(a_.firewall(), 111, 111));
  EXPECT_FALSE(b_.firewall().packet(fromVm(112)));
}

TEST(MemoryFirewall, OnlyASynOpensAConnection) {
  MemoryFirewall firewall;
  EXPECT_FALSE(firewall.packet(fromVm(1)));
  auto synAck = fromPeer(1, 1);
  synAck.syn = true;
  EXPECT_FALSE(firewall.packet(synAck));
  EXPECT_EQ(firewall.size(), 0u);
  EXPECT_TRUE(openConnection(firewall));
  EXPECT_EQ(firewall.size(), 1u);
}

TEST(MemoryFirewall, FollowsAConnectionToItsEnd) {
  MemoryFirewall firewall;
  ASSERT_TRUE(openConnection(firewall));
  auto state = [&] { return firewall.rowsOf(vm1).at(0).state; };
  auto fin = fromVm(90, 0);
  fin.fin = true;
  EXPECT_TRUE(firewall.packet(fin));
  EXPECT_EQ(state(), TcpState::finWait1);
  EXPECT_TRUE(firewall.packet(fromPeer(peerIsn + 1, 91)));
  EXPECT_EQ(state(), TcpState::closeWait);
  auto peerFin = fromPeer(peerIsn + 1, 91);
  peerFin.fin = true;
  EXPECT_TRUE(firewall.packet(peerFin));
  EXPECT_EQ(state(), TcpState::lastAck);
  EXPECT_TRUE(firewall.packet(fromVm(91, 0)));
  EXPECT_EQ(state(), TcpState::timeWait);
}

TEST(MemoryFirewall, AResetClosesAConnection) {
  MemoryFirewall firewall;
  ASSERT_TRUE(openConnection(firewall));
  auto reset = fromPeer(peerIsn + 1, 90);
  reset.rst = true;
  EXPECT_TRUE(firewall.packet(reset));
  EXPECT_EQ(firewall.rowsOf(vm1).at(0).state, TcpState::closed);
}

TEST(MemoryFirewall, SequenceNumbersWrapAround) {
  MemoryFirewall firewall;
  auto syn = fromVm(0xfffffffe, 0);
  syn.syn = true;
  syn.ack = false;
  ASSERT_TRUE(firewall.packet(syn));
  EXPECT_TRUE(firewall.packet(fromVm(0xffffffff, 2)));
  EXPECT_TRUE(firewall.packet(fromVm(1, 1)));
  EXPECT_FALSE(firewall.packet(fromVm(0xffffffff, 2)));
}

TEST(MemoryFirewall, CountsIdleTimeAndRemainingLifeAndForgetsWhatHasNone) {
  TestClock clock;
  MemoryFirewall firewall{10, clock.function()};
  ASSERT_TRUE(openConnection(firewall));
  clock.now += 1000s;
  auto row = firewall.rowsOf(vm1).at(0);
  EXPECT_EQ(row.idleTime, 1000u);
  EXPECT_EQ(row.timeout, lifeOf(TcpState::established).count() - 1000u);
  ASSERT_TRUE(firewall.packet(fromVm(90)));
  EXPECT_EQ(firewall.rowsOf(vm1).at(0).idleTime, 0u) << "a packet starts both anew";
  clock.now += lifeOf(TcpState::established);
  EXPECT_FALSE(firewall.packet(fromVm(91)));
  EXPECT_EQ(firewall.size(), 0u);
}

TEST(MemoryFirewall, LearnsASequenceNumberThatWasNotTold) {
  MemoryFirewall firewall;
  ASSERT_TRUE(openConnection(firewall));
  auto row = firewall.rowsOf(vm1).at(0);
  row.windowKnown = false;
  MemoryFirewall other;
  ASSERT_TRUE(other.insert(row));
  EXPECT_FALSE(other.rowsOf(vm1).at(0).windowKnown);
  EXPECT_TRUE(other.packet(fromVm(777)));
  EXPECT_FALSE(other.packet(fromVm(777)));
  EXPECT_TRUE(other.packet(fromVm(778)));
}

TEST(MemoryFirewall, BlocksAVmAlsoBehindATranslation) {
  MemoryBackEnd device;
  auto& firewall = device.firewall();
  ASSERT_TRUE(openConnection(firewall));
  auto row = firewall.rowsOf(vm1).at(0);
  firewall.erase(row);
  row.natLocalAddress = parseInetAddress("198.51.100.1").value();
  row.natLocalPort = 999;
  ASSERT_TRUE(firewall.insert(row));
  auto inbound = fromPeer(peerIsn + 1, 90, 1);
  inbound.destination = {row.natLocalAddress, row.natLocalPort};
  ASSERT_TRUE(device.block(vm1));
  EXPECT_FALSE(firewall.packet(inbound));
  EXPECT_FALSE(firewall.packet(fromVm(90)));
  EXPECT_EQ(firewall.blockedPackets(), 2u);
  EXPECT_EQ(firewall.invalidPackets(), 0u);
  EXPECT_EQ(firewall.rowsOf(vm1).at(0).seqNumber, row.seqNumber) << "nothing has changed";
  device.unblock(vm1.uuid);
  EXPECT_TRUE(firewall.packet(inbound));
  EXPECT_TRUE(firewall.packet(fromVm(90)));
}

TEST(MemoryFirewall, OpensNoConnectionBeyondItsCapacity) {
  TestClock clock;
  MemoryFirewall firewall{1, clock.function()};
  ASSERT_TRUE(openConnection(firewall));
  auto syn = fromVm(1, 0);
  syn.syn = true;
  syn.ack = false;
  syn.source.port = 2;
  EXPECT_FALSE(firewall.packet(syn));
  clock.now += lifeOf(TcpState::established);
  EXPECT_TRUE(firewall.packet(syn)) << "the first one has gone";
}

}  // namespace
}  // namespace vmmig

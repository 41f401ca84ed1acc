// SPDX-License-Identifier: GPL-2.0-or-later
// Frames as anyone at a switch's port sends them. Input: the port (1 octet: 0 is trusted), then the frame. Whatever comes, a
// binding belongs to the port whose client asked, and its address is one.
#include "subagent/linux_dhcp_learner.h"
#include "tests/fuzz/fuzz_main.h"
#include "tests/unit/dhcp_frames.h"

namespace vmmig::fuzz {

std::vector<std::string> seeds() {
  using namespace test;
  std::vector<std::string> seeds;
  const auto add = [&](char port, const std::string& frame) { seeds.push_back(port + frame); };
  for (auto type : {discover, offer, request, decline, ack, nak, release, inform}) {
    DhcpFrame frame{.type = type, .ciaddr = "10.1.0.5", .yiaddr = "10.1.0.5", .requested = "10.1.0.5", .leaseTime = 600};
    add(frame.isReply() ? '\0' : '\1', frame.text());
  }
  DhcpFrame overloaded{.type = ack, .yiaddr = "10.1.0.5", .extraOptions = "\x34\x01\x03", .file = "\x33\x04\x01\x01\x01\x01\xff"};
  add('\0', overloaded.text());
  for (auto type : {solicit6, request6, renew6, reply6, release6, decline6})
    add(type == reply6 ? '\0' : '\1', Dhcp6Frame{.type = type}.text());
  return seeds;
}

}  // namespace vmmig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vmmig;
  if (size == 0) return 0;
  auto message = readDhcpFrame({reinterpret_cast<const char*>(data) + 1, size - 1});
  if (!message) return 0;
  fuzz::require(message->clientMac.size() == 6 && message->sourceMac.size() == 6, "MACs have 6 octets");
  fuzz::require(
      message->kind == DhcpMessage::Kind::request || message->kind == DhcpMessage::Kind::refusal || !message->leases.empty(),
      "a lease is of an address");
  DhcpLearner learner;
  const auto now = DhcpLearner::Clock::now();
  const bool isTrusted = data[0] == 0;
  auto changes = learner.learn(*message, {isTrusted ? "core" : "vm1", isTrusted, 0}, now);
  for (const auto& change : changes) {
    fuzz::require(change.isEnd && !isTrusted, "one message makes no binding");
    fuzz::require(change.binding.address.isSet() && change.binding.address.isConsistent(), "a binding has an address");
  }
  // The same transaction, now asked for: an answer makes its bindings there and nowhere else.
  auto asked = *message;
  asked.kind = DhcpMessage::Kind::request;
  asked.sourceMac = asked.clientMac;
  asked.isRelayed = false;
  learner.learn(asked, {"vm2", false, 0}, now);
  auto answers = learner.learn(*message, {"core", true, 0}, now);
  fuzz::require(message->kind == DhcpMessage::Kind::lease ? answers.size() == message->leases.size() : answers.empty(),
                "leases, and only they, make bindings");
  for (const auto& change : answers)
    fuzz::require(!change.isEnd && (change.binding.port == "vm2" || change.binding.port == "vm1"), "at a port that asked");
  return 0;
}

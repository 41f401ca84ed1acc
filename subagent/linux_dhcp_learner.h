// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP snooping without its sockets: which messages, seen where, make or end a binding. What a client at an untrusted port has
// asked for is remembered a while, so that the server's answer, which comes in at a trusted port, finds the client's port.
#pragma once

#include <chrono>
#include <deque>
#include <map>

#include "subagent/linux_dhcp_packet.h"

namespace vmmig {

/// A client's address: from there, with that MAC, until then.
struct DhcpBinding {
  std::uint16_t vlan = 0;
  std::string macAddress;  // 6 octets
  InetAddress address;
  std::string port;
  std::uint32_t seconds = 0;  // that remain; forEver: without an end

  /// Of the same client: the INDEX of vmMigDhcpBindingTable.
  bool isSameAs(const DhcpBinding& other) const {
    return vlan == other.vlan && macAddress == other.macAddress && address == other.address;
  }
};

class DhcpLearner {
 public:
  using Clock = std::chrono::steady_clock;
  /// Where a message came in.
  struct Arrival {
    std::string port;
    bool isTrusted;
    std::uint16_t vlan;
  };
  struct Change {
    bool isEnd;  // of the binding at exactly that port; else it begins or is renewed
    DhcpBinding binding;
  };
  /// A client sends a few requests; a port that floods us forgets its own only.
  static constexpr std::size_t requestsPerPort = 64;
  static constexpr std::chrono::seconds memory{60};
  /// What a port may have us do: an end, and an answer to a request, takes a transaction of nftables each. Without a limit one VM
  /// that floods us would leave no time for the others, nor for transfers. A VM that boots needs a few; what is beyond is not
  /// heard: a binding whose end is missed ends with its lease.
  static constexpr double perSecond = 5, burst = 20;

  /// Has a client asked for this answer?
  bool isAwaited(const DhcpMessage& message, std::uint16_t vlan) const { return asker(message, vlan) != nullptr; }
  std::vector<Change> learn(const DhcpMessage& message, const Arrival& arrival, Clock::time_point now);
  void forgetPort(const std::string& port) {
    requests_.erase(port);
    limits_.erase(port);
  }

 private:
  struct Request {
    DhcpMessage message;
    std::uint16_t vlan;
    Clock::time_point at;
  };
  /// A token bucket.
  struct Limit {
    double tokens = burst;
    Clock::time_point at{};
    bool allows(Clock::time_point now);
  };
  /// One for each kind, so that a flood of the one does not keep the port's clients from the other.
  struct Limits {
    Limit requests, ends;
  };
  /// The port that has asked, and null when none has.
  const std::string* asker(const DhcpMessage& message, std::uint16_t vlan) const;
  void remember(const DhcpMessage& message, const Arrival& arrival, Clock::time_point now);
  void dropOld(Clock::time_point now);

  std::map<std::string, std::deque<Request>> requests_;  // by port
  std::map<std::string, Limits> limits_;                 // by port
};

}  // namespace vmmig

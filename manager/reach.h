// SPDX-License-Identifier: GPL-2.0-or-later
// Is there an SNMP agent at an address? Asked without user and keys, so that the network's faults are told from those of
// security.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/event_loop.h"
#include "common/task.h"

namespace vmmig {

/// A peer in the notation of snmpcmd(1), taken apart.
struct Endpoint {
  bool tcp = false;
  bool ipv6 = false;
  std::string host;
  std::string port = "161";
};
/// None for transports other than UDP and TCP.
std::optional<Endpoint> endpointOf(const std::string& peer);
/// "tcp 10.0.0.1 port 161"
std::string toString(const Endpoint& endpoint);

struct Reach {
  enum class Is { answers, silent, refused, noConnection, unknownHost, noRoute } is = Is::silent;
  double milliseconds = 0;   // answers: how long it took
  std::string localAddress;  // octets of the address that it sees us by; empty when there is no way to it
  std::string reason;        // what the system says
};

/// Sends the discovery of RFC 3414 section 4, which every SNMPv3 agent answers, until `limit` has passed.
Task<Reach> reach(EventLoop& loop, Endpoint endpoint, Clock::duration limit);

}  // namespace vmmig

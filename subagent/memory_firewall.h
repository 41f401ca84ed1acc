// SPDX-License-Identifier: GPL-2.0-or-later
// The strict firewall of draft-gu-dc-management-problem-statement-00 section 4.1 as a model: a connection is opened by a SYN
// only, and a packet whose sequence number is not the expected one is dropped.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "common/event_loop.h"
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

struct TcpPacket {
  Endpoint source;
  Endpoint destination;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  std::uint32_t length = 0;  // octets of data, without what SYN and FIN count
  bool syn = false, ack = false, fin = false, rst = false;
  std::uint32_t window = 65535;  // scaled
  std::uint16_t zone = 0;
};

class MemoryFirewall {
 public:
  using Now = std::function<Clock::time_point()>;
  static constexpr std::uint32_t defaultMaxRows = 262144;

  explicit MemoryFirewall(std::uint32_t maxRows = defaultMaxRows, Now now = Clock::now)
      : maxRows_(maxRows), now_(std::move(now)) {}

  /// Does the packet pass?
  bool packet(const TcpPacket& packet);
  /// Packets of this address, or of a connection with it behind a translation, are dropped and change nothing.
  void block(const InetAddress& address) { blocked_.insert(address); }
  void unblock(const InetAddress& address) { blocked_.erase(address); }

  /// Dropped because no connection has them or their sequence number is not the expected one.
  std::uint64_t invalidPackets() const { return invalidPackets_; }
  std::uint64_t blockedPackets() const { return blockedPackets_; }

  std::uint32_t maxRows() const { return maxRows_; }
  std::size_t size();
  /// The same, or more: counts rows that have ended and that nobody has looked for since. Costs nothing.
  std::size_t held() const { return byTuple_.size() / 2; }
  bool isFull();
  /// The VM's connections as of now.
  std::vector<TcpConnRow> rowsOf(const Vm& vm);
  std::optional<TcpConnRow> find(const Vm& vm, const TcpConnRow& key);
  /// False when one of the tuples is taken; the caller asked isFull() before.
  bool insert(const TcpConnRow& row);
  void erase(const TcpConnRow& key);

 private:
  struct Direction {
    bool known = false;              // sequence numbers were seen or told
    std::uint32_t end = 0;           // next sequence number to expect
    std::uint32_t acknowledged = 0;  // highest acknowledgement sent
    std::uint32_t maxEnd = 0;
    std::uint32_t maxWindow = 0;
  };
  struct Connection {
    TcpConnRow row;  // sides, attributes and state; clocks and sequence numbers stand beside it
    TuplePair tuples;
    Direction directions[2];  // of the opener, of the other end
    bool finSeen[2] = {false, false};
    Clock::time_point changed;
    Clock::time_point expires;
  };
  struct Key {
    std::uint16_t zone;
    Tuple tuple;
    auto operator<=>(const Key&) const = default;
  };
  struct Found {
    Connection* connection;
    int direction;
  };

  std::optional<Found> lookUp(const Key& key);
  bool open(const TcpPacket& packet);
  bool sequenceFits(const Direction& sender, const TcpPacket& packet) const;
  void follow(Connection& connection, int direction, const TcpPacket& packet);
  static void updateState(Connection& connection, int direction, const TcpPacket& packet);
  TcpConnRow rowFor(const Connection& connection, TcpOpener opener) const;
  bool invalid();
  void eraseConnection(const Connection& connection);
  void expire();
  bool isBlocked(const Tuple& tuple) const;

  std::uint32_t maxRows_;
  Now now_;
  // Both tuples of a connection lead to it: 0 is the original one.
  std::map<Key, std::pair<std::shared_ptr<Connection>, int>> byTuple_;
  std::set<InetAddress> blocked_;
  std::uint64_t invalidPackets_ = 0;
  std::uint64_t blockedPackets_ = 0;
};

/// How long a row of this state lives without a packet: the defaults of Linux.
std::chrono::seconds lifeOf(TcpState state);

}  // namespace vmmig

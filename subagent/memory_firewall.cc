// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/memory_firewall.h"

namespace vmmig {

using std::chrono::duration_cast;
using std::chrono::seconds;

namespace {

constexpr int original = 0;
constexpr int reply = 1;

/// Sequence numbers are compared modulo 2^32 (RFC 9293 section 3.4).
bool isAfter(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) > 0; }

std::uint32_t endOf(const TcpPacket& packet) { return packet.sequence + packet.length + packet.syn + packet.fin; }

}  // namespace

seconds lifeOf(TcpState state) {
  switch (state) {
    case TcpState::synSent:
    case TcpState::simultaneousOpen: return seconds{120};
    case TcpState::synReceived: return seconds{60};
    case TcpState::established: return seconds{432000};
    case TcpState::closeWait: return seconds{60};
    case TcpState::lastAck: return seconds{30};
    case TcpState::closed: return seconds{10};
    case TcpState::finWait1:
    case TcpState::finWait2:
    case TcpState::closing:
    case TcpState::timeWait: return seconds{120};
  }
  return seconds{0};
}

bool MemoryFirewall::packet(const TcpPacket& packet) {
  Tuple tuple{packet.source, packet.destination};
  auto found = lookUp({packet.zone, tuple});
  if (isBlocked(tuple) ||
      (found && (isBlocked(found->connection->tuples.original) || isBlocked(found->connection->tuples.reply)))) {
    ++blockedPackets_;
    return false;
  }
  if (!found) return open(packet);
  auto& [connection, direction] = *found;
  if (!sequenceFits(connection->directions[direction], packet)) return invalid();
  follow(*connection, direction, packet);
  return true;
}

bool MemoryFirewall::isBlocked(const Tuple& tuple) const {
  return blocked_.contains(tuple.source.address) || blocked_.contains(tuple.destination.address);
}

bool MemoryFirewall::open(const TcpPacket& packet) {
  if (!packet.syn || packet.ack || packet.rst || packet.fin || isFull()) return invalid();
  TcpConnRow row;
  row.zone = packet.zone;
  Tuple tuple{packet.source, packet.destination};
  setTuples(row, {tuple, tuple.inverse()}, TcpOpener::local);
  row.state = TcpState::synSent;
  if (!insert(row)) return invalid();
  auto found = lookUp({packet.zone, tuple});
  follow(*found->connection, original, packet);
  return true;
}

bool MemoryFirewall::sequenceFits(const Direction& sender, const TcpPacket& packet) const {
  return !sender.known || packet.sequence == sender.end;
}

void MemoryFirewall::follow(Connection& connection, int direction, const TcpPacket& packet) {
  auto& sender = connection.directions[direction];
  auto& receiver = connection.directions[1 - direction];
  sender.known = true;
  sender.end = endOf(packet);
  sender.maxWindow = std::max(sender.maxWindow, packet.window);
  if (packet.ack) sender.acknowledged = packet.acknowledgement;
  auto mayReach = packet.ack ? packet.acknowledgement + packet.window : receiver.end + packet.window;
  if (isAfter(mayReach, receiver.maxEnd) || !receiver.known) receiver.maxEnd = mayReach;
  updateState(connection, direction, packet);
  connection.changed = now_();
  connection.expires = connection.changed + lifeOf(connection.row.state);
}

void MemoryFirewall::updateState(Connection& connection, int direction, const TcpPacket& packet) {
  auto& state = connection.row.state;
  if (direction == reply) connection.row.status.set(TcpConnStatus::seenReply);
  if (packet.rst) {
    state = TcpState::closed;
  } else if (packet.syn) {
    if (direction == reply) state = packet.ack ? TcpState::synReceived : TcpState::simultaneousOpen;
  } else if (packet.fin) {
    bool isSecond = connection.finSeen[1 - direction];
    connection.finSeen[direction] = true;
    state = isSecond ? TcpState::lastAck : TcpState::finWait1;
  } else if (packet.ack) {
    if (state == TcpState::synReceived && direction == original) {
      state = TcpState::established;
      connection.row.status.set(TcpConnStatus::assured);
    } else if (state == TcpState::finWait1 && connection.finSeen[1 - direction]) {
      state = TcpState::closeWait;
    } else if (state == TcpState::lastAck) {
      state = TcpState::timeWait;
    }
  }
}

bool MemoryFirewall::invalid() {
  ++invalidPackets_;
  return false;
}

std::optional<MemoryFirewall::Found> MemoryFirewall::lookUp(const Key& key) {
  auto found = byTuple_.find(key);
  if (found == byTuple_.end()) return std::nullopt;
  auto [connection, direction] = found->second;
  if (connection->expires <= now_()) {
    eraseConnection(*connection);
    return std::nullopt;
  }
  return Found{connection.get(), direction};
}

TcpConnRow MemoryFirewall::rowFor(const Connection& connection, TcpOpener opener) const {
  auto row = connection.row;
  const auto& local = connection.directions[opener == TcpOpener::local ? original : reply];
  const auto& rem = connection.directions[opener == TcpOpener::local ? reply : original];
  if (row.opener != opener) {
    std::swap(row.localWindowScale, row.remWindowScale);
    std::swap(row.localFlags, row.remFlags);
    std::swap(row.localSeqAdjCorrectionPos, row.remSeqAdjCorrectionPos);
    std::swap(row.localSeqAdjOffsetBefore, row.remSeqAdjOffsetBefore);
    std::swap(row.localSeqAdjOffsetAfter, row.remSeqAdjOffsetAfter);
  }
  setTuples(row, connection.tuples, opener);
  row.windowKnown = local.known && rem.known;
  if (row.windowKnown) {
    row.seqNumber = local.end;
    row.ackNumber = local.acknowledged;
    row.remSeqNumber = rem.end;
    row.remAckNumber = rem.acknowledged;
    row.localMaxEnd = local.maxEnd;
    row.remMaxEnd = rem.maxEnd;
    row.localMaxWindow = local.maxWindow;
    row.remMaxWindow = rem.maxWindow;
  }
  auto now = now_();
  row.idleTime = static_cast<std::uint32_t>(duration_cast<seconds>(now - connection.changed).count());
  row.timeout = static_cast<std::uint32_t>(duration_cast<seconds>(connection.expires - now).count());
  return row;
}

std::size_t MemoryFirewall::size() {
  expire();
  return byTuple_.size() / 2;
}

bool MemoryFirewall::isFull() { return byTuple_.size() / 2 >= maxRows_ && size() >= maxRows_; }

std::vector<TcpConnRow> MemoryFirewall::rowsOf(const Vm& vm) {
  expire();
  std::vector<TcpConnRow> rows;
  for (const auto& [key, entry] : byTuple_) {
    const auto& [connection, direction] = entry;
    if (direction == reply) continue;
    auto opener = openerFor(vm, connection->tuples);
    if (!opener) continue;
    rows.push_back(rowFor(*connection, *opener));
    rows.back().uuid = vm.uuid;
  }
  return rows;
}

std::optional<TcpConnRow> MemoryFirewall::find(const Vm& vm, const TcpConnRow& key) {
  Tuple inside{{key.localAddress, key.localPort}, {key.remAddress, key.remPort}};
  auto found = lookUp({key.zone, inside});
  if (!found) return std::nullopt;
  auto opener = openerFor(vm, found->connection->tuples);
  if (!opener || (*opener == TcpOpener::local) != (found->direction == original)) return std::nullopt;
  auto row = rowFor(*found->connection, *opener);
  row.uuid = vm.uuid;
  return row;
}

bool MemoryFirewall::insert(const TcpConnRow& row) {
  auto connection = std::make_shared<Connection>();
  connection->row = row;
  // What the row tells of sequence numbers is kept in the directions alone.
  auto& kept = connection->row;
  kept.windowKnown = false;
  kept.seqNumber = kept.ackNumber = kept.remSeqNumber = kept.remAckNumber = 0;
  kept.localMaxEnd = kept.remMaxEnd = kept.localMaxWindow = kept.remMaxWindow = 0;
  connection->tuples = tuplesOf(row);
  auto& local = connection->directions[row.opener == TcpOpener::local ? original : reply];
  auto& rem = connection->directions[row.opener == TcpOpener::local ? reply : original];
  local = {row.windowKnown, row.seqNumber, row.ackNumber, row.localMaxEnd, row.localMaxWindow};
  rem = {row.windowKnown, row.remSeqNumber, row.remAckNumber, row.remMaxEnd, row.remMaxWindow};
  connection->changed = now_() - seconds{row.idleTime};
  connection->expires = row.timeout ? now_() + seconds{row.timeout} : connection->changed + lifeOf(row.state);

  Key originalKey{row.zone, connection->tuples.original};
  Key replyKey{row.zone, connection->tuples.reply};
  if (lookUp(originalKey) || lookUp(replyKey)) return false;
  byTuple_[originalKey] = {connection, original};
  byTuple_[replyKey] = {connection, reply};
  return true;
}

void MemoryFirewall::erase(const TcpConnRow& key) {
  auto found = byTuple_.find({key.zone, {{key.localAddress, key.localPort}, {key.remAddress, key.remPort}}});
  if (found == byTuple_.end()) return;
  auto connection = found->second.first;
  eraseConnection(*connection);
}

void MemoryFirewall::eraseConnection(const Connection& connection) {
  auto zone = connection.row.zone;
  auto tuples = connection.tuples;  // the connection goes with its last entry
  byTuple_.erase({zone, tuples.original});
  byTuple_.erase({zone, tuples.reply});
}

void MemoryFirewall::expire() {
  auto now = now_();
  std::erase_if(byTuple_, [now](const auto& entry) { return entry.second.first->expires <= now; });
}

}  // namespace vmmig

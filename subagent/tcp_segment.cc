// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/tcp_segment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>

namespace vmmig {

namespace {

/// Sum of 16 bit words in ones' complement (RFC 1071).
std::uint32_t sum(const void* octets, std::size_t size, std::uint32_t start = 0) {
  const auto* bytes = static_cast<const std::uint8_t*>(octets);
  for (std::size_t i = 0; i + 1 < size; i += 2) start += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  return start;
}

std::uint16_t checksum(std::uint32_t total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return htons(static_cast<std::uint16_t>(~total));
}

std::uint32_t sumOf(const InetAddress& address) { return sum(address.octets.data(), address.size); }

tcphdr headerOf(const TcpSegment& segment) {
  tcphdr header{};
  header.source = htons(segment.tuple.source.port);
  header.dest = htons(segment.tuple.destination.port);
  header.seq = htonl(segment.sequence);
  header.ack_seq = htonl(segment.acknowledgement);
  header.doff = sizeof header / 4;
  header.ack = 1;
  header.window = htons(segment.window);
  header.urg_ptr = htons(segment.urgent);
  // The pseudo header (RFC 9293 section 3.1) sums up to the same with IPv4 and IPv6.
  auto pseudo = sumOf(segment.tuple.source.address) + sumOf(segment.tuple.destination.address) + IPPROTO_TCP + sizeof header;
  header.check = checksum(sum(&header, sizeof header, static_cast<std::uint32_t>(pseudo)));
  return header;
}

iphdr v4Of(const Tuple& tuple) {
  iphdr header{};
  header.version = 4;
  header.ihl = sizeof header / 4;
  header.tot_len = htons(sizeof header + sizeof(tcphdr));
  header.frag_off = htons(IP_DF);
  header.ttl = 1;
  header.protocol = IPPROTO_TCP;
  std::memcpy(&header.saddr, tuple.source.address.octets.data(), sizeof header.saddr);
  std::memcpy(&header.daddr, tuple.destination.address.octets.data(), sizeof header.daddr);
  header.check = checksum(sum(&header, sizeof header));
  return header;
}

ip6_hdr v6Of(const Tuple& tuple) {
  ip6_hdr header{};
  header.ip6_vfc = 6 << 4;
  header.ip6_plen = htons(sizeof(tcphdr));
  header.ip6_nxt = IPPROTO_TCP;
  header.ip6_hlim = 1;
  std::memcpy(&header.ip6_src, tuple.source.address.octets.data(), sizeof header.ip6_src);
  std::memcpy(&header.ip6_dst, tuple.destination.address.octets.data(), sizeof header.ip6_dst);
  return header;
}

template <class Header>
void append(std::string& packet, const Header& header) {
  packet.append(reinterpret_cast<const char*>(&header), sizeof header);
}

/// One direction as the kernel's struct ip_ct_tcp_state has it.
struct Direction {
  std::uint32_t end, maxEnd, maxWindow, maxAck;
  unsigned scale;
  std::uint32_t adjustedFrom;  // of this direction's sequence numbers, by a NAT helper
  std::int32_t offsetBefore, offsetAfter;

  std::uint16_t window() const {
    auto rounded = (std::uint64_t{maxWindow} + (std::uint64_t{1} << scale) - 1) >> scale;
    return static_cast<std::uint16_t>(std::min<std::uint64_t>(rounded, 0xffff));
  }
  std::uint32_t scaledWindow() const { return static_cast<std::uint32_t>(window()) << scale; }
};

bool isAfter(std::uint32_t left, std::uint32_t right) { return static_cast<std::int32_t>(left - right) > 0; }

struct Both {
  Direction local, rem;
};

bool isHeld(const Direction& want, const Direction& have) {
  return want.end == have.end && want.maxAck == have.maxAck && have.maxWindow >= want.maxWindow &&
         !isAfter(want.maxEnd, have.maxEnd);
}

Both bothOf(const TcpConnRow& row) {
  return {{row.seqNumber, row.localMaxEnd, row.localMaxWindow, row.ackNumber, row.localWindowScale, row.localSeqAdjCorrectionPos,
           row.localSeqAdjOffsetBefore, row.localSeqAdjOffsetAfter},
          {row.remSeqNumber, row.remMaxEnd, row.remMaxWindow, row.remAckNumber, row.remWindowScale, row.remSeqAdjCorrectionPos,
           row.remSeqAdjOffsetBefore, row.remSeqAdjOffsetAfter}};
}

/// What acknowledges `acknowledged` of `sender`, as its peer says it: behind the correction of the sender's sequence numbers. The
/// kernel takes off what nf_ct_seq_offset() gives it for this number.
std::uint32_t onTheWire(std::uint32_t acknowledged, const Direction& sender) {
  auto corrected = acknowledged + static_cast<std::uint32_t>(sender.offsetAfter);
  if (isAfter(corrected - 1, sender.adjustedFrom)) return corrected;
  return acknowledged + static_cast<std::uint32_t>(sender.offsetBefore);
}

TcpSegment segmentOf(const Tuple& tuple, const Direction& sender, const Direction& receiver, std::uint16_t zone) {
  return {tuple, sender.end, onTheWire(sender.maxAck, receiver), sender.window(), zone};
}

}  // namespace

std::string packetOf(const TcpSegment& segment) {
  std::string packet;
  if (segment.tuple.source.address.type == InetAddressType::ipv6)
    append(packet, v6Of(segment.tuple));
  else
    append(packet, v4Of(segment.tuple));
  append(packet, headerOf(segment));
  return packet;
}

// The first segment of each end gives its td_end, td_maxack and td_maxwin; and td_maxend as if the peer had offered as much as it
// offers itself, or what the peer then offers, if that is more. Where the first one to speak offers more than the second, what it
// offers has been overwritten: it says it again.
std::vector<TcpSegment> primingOf(const TcpConnRow& row) {
  if (!row.windowKnown) return {};
  auto [local, rem] = bothOf(row);
  bool isOpener = row.opener == TcpOpener::local;
  const auto& first = isOpener ? local : rem;
  const auto& second = isOpener ? rem : local;
  auto [original, reply] = tuplesOf(row);
  std::vector<TcpSegment> segments{segmentOf(original, first, second, row.zone), segmentOf(reply, second, first, row.zone)};
  if (isAfter(second.maxEnd, second.end + second.scaledWindow())) segments.push_back(segments.front());
  return segments;
}

// The kernel takes no acknowledgement of what it has not seen sent (tcp_in_window()): so whoever acknowledges nothing new speaks
// first; when both do, the one that opened the connection says first what it has sent, and acknowledges when the other has
// spoken.
std::vector<TcpSegment> primingFrom(const TcpConnRow& now, const TcpConnRow& row) {
  if (!row.windowKnown || !now.windowKnown) return {};
  auto want = bothOf(row), have = bothOf(now);
  if (isHeld(want.local, have.local) && isHeld(want.rem, have.rem)) return {};
  bool isOpener = row.opener == TcpOpener::local;
  auto [original, reply] = tuplesOf(row);
  auto local = segmentOf(isOpener ? original : reply, want.local, want.rem, row.zone);
  auto rem = segmentOf(isOpener ? reply : original, want.rem, want.local, row.zone);
  if (!isAfter(want.local.maxAck, have.rem.end)) return {local, rem};
  if (!isAfter(want.rem.maxAck, have.local.end)) return {rem, local};
  auto early = local;
  early.acknowledgement = onTheWire(have.local.maxAck, want.rem);
  return {early, rem, local};
}

bool isPrimed(const TcpConnRow& wanted, const TcpConnRow& now) {
  auto want = bothOf(wanted), have = bothOf(now);
  return now.windowKnown && isHeld(want.local, have.local) && isHeld(want.rem, have.rem);
}

}  // namespace vmmig

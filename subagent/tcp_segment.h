// SPDX-License-Identifier: GPL-2.0-or-later
// TCP segments as octets, and how few of them give a stateful firewall the windows that another one knew.
#pragma once

#include <string>
#include <vector>

#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

/// A segment without data that acknowledges.
struct TcpSegment {
  Tuple tuple;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  std::uint16_t window = 0;  // as on the wire, not scaled
  std::uint16_t urgent = 0;  // means nothing without URG: room for what the receiver is told
};

/// An IPv4 (RFC 791) or IPv6 (RFC 8200) packet with hop limit 1 and right checksums.
std::string packetOf(const TcpSegment& segment);

/// The segments after which Linux's window tracking (tcp_in_window(), net/netfilter/nf_conntrack_proto_tcp.c), which knows
/// nothing of the connection yet, has the row's sequence and acknowledgement numbers exactly, and its windows and their ends at
/// least (a window on the wire is rounded up to its scale). Empty when the row knows none.
std::vector<TcpSegment> primingOf(const TcpConnRow& row);
/// Those after which it has, when it knows what `now` has of the same connection: at an earlier time. Empty when it has it
/// already. It refuses a segment that is too far ahead of what it knows.
std::vector<TcpSegment> primingFrom(const TcpConnRow& now, const TcpConnRow& row);
/// Does `now` have what primingOf(wanted) promises?
bool isPrimed(const TcpConnRow& wanted, const TcpConnRow& now);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A connection or flow as trackers see it, a pair of tuples, and as vmMigTcpConnTable and vmMigFlowTable show it, from the VM's
// side: the one place that turns one into the other (the scheme stands at the head of mibs/tcp_conn_table.h). Row is TcpConnRow
// or FlowRow.
#pragma once

#include "mibs/flow_table.h"
#include "mibs/tcp_conn_table.h"
#include "subagent/vm_registry.h"

namespace vmmig {

struct Endpoint {
  InetAddress address;
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

/// Who sends to whom.
struct Tuple {
  Endpoint source;
  Endpoint destination;
  auto operator<=>(const Tuple&) const = default;
  Tuple inverse() const { return {destination, source}; }
};

/// `original`: packets of the opener as they come in; `reply`: packets of the other end as they come in. Without translation the
/// one is the inverse of the other.
struct TuplePair {
  Tuple original;
  Tuple reply;
};

template <class Row>
TuplePair tuplesOf(const Row& row);
/// Which end is the VM: the opener, the other one, or (nothing) neither. A VM that talks to itself is the opener.
std::optional<TcpOpener> openerFor(const Vm& vm, const TuplePair& tuples);
/// Sets local, rem, natLocal, natRem and opener.
template <class Row>
void setTuples(Row& row, const TuplePair& tuples, TcpOpener opener);

/// UDP, SCTP and the like; GRE, whose keys stand in the ports' place.
bool hasPorts(std::uint8_t protocol);
/// ICMP and ICMPv6: one end's port is the identifier, the other's is type * 256 + code of what goes there.
bool isIcmp(std::uint8_t protocol);
/// Type and code of the answer to a message, or of what it answers; nothing when the kernel does not track such messages.
std::optional<std::uint16_t> icmpInverse(std::uint8_t protocol, std::uint16_t typeAndCode);

/// An entry's tuples as its packets are on the wire; in rows both tell the ends, which differs for ICMP alone.
struct WireTuples {
  std::uint8_t protocol = 0;
  TuplePair tuples;
  TuplePair ends(TcpOpener opener) const;
  static WireTuples of(std::uint8_t protocol, const TuplePair& ends, TcpOpener opener);
  /// The tuple of the packets that answer the original ones when nothing is translated.
  Tuple untranslatedReply() const;
};

/// What any device asks of a row: addresses and ports that make a connection of this VM. The text names the column.
Status checkTcpConn(const Vm& vm, const TcpConnRow& row);

}  // namespace vmmig

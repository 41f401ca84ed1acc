// SPDX-License-Identifier: GPL-2.0-or-later
// A TCP connection as trackers see it, a pair of tuples, and as vmMigTcpConnTable shows it, from the VM's side: the one place
// that turns one into the other (the scheme stands at the head of mibs/tcp_conn_table.h).
#pragma once

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

TuplePair tuplesOf(const TcpConnRow& row);
/// Which end is the VM: the opener, the other one, or (nothing) neither. A VM that talks to itself is the opener.
std::optional<TcpOpener> openerFor(const Vm& vm, const TuplePair& tuples);
/// Sets local, rem, natLocal, natRem and opener.
void setTuples(TcpConnRow& row, const TuplePair& tuples, TcpOpener opener);

/// The end that the peer talks to and the peer, as packets from outside carry them: what has to be blocked beside the VM's own
/// addresses. Nothing when the VM's end is not translated.
std::optional<Tuple> translatedInbound(const TcpConnRow& row);

/// What any device asks of a row: addresses and ports that make a connection of this VM. The text names the column.
Status checkTcpConn(const Vm& vm, const TcpConnRow& row);

}  // namespace vmmig

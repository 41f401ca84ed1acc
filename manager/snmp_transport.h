// SPDX-License-Identifier: GPL-2.0-or-later
// Transports for Net-SNMP sessions that never block the loop: the library's own TCP transport waits in connect(2), for minutes
// when a device is gone.
#pragma once

#include <memory>
#include <string>

#include "common/event_loop.h"
#include "common/result.h"
#include "common/task.h"

struct netsnmp_transport_s;

namespace vmmig::snmp {

struct CloseTransport {
  void operator()(netsnmp_transport_s* transport) const;
};
/// Release it to the session that takes it over.
using Transport = std::unique_ptr<netsnmp_transport_s, CloseTransport>;

/// Is this peer ("tcp:10.0.0.1:161") reached over TCP?
bool isTcp(const std::string& peer);

/// Whether a peer in the notation of snmpcmd(1) is an address, or a name that the name service knows: asks it, and waits.
bool isAddress(const std::string& peer);

/// Opens a transport to a peer in the notation of snmpcmd(1).
Task<Result<Transport>> connectTransport(EventLoop& loop, std::string peer, Clock::duration timeout);

/// Answers at once (quickack, tcp(7)): the kernel falls back to delayed acknowledgements by itself, so this is repeated.
void acknowledgeAtOnce(int tcpSocket);

}  // namespace vmmig::snmp

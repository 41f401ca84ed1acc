// SPDX-License-Identifier: GPL-2.0-or-later
// What an Ethernet frame with DHCP (RFC 2131) or DHCPv6 (RFC 8415) in it means to a switch that snoops. Strangers send them:
// whatever does not read as such a message is nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/inet_address.h"

namespace vmmig {

struct DhcpLease {
  InetAddress address;
  std::uint32_t seconds = 0;  // forEver: without an end; of a release: without meaning
};

struct DhcpMessage {
  enum class Kind {
    request,  // of a client, which may be answered by a lease: DISCOVER, REQUEST; Solicit, Request, Renew, Rebind
    lease,    // of a server: ACK with a lease time; Reply with addresses
    refusal,  // of a server: NAK
    release,  // of a client: RELEASE, DECLINE; Release, Decline
  };
  Kind kind;
  InetAddressType family;
  std::uint32_t transaction;  // xid
  std::string clientMac;      // 6 octets: chaddr; DHCPv6 has it in the frame's header only
  std::string sourceMac;      // of the frame
  bool isRelayed = false;     // giaddr is set
  std::vector<DhcpLease> leases = {};

  bool isFromServer() const { return kind == Kind::lease || kind == Kind::refusal; }
};

/// A frame without its VLAN tag, as a packet socket gives it.
std::optional<DhcpMessage> readDhcpFrame(std::string_view frame);

}  // namespace vmmig

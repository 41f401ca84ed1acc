// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP and DHCPv6 messages in Ethernet frames, as clients and servers send them.
#pragma once

#include <cstdint>
#include <string>

#include "common/inet_address.h"

namespace vmmig::test {

/// A number in network order; more than 8 octets begin with zeros.
inline std::string octets(std::uint64_t value, std::size_t size) {
  std::string result;
  for (; size > 0; --size) result += size > 8 ? '\0' : static_cast<char>(value >> (size - 1) * 8);
  return result;
}

inline std::string bytesOf(const char* address) { return std::string{parseInetAddress(address).value().bytes()}; }
inline std::string macOf(std::uint8_t last) { return std::string{"\x02\0\0\0\0", 5} + static_cast<char>(last); }

enum DhcpType : std::uint8_t { discover = 1, offer, request, decline, ack, nak, release, inform };

/// One message; a field that is empty is left out (options) or zero.
struct DhcpFrame {
  DhcpType type = request;
  std::string clientMac = macOf(5);
  std::string sourceMac = {};  // the client's, or for what servers send 02:...:63
  std::string destinationMac = std::string(6, '\xff');
  std::uint32_t xid = 0x1234;
  const char* ciaddr = "0.0.0.0";
  const char* yiaddr = "0.0.0.0";
  const char* giaddr = "0.0.0.0";
  const char* requested = nullptr;  // option 50
  std::int64_t leaseTime = -1;      // option 51
  std::string extraOptions = {};    // in front of the others
  std::string file = {};            // holds options with option 52 (overload)
  std::string ipSource = {};

  bool isReply() const { return type == offer || type == ack || type == nak; }

  std::string payload() const {
    std::string options = extraOptions + octets(53, 1) + octets(1, 1) + octets(type, 1);
    if (requested) options += octets(50, 1) + octets(4, 1) + bytesOf(requested);
    if (leaseTime >= 0) options += octets(51, 1) + octets(4, 1) + octets(static_cast<std::uint64_t>(leaseTime), 4);
    auto name = file;
    name.resize(128);
    return octets(isReply() ? 2 : 1, 1) + octets(0x010600, 3) + octets(xid, 4) + octets(0, 4) + bytesOf(ciaddr) +
           bytesOf(yiaddr) + octets(0, 4) + bytesOf(giaddr) + clientMac + std::string(10, '\0') + std::string(64, '\0') + name +
           octets(0x63825363, 4) + options + '\xff';
  }

  std::string text() const {
    auto data = payload();
    auto udp = octets(isReply() ? 67 : 68, 2) + octets(isReply() ? 68 : 67, 2) + octets(8 + data.size(), 2) + octets(0, 2) + data;
    auto from = !ipSource.empty() ? bytesOf(ipSource.c_str()) : isReply() ? bytesOf("10.1.0.1") : bytesOf(ciaddr);
    auto header = octets(0x4500, 2) + octets(20 + udp.size(), 2) + octets(0, 4) + octets(0x4011, 2);
    auto addresses = from + octets(0xffffffff, 4);
    auto source = !sourceMac.empty() ? sourceMac : isReply() ? macOf(0x63) : clientMac;
    return destinationMac + source + octets(0x0800, 2) + header + checksum(header + octets(0, 2) + addresses) + addresses + udp;
  }

  static std::string checksum(const std::string& header) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < header.size(); i += 2)
      sum += static_cast<std::uint32_t>(static_cast<unsigned char>(header[i]) << 8 | static_cast<unsigned char>(header[i + 1]));
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return octets(~sum & 0xffff, 2);
  }
};

enum Dhcp6Type : std::uint8_t { solicit6 = 1, request6 = 3, renew6 = 5, reply6 = 7, release6 = 8, decline6 = 9 };

struct Dhcp6Frame {
  Dhcp6Type type = request6;
  std::string clientMac = macOf(5);
  std::uint32_t transaction = 0x123456;
  const char* address = "2001:db8::5";
  std::uint32_t validLifetime = 3600;

  std::string text() const {
    bool isReply = type == reply6;
    auto leased = octets(5, 2) + octets(24, 2) + bytesOf(address) + octets(1800, 4) + octets(validLifetime, 4);
    auto association = octets(3, 2) + octets(12 + leased.size(), 2) + octets(0, 12) + leased;
    auto clientId = octets(1, 2) + octets(10, 2) + octets(0x00030001, 4) + clientMac;
    auto data = octets(type, 1) + octets(transaction, 3) + clientId + association;
    auto udp = octets(isReply ? 547 : 546, 2) + octets(isReply ? 546 : 547, 2) + octets(8 + data.size(), 2) + octets(0, 2) + data;
    auto header =
        octets(0x60000000, 4) + octets(udp.size(), 2) + octets(17, 1) + octets(1, 1) + bytesOf("fe80::1") + bytesOf("ff02::1:2");
    auto server = macOf(0x63), all = std::string{"\x33\x33\0\x01\0\x02", 6};
    return (isReply ? clientMac + server : all + clientMac) + octets(0x86dd, 2) + header + udp;
  }
};

}  // namespace vmmig::test

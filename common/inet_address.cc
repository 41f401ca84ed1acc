// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/inet_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "common/hex.h"

namespace vmmig {

std::size_t inetAddressSize(InetAddressType type) {
  switch (type) {
    case InetAddressType::ipv4: return 4;
    case InetAddressType::ipv6: return 16;
    default: return 0;
  }
}

void InetAddress::setBytes(std::string_view bytes) {
  octets.fill(0);
  size = static_cast<std::uint8_t>(std::min(bytes.size(), octets.size()));
  std::copy_n(bytes.begin(), size, octets.begin());
}

InetAddress InetAddress::v4(const void* octets) {
  InetAddress address{InetAddressType::ipv4, 4, {}};
  std::memcpy(address.octets.data(), octets, 4);
  return address;
}

InetAddress InetAddress::v6(const void* octets) {
  InetAddress address{InetAddressType::ipv6, 16, {}};
  std::memcpy(address.octets.data(), octets, 16);
  return address;
}

bool isMulticast(const InetAddress& address) {
  if (address.type == InetAddressType::ipv4) return address.octets[0] >> 4 == 0xe;
  return address.type == InetAddressType::ipv6 && address.octets[0] == 0xff;
}

bool isToMany(const InetAddress& address) {
  static const auto broadcast = InetAddress::v4("\xff\xff\xff\xff");
  return isMulticast(address) || address == broadcast;
}

std::string toString(const InetAddress& address) {
  if (!address.isSet()) return "-";
  if (!address.isConsistent()) return "inconsistent:" + toHex(address.bytes());
  char text[INET6_ADDRSTRLEN];
  int family = address.type == InetAddressType::ipv4 ? AF_INET : AF_INET6;
  return inet_ntop(family, address.octets.data(), text, sizeof text);
}

std::optional<InetAddress> parseInetAddress(std::string_view text) {
  if (text.find('\0') != text.npos) return std::nullopt;  // inet_pton would stop there
  std::string terminated{text};
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET, terminated.c_str(), octets.data()) == 1) return InetAddress::v4(octets.data());
  if (inet_pton(AF_INET6, terminated.c_str(), octets.data()) == 1) return InetAddress::v6(octets.data());
  return std::nullopt;
}

}  // namespace vmmig

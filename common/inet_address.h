// SPDX-License-Identifier: GPL-2.0-or-later
// An IP address as INET-ADDRESS-MIB (RFC 4001) has it: a type and its octets in network order.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vmmig {

/// InetAddressType, the part of it that we support.
enum class InetAddressType : std::int32_t { unknown = 0, ipv4 = 1, ipv6 = 2 };

/// Octets that `type` has: 0, 4 or 16.
std::size_t inetAddressSize(InetAddressType type);

/// A type, and as many octets as were given for it. Type and octets come in separate varbinds, so they can disagree until
/// isConsistent() is asked.
struct InetAddress {
  InetAddressType type = InetAddressType::unknown;
  std::uint8_t size = 0;
  std::array<std::uint8_t, 16> octets{};

  auto operator<=>(const InetAddress&) const = default;

  bool isSet() const { return type != InetAddressType::unknown; }
  bool isConsistent() const { return size == inetAddressSize(type); }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(octets.data()), size}; }
  /// At most 16 octets; the type stays.
  void setBytes(std::string_view bytes);

  /// From octets in network order.
  static InetAddress v4(const void* octets);
  static InetAddress v6(const void* octets);
};

/// RFC 5771 (224.0.0.0/4), RFC 4291 section 2.7 (ff00::/8).
bool isMulticast(const InetAddress& address);
/// Multicast, or 255.255.255.255. (A directed broadcast looks like any other address.)
bool isToMany(const InetAddress& address);

/// "10.0.0.5", "fd00::5"; "-" when unset.
std::string toString(const InetAddress& address);
std::optional<InetAddress> parseInetAddress(std::string_view text);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A VM's UUID (RFC 4122; the key of RFC 7666), 16 octets in network order.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vmmig {

struct Uuid {
  std::array<std::uint8_t, 16> octets{};

  auto operator<=>(const Uuid&) const = default;
  bool isNil() const { return *this == Uuid{}; }
};

/// "6ba7b810-9dad-11d1-80b4-00c04fd430c8", lower case.
std::string toString(const Uuid& uuid);
/// The same, either case, dashes where RFC 4122 has them or none at all.
std::optional<Uuid> parseUuid(std::string_view text);

}  // namespace vmmig

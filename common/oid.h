// SPDX-License-Identifier: GPL-2.0-or-later
// Object identifiers: a vector of sub-identifiers, whose lexicographic order is SNMP's.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmmig {

/// A sub-identifier is 0..2^32-1 (RFC 2578 section 3.5); vector's own comparison is the order of GETNEXT.
using Oid = std::vector<std::uint32_t>;
using OidSpan = std::span<const std::uint32_t>;

/// RFC 2578 section 3.5: at most 128 sub-identifiers.
inline constexpr std::size_t maxOidLength = 128;

/// "1.3.6.1": dotted decimal.
std::string toString(OidSpan oid);
/// Dotted decimal with an optional leading dot; nothing when it is not an OID.
std::optional<Oid> parseOid(std::string_view text);

std::strong_ordering compare(OidSpan a, OidSpan b);
bool startsWith(OidSpan oid, OidSpan prefix);
Oid operator+(Oid head, OidSpan tail);
Oid operator+(Oid head, std::uint32_t tail);

/// The part of `oid` behind `prefix`; the caller knows that it starts with it.
inline OidSpan behind(OidSpan oid, OidSpan prefix) { return oid.subspan(prefix.size()); }

}  // namespace vmmig

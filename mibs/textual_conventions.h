// SPDX-License-Identifier: GPL-2.0-or-later
// The textual conventions that rows use (RFC 2579, RFC 4001, UUID-TC-MIB), as C++ types and their codecs.
#pragma once

#include "common/inet_address.h"
#include "common/uuid.h"
#include "mibs/syntax.h"

namespace vmmig {

template <>
struct Codec<Uuid> {
  static constexpr Syntax syntax{Syntax::Base::octetString, smi::Type::octetString, 16, 16, {}, Syntax::Display::uuid};
  static std::string_view bytes(const Uuid& v) { return {reinterpret_cast<const char*>(v.octets.data()), v.octets.size()}; }
  static bool assign(std::string_view octets, Uuid& v) {
    if (octets.size() != v.octets.size()) return false;
    std::copy(octets.begin(), octets.end(), v.octets.begin());
    return true;
  }
  static smi::Value toValue(const Uuid& v) { return smi::Value::string(std::string{bytes(v)}); }
  static SnmpStatus fromValue(const smi::Value& value, Uuid& v) {
    auto status = detail::checkSize(value, syntax);
    if (status == SnmpStatus::noError) assign(value.octets, v);
    return status;
  }
  static void encode(OerWriter& out, const Uuid& v) { out.raw(bytes(v)); }
  static bool decode(OerReader& in, Uuid& v) {
    auto content = in.raw(v.octets.size());
    return content && assign(*content, v);
  }
  /// Fixed size: no length sub-identifier (RFC 2578 section 7.7).
  static void appendIndex(Oid& index, const Uuid& v) { detail::appendOctets(index, bytes(v)); }
  static bool parseIndex(OidSpan& index, Uuid& v) {
    auto octets = detail::takeOctets(index, v.octets.size());
    return octets && assign(*octets, v);
  }
};

/// InetAddress as octets alone (its type is a column of its own, see AddressFacet in column.h).
struct InetAddressOctets {
  std::string value;
  auto operator<=>(const InetAddressOctets&) const = default;
};

template <>
struct Codec<InetAddressOctets> {
  using T = InetAddressOctets;
  static constexpr Syntax syntax{Syntax::Base::octetString, smi::Type::octetString, 0, 16, {}, Syntax::Display::address};
  static bool sizeFits(std::size_t size) { return size == 0 || size == 4 || size == 16; }
  static smi::Value toValue(const T& v) { return smi::Value::string(v.value); }
  static SnmpStatus fromValue(const smi::Value& value, T& v) {
    auto status = detail::checkSize(value, syntax);
    if (status == SnmpStatus::noError && !sizeFits(value.octets.size())) status = SnmpStatus::wrongLength;
    if (status == SnmpStatus::noError) v.value = value.octets;
    return status;
  }
  static void encode(OerWriter& out, const T& v) { out.octets(v.value); }
  static bool decode(OerReader& in, T& v) {
    auto content = in.octets();
    if (!content || !sizeFits(content->size())) return false;
    v.value = *content;
    return true;
  }
  /// Variable size: a length sub-identifier in front.
  static void appendIndex(Oid& index, const T& v) {
    index.push_back(static_cast<std::uint32_t>(v.value.size()));
    detail::appendOctets(index, v.value);
  }
  static bool parseIndex(OidSpan& index, T& v) {
    auto size = detail::takeSub(index);
    if (!size || !sizeFits(*size)) return false;
    auto octets = detail::takeOctets(index, *size);
    if (octets) v.value = *octets;
    return octets.has_value();
  }
};

template <>
struct Labels<InetAddressType> {
  static constexpr Label labels[] = {{0, "unknown"}, {1, "ipv4"}, {2, "ipv6"}};
};

/// RFC 2579. active, notInService and notReady are states; the others are only written.
enum class RowStatus : std::int32_t { active = 1, notInService = 2, notReady = 3, createAndGo = 4, createAndWait = 5, destroy = 6 };
template <>
struct Labels<RowStatus> {
  static constexpr Label labels[] = {{1, "active"},      {2, "notInService"},  {3, "notReady"},
                                     {4, "createAndGo"}, {5, "createAndWait"}, {6, "destroy"}};
};

/// RFC 2579.
enum class StorageType : std::int32_t { other = 1, volatile_ = 2, nonVolatile = 3, permanent = 4, readOnly = 5 };
template <>
struct Labels<StorageType> {
  static constexpr Label labels[] = {{1, "other"}, {2, "volatile"}, {3, "nonVolatile"}, {4, "permanent"}, {5, "readOnly"}};
};

}  // namespace vmmig

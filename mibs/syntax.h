// SPDX-License-Identifier: GPL-2.0-or-later
// The codecs: how each C++ member type stands in SMI (base type, range, labels), as an index, and in the packed image.
// A column's syntax is deduced from its member's type, so that the two cannot drift apart.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

#include "common/oer.h"
#include "common/oid.h"
#include "common/result.h"
#include "common/smi_value.h"

namespace vmmig {

/// A label of an enumeration (its value) or of BITS (its bit).
struct Label {
  std::int32_t number;
  std::string_view name;
};

/// What SMI says of a column's values; the conformance test holds it against the module.
struct Syntax {
  enum class Base { integer32, enumeration, unsigned32, counter32, counter64, octetString, bits };
  Base base;
  smi::Type wire;
  std::int64_t minimum = 0;  // of the number, or of the size in octets
  std::int64_t maximum = 0;
  std::span<const Label> labels = {};
  /// How a person reads it: text as such, addresses and UUIDs in their notation, everything else in hex.
  enum class Display { number, text, hex, address, uuid } display = Display::number;
  std::int64_t step = 1;  // of the size: minimum, minimum + step...
};

/// OCTET STRING of Minimum, Minimum + Step... Maximum octets, shown in hex: <0, 6, 6> is SIZE (0 | 6).
template <std::size_t Minimum, std::size_t Maximum, std::size_t Step = 1>
struct Octets {
  std::string value;
  auto operator<=>(const Octets&) const = default;
};

/// SnmpAdminString (RFC 3411): UTF-8 of Minimum to Maximum octets.
template <std::size_t Maximum, std::size_t Minimum = 0>
struct Text {
  std::string value;
  auto operator<=>(const Text&) const = default;
};

/// BITS named by the labels of an enumeration whose values are bit numbers; bit 0 is the first octet's highest.
template <class Flag>
struct Bits {
  std::uint32_t mask = 0;  // 1 << bit number
  auto operator<=>(const Bits&) const = default;
  bool has(Flag flag) const { return mask >> static_cast<unsigned>(flag) & 1; }
  void set(Flag flag, bool on = true) {
    std::uint32_t bit = std::uint32_t{1} << static_cast<unsigned>(flag);
    mask = on ? mask | bit : mask & ~bit;
  }
};

/// A number that SMI restricts to Minimum..Maximum (unsigned).
template <std::uint32_t Minimum, std::uint32_t Maximum>
struct Ranged {
  std::uint32_t value = Minimum;
  auto operator<=>(const Ranged&) const = default;
  operator std::uint32_t() const { return value; }
};

/// Counter32 (RFC 2578 section 7.1.6), read-only.
struct Counter32 {
  std::uint32_t value = 0;
  auto operator<=>(const Counter32&) const = default;
};

/// CounterBasedGauge64 (RFC 2856) used for a time: microseconds since 1970-01-01 UTC, 0 when it has not happened.
struct MicrosecondsUtc {
  std::uint64_t value = 0;
  auto operator<=>(const MicrosecondsUtc&) const = default;
};

/// Specialised for each enumeration: `static constexpr Label labels[]`, in the order of the numbers.
template <class E>
struct Labels;

/// Codec<T>: `syntax`, toValue, fromValue, encode and decode (packed image), appendIndex and parseIndex (OID).
/// fromValue checks type, length and range, and answers the error of RFC 3416 section 4.2.5 for each.
template <class T>
struct Codec;

namespace detail {

inline SnmpStatus checkNumber(const smi::Value& value, const Syntax& syntax) {
  if (value.type != syntax.wire) return SnmpStatus::wrongType;
  if (value.number < syntax.minimum || value.number > syntax.maximum) return SnmpStatus::wrongValue;
  return SnmpStatus::noError;
}

inline SnmpStatus checkSize(const smi::Value& value, const Syntax& syntax) {
  if (value.type != syntax.wire) return SnmpStatus::wrongType;
  auto size = static_cast<std::int64_t>(value.octets.size());
  if (size < syntax.minimum || size > syntax.maximum || (size - syntax.minimum) % syntax.step != 0) return SnmpStatus::wrongLength;
  return SnmpStatus::noError;
}

inline bool hasLabel(std::span<const Label> labels, std::int64_t number) {
  return std::any_of(labels.begin(), labels.end(), [number](const Label& label) { return label.number == number; });
}

inline std::optional<std::uint32_t> takeSub(OidSpan& index) {
  if (index.empty()) return std::nullopt;
  auto sub = index.front();
  index = index.subspan(1);
  return sub;
}

/// Sub-identifiers of an octet string: each 0..255 (RFC 2578 section 7.7).
std::optional<std::string> takeOctets(OidSpan& index, std::size_t count);
inline void appendOctets(Oid& index, std::string_view octets) {
  for (unsigned char octet : octets) index.push_back(octet);
}

/// RFC 3411: SnmpAdminString is UTF-8 (RFC 3629), and we refuse what is not, as wrongValue.
bool isUtf8(std::string_view text);

/// Unsigned numbers of the three widths that SMI's ranges lead to; the image's width follows the range (X.696 clause 10).
template <class T, std::uint32_t Minimum, std::uint32_t Maximum>
struct UnsignedCodec {
  static constexpr Syntax syntax{Syntax::Base::unsigned32, smi::Type::gauge32, Minimum, Maximum};
  static std::uint32_t number(const T& v) { return static_cast<std::uint32_t>(v); }
  static T make(std::uint32_t n) {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(n);
    else
      return T{n};
  }

  static smi::Value toValue(const T& v) { return smi::Value::gauge(number(v)); }
  static SnmpStatus fromValue(const smi::Value& value, T& v) {
    auto status = checkNumber(value, syntax);
    if (status == SnmpStatus::noError) v = make(static_cast<std::uint32_t>(value.number));
    return status;
  }
  static void encode(OerWriter& out, const T& v) {
    if constexpr (Maximum <= 0xff)
      out.uint8(static_cast<std::uint8_t>(number(v)));
    else if constexpr (Maximum <= 0xffff)
      out.uint16(static_cast<std::uint16_t>(number(v)));
    else
      out.uint32(number(v));
  }
  static bool decode(OerReader& in, T& v) {
    std::optional<std::uint32_t> n;
    if constexpr (Maximum <= 0xff)
      n = in.uint8();
    else if constexpr (Maximum <= 0xffff)
      n = in.uint16();
    else
      n = in.uint32();
    if (!n || *n < Minimum || *n > Maximum) return false;
    v = make(*n);
    return true;
  }
  static void appendIndex(Oid& index, const T& v) { index.push_back(number(v)); }
  static bool parseIndex(OidSpan& index, T& v) {
    auto sub = takeSub(index);
    if (!sub || *sub < Minimum || *sub > Maximum) return false;
    v = make(*sub);
    return true;
  }
};

}  // namespace detail

template <>
struct Codec<std::uint8_t> : detail::UnsignedCodec<std::uint8_t, 0, 0xff> {};
template <>
struct Codec<std::uint16_t> : detail::UnsignedCodec<std::uint16_t, 0, 0xffff> {};
template <>
struct Codec<std::uint32_t> : detail::UnsignedCodec<std::uint32_t, 0, 0xffffffff> {};
template <std::uint32_t Minimum, std::uint32_t Maximum>
struct Codec<Ranged<Minimum, Maximum>> : detail::UnsignedCodec<Ranged<Minimum, Maximum>, Minimum, Maximum> {};

template <>
struct Codec<std::int32_t> {
  static constexpr Syntax syntax{Syntax::Base::integer32, smi::Type::integer, std::numeric_limits<std::int32_t>::min(),
                                 std::numeric_limits<std::int32_t>::max()};
  static smi::Value toValue(std::int32_t v) { return smi::Value::integer(v); }
  static SnmpStatus fromValue(const smi::Value& value, std::int32_t& v) {
    auto status = detail::checkNumber(value, syntax);
    if (status == SnmpStatus::noError) v = static_cast<std::int32_t>(value.number);
    return status;
  }
  static void encode(OerWriter& out, std::int32_t v) { out.int32(v); }
  static bool decode(OerReader& in, std::int32_t& v) {
    auto n = in.int32();
    if (n) v = *n;
    return n.has_value();
  }
};

/// Enumerations, TruthValue among them (see bool below). In the image: ENUMERATED, short form (X.696 clause 11), 0..127.
template <class E>
  requires std::is_enum_v<E>
struct Codec<E> {
  static constexpr Syntax syntax{Syntax::Base::enumeration,
                                 smi::Type::integer,
                                 std::begin(Labels<E>::labels)->number,
                                 std::prev(std::end(Labels<E>::labels))->number,
                                 Labels<E>::labels};
  static smi::Value toValue(E v) { return smi::Value::integer(static_cast<std::int32_t>(v)); }
  static SnmpStatus fromValue(const smi::Value& value, E& v) {
    if (value.type != smi::Type::integer) return SnmpStatus::wrongType;
    if (!detail::hasLabel(syntax.labels, value.number)) return SnmpStatus::wrongValue;
    v = static_cast<E>(value.number);
    return SnmpStatus::noError;
  }
  static void encode(OerWriter& out, E v) { out.uint8(static_cast<std::uint8_t>(v)); }
  static bool decode(OerReader& in, E& v) {
    auto n = in.uint8();
    if (!n || !detail::hasLabel(syntax.labels, *n)) return false;
    v = static_cast<E>(*n);
    return true;
  }
  static void appendIndex(Oid& index, E v) { index.push_back(static_cast<std::uint32_t>(v)); }
  static bool parseIndex(OidSpan& index, E& v) {
    auto sub = detail::takeSub(index);
    if (!sub || !detail::hasLabel(syntax.labels, *sub)) return false;
    v = static_cast<E>(*sub);
    return true;
  }
};

/// TruthValue (RFC 2579): true(1), false(2).
template <>
struct Codec<bool> {
  static constexpr Label labels[] = {{1, "true"}, {2, "false"}};
  static constexpr Syntax syntax{Syntax::Base::enumeration, smi::Type::integer, 1, 2, labels};
  static smi::Value toValue(bool v) { return smi::Value::integer(v ? 1 : 2); }
  static SnmpStatus fromValue(const smi::Value& value, bool& v) {
    auto status = detail::checkNumber(value, syntax);
    if (status == SnmpStatus::noError) v = value.number == 1;
    return status;
  }
  static void encode(OerWriter& out, bool v) { out.uint8(v ? 1 : 2); }
  static bool decode(OerReader& in, bool& v) {
    auto n = in.uint8();
    if (!n || *n < 1 || *n > 2) return false;
    v = *n == 1;
    return true;
  }
};

template <>
struct Codec<Counter32> {
  static constexpr Syntax syntax{Syntax::Base::counter32, smi::Type::counter32, 0, 0xffffffff};
  static smi::Value toValue(Counter32 v) { return smi::Value::counter(v.value); }
  // The manager reads counters; that nobody writes them is their MAX-ACCESS.
  static SnmpStatus fromValue(const smi::Value& value, Counter32& v) {
    auto status = detail::checkNumber(value, syntax);
    if (status == SnmpStatus::noError) v.value = static_cast<std::uint32_t>(value.number);
    return status;
  }
  static void encode(OerWriter& out, Counter32 v) { out.uint32(v.value); }
  static bool decode(OerReader& in, Counter32& v) {
    auto n = in.uint32();
    if (n) v.value = *n;
    return n.has_value();
  }
};

template <>
struct Codec<MicrosecondsUtc> {
  static constexpr Syntax syntax{Syntax::Base::counter64, smi::Type::counter64, 0, std::numeric_limits<std::int64_t>::max()};
  static smi::Value toValue(MicrosecondsUtc v) { return smi::Value::counter64(v.value); }
  static SnmpStatus fromValue(const smi::Value& value, MicrosecondsUtc& v) {
    auto status = detail::checkNumber(value, syntax);
    if (status == SnmpStatus::noError) v.value = static_cast<std::uint64_t>(value.number);
    return status;
  }
  static void encode(OerWriter& out, MicrosecondsUtc v) { out.uint64(v.value); }
  static bool decode(OerReader& in, MicrosecondsUtc& v) {
    auto n = in.uint64();
    if (!n || *n > static_cast<std::uint64_t>(syntax.maximum)) return false;
    v.value = *n;
    return true;
  }
};

template <std::size_t Minimum, std::size_t Maximum, std::size_t Step>
struct Codec<Octets<Minimum, Maximum, Step>> {
  using T = Octets<Minimum, Maximum, Step>;
  static constexpr Syntax syntax{Syntax::Base::octetString, smi::Type::octetString, Minimum, Maximum, {}, Syntax::Display::hex, Step};
  static smi::Value toValue(const T& v) { return smi::Value::string(v.value); }
  static SnmpStatus fromValue(const smi::Value& value, T& v) {
    auto status = detail::checkSize(value, syntax);
    if (status == SnmpStatus::noError) v.value = value.octets;
    return status;
  }
  /// Fixed size: no length in front (X.696 clause 14).
  static void encode(OerWriter& out, const T& v) {
    if constexpr (Minimum == Maximum)
      out.raw(v.value);
    else
      out.octets(v.value);
  }
  static std::optional<std::string_view> content(OerReader& in) {
    if constexpr (Minimum == Maximum)
      return in.raw(Maximum);
    else
      return in.octets();
  }
  static bool decode(OerReader& in, T& v) {
    auto content = Codec::content(in);
    if (!content || content->size() < Minimum || content->size() > Maximum || (content->size() - Minimum) % Step != 0) return false;
    v.value = *content;
    return true;
  }
  /// Fixed size: no length sub-identifier (RFC 2578 section 7.7).
  static void appendIndex(Oid& index, const T& v)
    requires(Minimum == Maximum)
  {
    detail::appendOctets(index, v.value);
  }
  static bool parseIndex(OidSpan& index, T& v)
    requires(Minimum == Maximum)
  {
    auto octets = detail::takeOctets(index, Maximum);
    if (octets) v.value = *octets;
    return octets.has_value();
  }
};

template <std::size_t Maximum, std::size_t Minimum>
struct Codec<Text<Maximum, Minimum>> {
  using T = Text<Maximum, Minimum>;
  static constexpr Syntax syntax{Syntax::Base::octetString, smi::Type::octetString, Minimum, Maximum, {}, Syntax::Display::text};
  static bool holds(std::string_view text) { return text.size() >= Minimum && text.size() <= Maximum && detail::isUtf8(text); }
  static smi::Value toValue(const T& v) { return smi::Value::string(v.value); }
  static SnmpStatus fromValue(const smi::Value& value, T& v) {
    auto status = detail::checkSize(value, syntax);
    if (status == SnmpStatus::noError && !detail::isUtf8(value.octets)) status = SnmpStatus::wrongValue;
    if (status == SnmpStatus::noError) v.value = value.octets;
    return status;
  }
  static void encode(OerWriter& out, const T& v) { out.octets(v.value); }
  static bool decode(OerReader& in, T& v) {
    auto content = in.octets();
    if (!content || !holds(*content)) return false;
    v.value = *content;
    return true;
  }
  /// Variable size: a length sub-identifier in front (RFC 2578 section 7.7).
  static void appendIndex(Oid& index, const T& v) {
    index.push_back(static_cast<std::uint32_t>(v.value.size()));
    detail::appendOctets(index, v.value);
  }
  static bool parseIndex(OidSpan& index, T& v) {
    auto size = detail::takeSub(index);
    if (!size || *size > Maximum) return false;
    auto octets = detail::takeOctets(index, *size);
    if (!octets || !holds(*octets)) return false;
    v.value = *octets;
    return true;
  }
};

template <class Flag>
struct Codec<Bits<Flag>> {
  using T = Bits<Flag>;
  static constexpr int highest = std::prev(std::end(Labels<Flag>::labels))->number;
  static constexpr std::size_t size = highest / 8 + 1;
  static constexpr Syntax syntax{Syntax::Base::bits, smi::Type::octetString, 0, size, Labels<Flag>::labels,
                                 Syntax::Display::hex};
  static std::string pack(const T& v) {
    std::string octets(size, '\0');
    for (const auto& label : Labels<Flag>::labels)
      if (v.mask >> label.number & 1) octets[static_cast<std::size_t>(label.number) / 8] |= static_cast<char>(0x80 >> label.number % 8);
    return octets;
  }
  /// RFC 3417 section 8: trailing zero bits may be missing or surplus; a set bit without a name is wrong.
  static bool unpack(std::string_view octets, T& v) {
    T result;
    for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
      if (!(octets[bit / 8] & 0x80 >> bit % 8)) continue;
      if (!detail::hasLabel(syntax.labels, static_cast<std::int64_t>(bit))) return false;
      result.mask |= std::uint32_t{1} << bit;
    }
    v = result;
    return true;
  }
  static smi::Value toValue(const T& v) { return smi::Value::string(pack(v)); }
  static SnmpStatus fromValue(const smi::Value& value, T& v) {
    if (value.type != smi::Type::octetString) return SnmpStatus::wrongType;
    if (value.octets.size() > 64) return SnmpStatus::wrongLength;
    return unpack(value.octets, v) ? SnmpStatus::noError : SnmpStatus::wrongValue;
  }
  static void encode(OerWriter& out, const T& v) { out.raw(pack(v)); }
  static bool decode(OerReader& in, T& v) {
    auto content = in.raw(size);
    return content && unpack(*content, v);
  }
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A value as SNMP carries it (RFC 2578 section 7.1, RFC 3416 section 3), free of any SNMP library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/oid.h"

namespace vmmig::smi {

/// The ASN.1 tags on the wire; the numbers are those of RFC 3417 section 8.
enum class Type : std::uint8_t {
  null = 0x05,
  integer = 0x02,      // Integer32, enumerations, TruthValue, RowStatus
  octetString = 0x04,  // OCTET STRING, BITS
  objectId = 0x06,
  ipAddress = 0x40,
  counter32 = 0x41,
  gauge32 = 0x42,  // Gauge32, Unsigned32
  timeTicks = 0x43,
  opaque = 0x44,
  counter64 = 0x46,
  noSuchObject = 0x80,
  noSuchInstance = 0x81,
  endOfMibView = 0x82,
};

std::string_view name(Type type);

/// One value with its tag. `number` serves every numeric type (integer: sign-extended), `octets` the string types.
struct Value {
  Type type = Type::null;
  std::int64_t number = 0;
  std::string octets;
  Oid oid;

  static Value integer(std::int32_t v) { return {Type::integer, v, {}, {}}; }
  static Value gauge(std::uint32_t v) { return {Type::gauge32, v, {}, {}}; }
  static Value counter(std::uint32_t v) { return {Type::counter32, v, {}, {}}; }
  static Value counter64(std::uint64_t v) { return {Type::counter64, static_cast<std::int64_t>(v), {}, {}}; }
  static Value string(std::string v) { return {Type::octetString, 0, std::move(v), {}}; }
  static Value objectId(Oid v) { return {Type::objectId, 0, {}, std::move(v)}; }

  bool isException() const { return type >= Type::noSuchObject; }
  bool operator==(const Value&) const = default;
};

struct VarBind {
  Oid name;
  Value value;
  bool operator==(const VarBind&) const = default;
};

/// For logs: "gauge32 17", "octetString 0a000005".
std::string toString(const Value& value);

}  // namespace vmmig::smi

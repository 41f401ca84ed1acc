// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/smi_value.h"

#include "common/hex.h"
#include "common/result.h"

namespace vmmig {

std::string_view name(SnmpStatus status) {
  static constexpr std::string_view names[] = {
      "noError",      "tooBig",     "noSuchName",        "badValue",            "readOnly",     "genErr",     "noAccess",
      "wrongType",    "wrongLength", "wrongEncoding",    "wrongValue",          "noCreation",   "inconsistentValue",
      "resourceUnavailable", "commitFailed", "undoFailed", "authorizationError", "notWritable", "inconsistentName"};
  auto number = static_cast<std::size_t>(status);
  return number < std::size(names) ? names[number] : "unknown error-status";
}

}  // namespace vmmig

namespace vmmig::smi {

std::string_view name(Type type) {
  switch (type) {
    case Type::null: return "null";
    case Type::integer: return "INTEGER";
    case Type::octetString: return "OCTET STRING";
    case Type::objectId: return "OBJECT IDENTIFIER";
    case Type::ipAddress: return "IpAddress";
    case Type::counter32: return "Counter32";
    case Type::gauge32: return "Unsigned32";
    case Type::timeTicks: return "TimeTicks";
    case Type::opaque: return "Opaque";
    case Type::counter64: return "Counter64";
    case Type::noSuchObject: return "noSuchObject";
    case Type::noSuchInstance: return "noSuchInstance";
    case Type::endOfMibView: return "endOfMibView";
  }
  return "unknown type";
}

std::string toString(const Value& value) {
  std::string text{name(value.type)};
  switch (value.type) {
    case Type::octetString:
    case Type::ipAddress:
    case Type::opaque: return text + ' ' + toHex(value.octets);
    case Type::objectId: return text + ' ' + vmmig::toString(value.oid);
    case Type::null:
    case Type::noSuchObject:
    case Type::noSuchInstance:
    case Type::endOfMibView: return text;
    case Type::counter64: return text + ' ' + std::to_string(static_cast<std::uint64_t>(value.number));
    default: return text + ' ' + std::to_string(value.number);
  }
}

}  // namespace vmmig::smi

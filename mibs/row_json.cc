// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/row_json.h"

#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/hex.h"

#include "mibs/labels.h"

namespace vmmig {

namespace {

using nlohmann::json;

bool isTruth(const ColumnInfo& column) { return column.syntax == &Codec<bool>::syntax; }

std::vector<std::string> bitNames(const Syntax& syntax, std::string_view octets) {
  std::vector<std::string> names;
  for (const auto& label : syntax.labels) {
    auto bit = static_cast<std::size_t>(label.number);
    if (bit / 8 < octets.size() && octets[bit / 8] & 0x80 >> bit % 8) names.emplace_back(label.name);
  }
  return names;
}

/// Address octets without their type: the size tells.
std::string addressText(std::string_view octets) {
  if (octets.size() == 4) return toString(InetAddress::v4(octets.data()));
  if (octets.size() == 16) return toString(InetAddress::v6(octets.data()));
  return toHex(octets);
}

std::string stringText(const Syntax& syntax, const std::string& octets) {
  Uuid uuid;
  switch (syntax.display) {
    case Syntax::Display::text: return octets;
    case Syntax::Display::address: return addressText(octets);
    case Syntax::Display::uuid: return Codec<Uuid>::assign(octets, uuid) ? toString(uuid) : toHex(octets);
    default: return toHex(octets);
  }
}

/// ISO 8601, UTC; "-" for what has not happened.
std::string timeText(std::uint64_t microseconds) {
  if (microseconds == 0) return "-";
  auto seconds = static_cast<std::time_t>(microseconds / 1'000'000);
  std::tm utc{};
  char day[40];
  char text[56];
  if (!gmtime_r(&seconds, &utc) || std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
    return std::to_string(microseconds);
  std::snprintf(text, sizeof text, "%s.%06uZ", day, static_cast<unsigned>(microseconds % 1'000'000));
  return text;
}

json valueToJson(const ColumnInfo& column, const smi::Value& value) {
  const auto& syntax = *column.syntax;
  if (isTruth(column)) return value.number == 1;
  switch (syntax.base) {
    case Syntax::Base::enumeration: return labelOf(syntax.labels, value.number);
    case Syntax::Base::bits: return bitNames(syntax, value.octets);
    case Syntax::Base::octetString: return stringText(syntax, value.octets);
    case Syntax::Base::counter64: return static_cast<std::uint64_t>(value.number);
    default: return value.number;
  }
}

// --- and back -------------------------------------------------------------------------------------------------------

std::string allLabels(const Syntax& syntax) {
  std::string text;
  for (const auto& label : syntax.labels) text += (text.empty() ? "" : ", ") + std::string{label.name};
  return text;
}

Result<std::int64_t> labelNumber(const Syntax& syntax, const json& item) {
  if (item.is_string())
    for (const auto& label : syntax.labels)
      if (label.name == item.get_ref<const std::string&>()) return label.number;
  return failure(SnmpStatus::wrongValue, "is none of: " + allLabels(syntax));
}

Result<smi::Value> bitsFromJson(const Syntax& syntax, const json& item) {
  if (!item.is_array()) return failure(SnmpStatus::wrongType, "must be a list of: " + allLabels(syntax));
  std::string octets(static_cast<std::size_t>(syntax.maximum), '\0');
  for (const auto& each : item) {
    auto bit = labelNumber(syntax, each);
    if (!bit) return failure(bit.error());
    octets[static_cast<std::size_t>(*bit) / 8] |= static_cast<char>(0x80 >> *bit % 8);
  }
  return smi::Value::string(octets);
}

Result<smi::Value> stringFromJson(const Syntax& syntax, const json& item) {
  if (!item.is_string()) return failure(SnmpStatus::wrongType, "must be a string");
  const auto& text = item.get_ref<const std::string&>();
  if (syntax.display == Syntax::Display::text) return smi::Value::string(text);
  if (syntax.display == Syntax::Display::uuid) {
    auto uuid = parseUuid(text);
    if (!uuid) return failure(SnmpStatus::wrongValue, "is no UUID");
    return Codec<Uuid>::toValue(*uuid);
  }
  if (syntax.display == Syntax::Display::address) {
    if (text.empty()) return smi::Value::string("");
    auto address = parseInetAddress(text);
    if (!address) return failure(SnmpStatus::wrongValue, "is no IP address");
    return smi::Value::string(std::string{address->bytes()});
  }
  auto octets = fromHex(text);
  if (!octets) return failure(SnmpStatus::wrongValue, "is not hexadecimal");
  return smi::Value::string(*octets);
}

Result<smi::Value> numberFromJson(const Syntax& syntax, const json& item) {
  if (!item.is_number_integer()) return failure(SnmpStatus::wrongType, "must be a whole number");
  // Beyond int64 there is nothing that any column holds.
  bool tooLarge = item.is_number_unsigned() && item.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max();
  auto number = tooLarge ? std::numeric_limits<std::int64_t>::max() : item.get<std::int64_t>();
  if (tooLarge || number < syntax.minimum || number > syntax.maximum)
    return failure(SnmpStatus::wrongValue,
                   "is not within " + std::to_string(syntax.minimum) + ".." + std::to_string(syntax.maximum));
  return smi::Value{syntax.wire, number, {}, {}};
}

Result<smi::Value> valueFromJson(const ColumnInfo& column, const json& item) {
  const auto& syntax = *column.syntax;
  if (isTruth(column)) {
    if (!item.is_boolean()) return failure(SnmpStatus::wrongType, "must be true or false");
    return smi::Value::integer(item.get<bool>() ? 1 : 2);
  }
  switch (syntax.base) {
    case Syntax::Base::enumeration:
      return labelNumber(syntax, item).map([](std::int64_t n) { return smi::Value::integer(static_cast<std::int32_t>(n)); });
    case Syntax::Base::bits: return bitsFromJson(syntax, item);
    case Syntax::Base::octetString: return stringFromJson(syntax, item);
    default: return numberFromJson(syntax, item);
  }
}

/// `item` as it stands in an error: short, in ASCII, and never deep (dump() recurses).
std::string excerpt(const json& item) {
  if (item.is_structured()) return std::string{"the "} + item.type_name();
  auto text = item.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

Status setFromJson(AnyRow& row, const ColumnInfo& column, const json& item) {
  auto value = valueFromJson(column, item);
  if (!value) return failure(value.error().status, std::string{column.name} + ": " + excerpt(item) + " " + value.error().text);
  if (auto status = row.set(column, *value); status != SnmpStatus::noError)
    return failure(status, std::string{column.name} + ": " + excerpt(item) + " is refused: " + std::string{name(status)});
  return {};
}

}  // namespace

nlohmann::json toJson(const AnyRow& row) {
  json object = json::object();
  for (const auto& column : row.table().columns) object[std::string{column.name}] = valueToJson(column, row.get(column));
  return object;
}

Result<AnyRow> rowFromJson(const TableInfo& table, const nlohmann::json& object) {
  if (!object.is_object())
    return failure(SnmpStatus::wrongType, "a row of " + std::string{table.name} + " must be a JSON object");
  AnyRow row{table};
  for (const auto& [key, item] : object.items()) {
    const auto* column = table.column(std::string_view{key});
    if (!column) return failure(SnmpStatus::noCreation, excerpt(key) + " is no column of " + std::string{table.name});
    if (auto status = setFromJson(row, *column, item); !status) return failure(status.error());
  }
  for (const auto& column : table.index())
    if (!object.contains(column.name))
      return failure(SnmpStatus::noCreation,
                     std::string{column.name} + " is missing: a row of " + std::string{table.name} + " needs its whole INDEX");
  return row;
}

std::string displayValue(const ColumnInfo& column, const AnyRow& row) {
  const auto& syntax = *column.syntax;
  auto value = row.get(column);
  switch (syntax.base) {
    case Syntax::Base::enumeration: return labelOf(syntax.labels, value.number);
    case Syntax::Base::counter64: return timeText(static_cast<std::uint64_t>(value.number));
    case Syntax::Base::bits: {
      std::string text;
      for (const auto& bit : bitNames(syntax, value.octets)) text += (text.empty() ? "" : ",") + bit;
      return text.empty() ? "-" : text;
    }
    case Syntax::Base::octetString:
      if (value.octets.empty() && syntax.display != Syntax::Display::text) return "-";
      return stringText(syntax, value.octets);
    default: return std::to_string(value.number);
  }
}

}  // namespace vmmig

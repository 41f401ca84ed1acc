// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_nft_match.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>

#include "common/inet_address.h"
#include "mibs/element_name.h"
#include "subagent/linux_nft.h"

namespace vmmig {

namespace {

using Json = nlohmann::json;

bool isAddressType(std::string_view type) { return type == "ipv4_addr" || type == "ipv6_addr"; }
bool isInterfaceType(std::string_view type) { return type == "ifname" || type == "iface_index"; }
bool isObjectType(std::string_view type) { return type == "counter" || type == "quota" || type == "limit"; }

// --- from JSON ------------------------------------------------------------------------------------------------------

std::string plainText(const Json& value, std::string_view type) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "1" : "0";
  if (value.is_structured()) return value.get<std::string>();  // of another form: throws, as all that is not as expected
  if (!value.is_number_unsigned()) return value.dump();
  if (type != "mark") return std::to_string(value.get<std::uint64_t>());
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", value.get<unsigned>());
  return text;
}

/// {"accept": null}, {"jump": {"target": "web"}}
std::string verdictText(const std::string& verdict, const Json& target) {
  return target.is_object() && target.contains("target") ? verdict + " " + target["target"].get<std::string>() : verdict;
}

std::string componentText(const Json& value, std::string_view type) {
  if (!value.is_object() || value.empty()) return plainText(value, type);
  auto only = value.begin();
  const std::string& key = only.key();
  const Json& content = only.value();
  if (key == "prefix") return content.at("addr").get<std::string>() + "/" + std::to_string(content.at("len").get<unsigned>());
  if (key == "range") return plainText(content.at(0), type) + "-" + plainText(content.at(1), type);
  return verdictText(key, content);
}

// --- to commands ----------------------------------------------------------------------------------------------------

tl::unexpected<Error> wrong(std::string_view text, std::string_view type, const std::string& why) {
  return failure(SnmpStatus::inconsistentValue, "\"" + std::string{text} + "\" is no " + std::string{type} + ": " + why);
}

template <class Number>
std::optional<Number> parseNumber(std::string_view text, int base = 10) {
  Number number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool isAddress(std::string_view text, std::string_view type) {
  auto address = parseInetAddress(text);
  auto wanted = type == "ipv4_addr" ? InetAddressType::ipv4 : InetAddressType::ipv6;
  return address && address->type == wanted && toString(*address) == text;
}

/// The same in what the kernel keeps, hence the only form that reads as it was written.
std::string numberText(std::uint64_t number) { return std::to_string(number); }

bool isValue(std::string_view text, std::string_view type) {
  static const std::regex ether{"[0-9a-f]{2}(:[0-9a-f]{2}){5}"}, classId{"[0-9a-f]{1,4}:[0-9a-f]{1,4}"}, mark{"0x[0-9a-f]{8}"};
  auto fits = [&](const std::regex& form) { return std::regex_match(text.begin(), text.end(), form); };
  if (isAddressType(type)) return isAddress(text, type);
  if (type == "ether_addr") return fits(ether);
  if (type == "classid") return fits(classId);
  if (type == "mark") return fits(mark);
  auto number = parseNumber<std::uint64_t>(text);
  return number && numberText(*number) == text;
}

std::string formOf(std::string_view type) {
  if (isAddressType(type)) return "write the address in its shortest form (RFC 5952)";
  if (type == "ether_addr") return "write it as 02:00:5e:00:53:01";
  if (type == "classid") return "write it as 1:2a";
  if (type == "mark") return "write it as 0x0000002a";
  return "write it as a decimal number";
}

std::optional<std::size_t> prefixLength(std::string_view digits, std::string_view type) {
  auto length = parseNumber<std::size_t>(digits);
  if (!length || *length >= (type == "ipv4_addr" ? 32u : 128u) || numberText(*length) != digits) return std::nullopt;
  return length;
}

/// Nothing but zero bits behind the prefix: else it reads back in another way.
bool isCleanPrefix(std::string_view text, std::size_t length) {
  auto address = parseInetAddress(text);
  for (std::size_t bit = length; bit < address->size * 8u; ++bit)
    if ((address->octets[bit / 8] & 0x80 >> bit % 8) != 0) return false;
  return true;
}

/// A range that nft shows as a prefix: the first address ends in as many zero bits as the last one in one bits, where they
/// differ.
bool isPrefix(std::string_view firstText, std::string_view lastText) {
  auto first = parseInetAddress(firstText), last = parseInetAddress(lastText);
  bool isBehind = false;
  for (std::size_t bit = 0; bit < first->size * 8u; ++bit) {
    auto mask = 0x80 >> bit % 8;
    bool low = first->octets[bit / 8] & mask, high = last->octets[bit / 8] & mask;
    isBehind = isBehind || low != high;
    if (isBehind && (low || !high)) return false;
  }
  return true;
}

Result<std::string> intervalText(std::string_view text, std::string_view type) {
  if (auto slash = text.find('/'); slash != text.npos && isAddressType(type)) {
    auto length = prefixLength(text.substr(slash + 1), type);
    auto address = text.substr(0, slash);
    if (length && isValue(address, type) && isCleanPrefix(address, *length)) return std::string{text};
    return wrong(text, type, "write a prefix as 10.1.0.0/24, without bits behind its length");
  }
  auto dash = text.find('-');
  auto first = text.substr(0, dash), last = text.substr(dash + 1);
  if (!isValue(first, type) || !isValue(last, type) || first == last)
    return wrong(text, type, "write a range as its first and last value, as in 80-90");
  if (isAddressType(type) && isPrefix(first, last)) return wrong(text, type, "this range is a prefix: write it as one");
  return std::string{text};
}

/// A verdict as nft writes it: a word alone, or with the name of a chain.
Result<std::string> verdictCommand(std::string_view text) {
  static const std::regex form{"accept|drop|continue|return|(jump|goto) [A-Za-z][A-Za-z0-9/_.\\-]*"};
  if (std::regex_match(text.begin(), text.end(), form)) return std::string{text};
  return wrong(text, "verdict", "write accept, drop, continue, return, or jump or goto and a chain");
}

Result<std::string> quotedCommand(std::string_view text, std::string_view type) {
  auto quoted = nftQuoted(text);
  bool hasSpace = text.find(' ') != text.npos;
  if (quoted && !text.empty() && text.size() < (isInterfaceType(type) ? 16u : 128u) && !hasSpace) return *quoted;
  return wrong(text, type, "it has a space, a quote or another character that no name has, or is too long");
}

Result<std::string> componentCommand(std::string_view text, std::string_view type, bool ranges) {
  if (isInterfaceType(type) || isObjectType(type)) return quotedCommand(text, type);
  if (type == "verdict") return verdictCommand(text);
  if (isValue(text, type)) return std::string{text};
  bool isInterval = text.find_first_of("-/") != text.npos;
  if (isInterval && ranges) return intervalText(text, type);
  return wrong(text, type, isInterval ? "the set has not the flag `interval`" : formOf(type));
}

}  // namespace

Result<NftTypes> parseNftTypes(std::string_view text) {
  NftTypes types;
  for (auto word : matchComponents(text)) {
    bool isName = !word.empty() && std::all_of(word.begin(), word.end(),
                                               [](unsigned char c) { return std::islower(c) || std::isdigit(c) || c == '_'; });
    if (!isName)
      return failure(SnmpStatus::inconsistentValue, "\"" + std::string{text} +
                                                        "\" are no types of nftables: write them as in "
                                                        "\"ipv4_addr . inet_service\"");
    types.emplace_back(word);
  }
  return types;
}

std::string toString(const NftTypes& types) {
  std::string text;
  for (const auto& type : types) text += (text.empty() ? "" : " . ") + type;
  return text;
}

std::string nftText(const Json& value, const NftTypes& types) {
  auto typeOf = [&](std::size_t i) { return i < types.size() ? std::string_view{types[i]} : std::string_view{}; };
  if (!value.is_object() || !value.contains("concat")) return componentText(value, typeOf(0));
  std::string text;
  std::size_t i = 0;
  for (const auto& component : value["concat"]) text += (i ? " . " : "") + componentText(component, typeOf(i)), ++i;
  return text;
}

Result<std::string> nftCommandText(std::string_view text, const NftTypes& types, bool ranges) {
  auto components = matchComponents(text);
  if (components.size() != types.size())
    return failure(SnmpStatus::inconsistentValue,
                   "\"" + std::string{text} + "\" has not the components \"" + toString(types) + "\"");
  std::string command;
  for (std::size_t i = 0; i < components.size(); ++i) {
    auto component = componentCommand(components[i], types[i], ranges);
    if (!component) return component;
    command += (i ? " . " : "") + *component;
  }
  return command;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_nft_elements.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "subagent/linux_nft.h"

namespace vmmig {

namespace {

using Json = nlohmann::json;

constexpr std::chrono::milliseconds descriptionLife{500};
constexpr std::size_t maxComment = 128;  // NFTNL_UDATA_COMMENT_MAXLEN

/// A word or a list of words.
NftTypes typesFrom(const Json& json) {
  if (json.is_array()) return json.get<NftTypes>();
  auto types = parseNftTypes(json.get<std::string>());
  return types ? *types : NftTypes{json.get<std::string>()};
}

bool hasFlag(const Json& set, const char* flag) {
  if (!set.contains("flags")) return false;
  const auto& flags = set["flags"];
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

/// A set that counts says so with a statement; one element's counter stands in it.
bool counts(const Json& set) {
  if (!set.contains("stmt")) return false;
  return std::any_of(set["stmt"].begin(), set["stmt"].end(), [](const Json& each) { return each.contains("counter"); });
}

NftSet describe(const Json& json, bool isMap) {
  NftSet set;
  set.path =
      json.at("family").get<std::string>() + " " + json.at("table").get<std::string>() + " " + json.at("name").get<std::string>();
  set.keys = typesFrom(json.at("type"));
  if (isMap) set.values = typesFrom(json.at("map"));
  set.hasRanges = hasFlag(json, "interval");
  set.hasTimeouts = hasFlag(json, "timeout") || json.contains("timeout");
  set.hasCounters = counts(json);
  set.size = json.value("size", std::uint64_t{0});
  set.lifetime = json.value("timeout", forEver);
  return set;
}

/// A value alone, or {"elem": {"val": value, "expires": 5...}} around it.
NftElement elementFrom(const Json& json, const NftSet& set) {
  NftElement element;
  bool isPlain = !json.is_object() || !json.contains("elem");
  const auto& content = isPlain ? json : json["elem"];
  element.match = nftText(isPlain ? content : content.at("val"), set.keys);
  if (isPlain) return element;
  element.comment = content.value("comment", std::string{});
  if (content.contains("expires")) {
    element.timeout = content["expires"].get<std::uint32_t>();
    element.lifetime = content.value("timeout", set.lifetime);
  }
  if (content.contains("counter")) {
    element.packets = content["counter"].value("packets", std::uint64_t{0});
    element.octets = content["counter"].value("bytes", std::uint64_t{0});
  }
  return element;
}

/// A map's are pairs: [key, value].
NftElement entryFrom(const Json& json, const NftSet& set) {
  if (!set.isMap()) return elementFrom(json, set);
  auto element = elementFrom(json.at(0), set);
  element.data = nftText(json.at(1), set.values);
  return element;
}

Result<NftSetListing> list(Nft& nft, const std::string& path, bool hasElements) {
  Nft::Listing listing;
  listing.hasNumbers = true;
  listing.hasElements = hasElements;
  auto objects = nft.list("list set " + path, listing);
  if (!objects && objects.error().status == SnmpStatus::noSuchName) objects = nft.list("list map " + path, listing);
  if (!objects) return failure(objects.error());
  for (const auto& object : *objects) {
    auto set = setFrom(object);
    if (!set || *set) return set ? Result<NftSetListing>{**set} : failure(set.error());
  }
  return failure(SnmpStatus::noSuchName, "nft lists no set " + path);
}

tl::unexpected<Error> cannotHold(const NftSet& set, const std::string& what, const std::string& remedy) {
  return failure(SnmpStatus::inconsistentValue, set.path + " " + what + ": " + remedy);
}

Result<std::string> timeText(const NftSet& set, const NftElement& element) {
  if (element.lifetime == forEver && element.timeout == forEver) {
    if (set.lifetime == forEver) return std::string{};
    return cannotHold(set, "gives every element a timeout of " + std::to_string(set.lifetime) + " s", "write one that ends");
  }
  if (!set.hasTimeouts) return cannotHold(set, "has not the flag `timeout`", "write an element without end, or give it the flag");
  // The kernel takes an end at once for none at all.
  auto lifetime = std::max(element.lifetime == forEver ? element.timeout : element.lifetime, 1u);
  auto timeout = std::max(std::min(element.timeout, lifetime), 1u);
  return " timeout " + std::to_string(lifetime) + "s expires " + std::to_string(timeout) + "s";
}

Result<std::string> counterText(const NftSet& set, const NftElement& element) {
  if (!set.hasCounters && (element.packets != 0 || element.octets != 0))
    return cannotHold(set, "counts nothing", "declare it with `counter`, or write 0 packets and octets");
  if (!set.hasCounters) return std::string{};
  return " counter packets " + std::to_string(element.packets) + " bytes " + std::to_string(element.octets);
}

Result<std::string> commentText(const NftSet& set, const NftElement& element) {
  if (element.comment.empty()) return std::string{};
  auto quoted = nftQuoted(element.comment);
  if (quoted && element.comment.size() <= maxComment) return " comment " + *quoted;
  return failure(SnmpStatus::wrongValue,
                 set.path + " takes comments of 128 octets at most, without quotes and control characters");
}

Result<std::string> valueText(const NftSet& set, const NftElement& element) {
  if (set.isMap()) {
    auto value = nftCommandText(element.data, set.values, true);
    return value ? " : " + *value : value;
  }
  if (element.data.empty()) return std::string{};
  return cannotHold(set, "is a set and not a map", "write no data");
}

}  // namespace

bool NftSet::hasAddresses() const {
  return std::any_of(keys.begin(), keys.end(), [](const auto& type) { return type == "ipv4_addr" || type == "ipv6_addr"; });
}

Result<std::optional<NftSetListing>> setFrom(const Json& object) try {
  bool isMap = object.contains("map");
  if (!isMap && !object.contains("set")) return std::optional<NftSetListing>{};
  const auto& json = object[isMap ? "map" : "set"];
  NftSetListing listing{describe(json, isMap), {}};
  if (json.contains("elem"))
    for (const auto& each : json["elem"]) listing.elements.push_back(entryFrom(each, listing.set));
  return std::optional{std::move(listing)};
} catch (const Json::exception& error) {
  return failure("nftables lists a set in a way that vmmigd does not know (" + std::string{error.what()} +
                 "): " + object.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Result<NftSetListing> listSet(Nft& nft, const std::string& path) { return list(nft, path, true); }

Result<NftSet> describeSet(Nft& nft, const std::string& path) {
  auto listing = list(nft, path, false);
  if (!listing) return failure(listing.error());
  return listing->set;
}

Result<NftSet> NftSets::describe(const std::string& path, Clock::time_point now) {
  std::erase_if(known_, [&](const auto& each) { return each.second.end <= now; });
  if (auto found = known_.find(path); found != known_.end()) return found->second.set;
  auto set = describeSet(nft_, path);
  // Another error may be gone the next time.
  if (set || set.error().status == SnmpStatus::noSuchName) known_.insert_or_assign(path, Known{set, now + descriptionLife});
  return set;
}

Result<std::string> createElement(const NftSet& set, const NftElement& element) {
  auto key = nftCommandText(element.match, set.keys, set.hasRanges);
  if (!key) return key;
  std::string text = "create element " + set.path + " { " + *key;
  // Statements, then options, then data: any other order is a syntax error to nft 1.0.6.
  for (auto part : {counterText, timeText, commentText, valueText}) {
    auto words = part(set, element);
    if (!words) return words;
    text += *words;
  }
  return text + " }";
}

Result<std::string> deleteElement(const NftSet& set, const std::string& match) {
  auto key = nftCommandText(match, set.keys, set.hasRanges);
  if (!key) return key;
  return "delete element " + set.path + " { " + *key + " }";
}

}  // namespace vmmig

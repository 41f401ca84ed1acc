// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_policy_chain.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "subagent/linux_tc_words.h"

namespace vmmig {

namespace {

using nlohmann::json;
using Step = NftTransaction::Step;

constexpr std::string_view chainComment = "comment \"";

/// Rules without what stands in quotes.
struct Unquoted {
  std::string text;
  const char* fault = nullptr;
};

/// The only ways out of a rule in nft's language are a line end, a semicolon, a closing brace, a comment, a continued line and a
/// variable (src/scanner.l, stmt_separator in src/parser_bison.y); what is in quotes ends at the next quote.
Unquoted withoutQuotes(std::string_view rule) {
  Unquoted result;
  bool isQuoted = false;
  int depth = 0;
  for (unsigned char c : rule) {
    if ((c < ' ' && c != '\t') || c == 0x7f || c == '\\') return {{}, "it has a control character or a backslash"};
    if (c == '"') isQuoted = !isQuoted;
    if (isQuoted || c == '"') continue;
    if (c == ';' || c == '#' || c == '$' || c == '\'' || c == '`' || c >= 0x80) return {{}, "it is more than a rule"};
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (depth < 0) break;
    result.text += static_cast<char>(c);
  }
  if (depth != 0) result.fault = "its braces do not match";
  if (isQuoted) result.fault = "a quote is open";
  return result;
}

Status refused(std::string_view rule, const std::string& reason) {
  return failure(SnmpStatus::inconsistentValue, "`" + std::string{rule} + "` is not taken as a rule: " + reason);
}

Status checkRule(std::string_view rule) {
  auto unquoted = withoutQuotes(rule);
  if (unquoted.fault) return refused(rule, unquoted.fault);
  if (rule.starts_with(chainComment))
    return unquoted.text == "comment " ? Status{} : refused(rule, "it is no comment of a chain");
  auto words = wordsOf(unquoted.text);
  if (words.empty()) return refused(rule, "it is empty");
  constexpr std::array places{"handle", "position", "index"};
  if (std::find(places.begin(), places.end(), words[0]) != places.end()) return refused(rule, "it says where it stands");
  constexpr std::array commands{"include", "define", "redefine", "undefine"};
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (std::find(commands.begin(), commands.end(), words[i]) != commands.end()) return refused(rule, "it is a command");
    bool isJump = words[i] == "jump" || words[i] == "goto";
    if (isJump && (i + 1 == words.size() || words[i + 1].starts_with("{"))) return refused(rule, "it has a chain without a name");
  }
  return {};
}

/// The lines between the braces of `list chain`, each with two tabs in front; more of them belong to a chain without a name.
Result<std::string> rulesIn(const std::string& listing, const std::string& chain) {
  std::string rules;
  bool isInside = false;
  for (const auto& line : linesOf(listing)) {
    if (line.starts_with("\tchain ")) {
      isInside = true;
    } else if (isInside && line == "\t}") {
      isInside = false;
    } else if (isInside) {
      auto rule = line.substr(std::min<std::size_t>(2, line.size()));
      if (rule.starts_with("type ") && rule.find(" hook ") != rule.npos)
        return failure("chain " + chain + " has a hook, so that it is not one VM's: it cannot be carried");
      if (auto checked = line.starts_with("\t\t\t") ? refused(rule, "it is part of another") : checkRule(rule); !checked)
        return failure("chain " + chain + " cannot be carried: " + checked.error().text);
      rules += rule + "\n";
    }
  }
  return rules;
}

/// A key of a map, in words of nft; empty: another kind.
std::string keyText(const json& key) {
  if (key.is_string()) return key.get<std::string>();
  if (!key.is_object()) return {};
  if (key.contains("elem")) return key["elem"].contains("val") ? keyText(key["elem"]["val"]) : std::string{};
  if (key.contains("prefix")) return textIn(key["prefix"], "addr") + "/" + std::to_string(numberIn(key["prefix"], "len"));
  if (key.contains("range") && key["range"].is_array() && key["range"].size() == 2)
    return keyText(key["range"][0]) + "-" + keyText(key["range"][1]);
  return {};
}

bool leadsTo(const json& verdict, const std::string& chain) {
  for (const char* word : {"jump", "goto"})
    if (verdict.is_object() && verdict.contains(word)) return textIn(verdict[word], "target") == chain;
  return false;
}

const json* objectIn(const json& listing, const char* type) {
  for (const auto& each : listing)
    if (each.contains(type)) return &each[type];
  return nullptr;
}

}  // namespace

std::string LinuxPolicyChain::inTable(const std::string& name) const {
  return source_.chain.family + " " + source_.chain.table + " " + name;
}

bool LinuxPolicyChain::hasTable() const {
  // As text: nft 1.0.6 prints no valid JSON for a table with flags, as that which blocks VMs.
  auto tables = nft_.listText("list tables " + source_.chain.family);
  if (!tables) return false;
  auto lines = linesOf(*tables);
  return std::find(lines.begin(), lines.end(), "table " + source_.chain.family + " " + source_.chain.table) != lines.end();
}

Result<std::optional<std::string>> LinuxPolicyChain::read(const Vm& vm) const {
  auto listing = nft_.listText("list chain " + source_.chain.text(vm.name));
  if (!listing && listing.error().status == SnmpStatus::noSuchName) return std::nullopt;
  if (!listing) return failure(listing.error());
  auto rules = rulesIn(*listing, source_.chain.text(vm.name));
  if (!rules) return failure(rules.error());
  return std::optional{*rules};
}

Status LinuxPolicyChain::checkText(std::string_view text) {
  bool isFirst = true;
  for (const auto& line : linesOf(text)) {
    if (auto checked = checkRule(line); !checked) return checked;
    if (!isFirst && line.starts_with(chainComment)) return refused(line, "a comment of the chain can only come first");
    isFirst = false;
  }
  return {};
}

Result<std::string> LinuxPolicyChain::keyTypeOf(const std::string& map) {
  if (auto known = keyTypes_.find(map); known != keyTypes_.end()) return known->second;
  auto listing = nft_.list("list map " + inTable(map), {.hasElements = false});
  if (!listing && listing.error().status == SnmpStatus::noSuchName)
    return failure("map " + inTable(map) + " does not exist here");
  if (!listing) return failure(listing.error());
  const auto* object = objectIn(*listing, "map");
  auto type = object ? textIn(*object, "type") : std::string{};
  // Of a map to several values it is a list.
  if (type.empty() || textIn(*object, "map") != "verdict")
    return failure("map " + inTable(map) + " does not lead from an address to a verdict");
  return keyTypes_[map] = type;
}

Result<std::string> LinuxPolicyChain::mapFor(const InetAddress& address, const Vm& vm) {
  std::string type = address.type == InetAddressType::ipv6 ? "ipv6_addr" : "ipv4_addr", others;
  for (const auto& map : source_.maps) {
    auto keys = keyTypeOf(map);
    if (!keys) return keys;
    if (*keys == type) return map;
  }
  return failure("policy " + source_.name + " has no verdict map of the type " + type + " for the address " + toString(address) +
                 " of VM " + vm.label() + ": add one to its line in vmmigd.conf");
}

Status LinuxPolicyChain::stageAdd(NftTransaction& transaction, const Vm& vm, std::string_view text, std::size_t row,
                                  const std::string& subject) {
  if (auto checked = checkText(text); !checked) return checked;
  auto chain = source_.chain.text(vm.name);
  std::string comment;
  for (const auto& line : linesOf(text))
    if (line.starts_with(chainComment))
      comment = " { " + line + "; }";
    else
      transaction.add(Step::addRules, "add rule " + chain + " " + line, row, subject);
  transaction.add(Step::addChains, "create chain " + chain + comment, row, subject);
  for (const auto& address : vm.addresses) {
    auto map = mapFor(address, vm);
    if (!map) return failure(map.error());
    auto element = " { " + toString(address) + " : jump " + source_.chain.nameFor(vm.name) + " }";
    transaction.add(Step::addElements, "create element " + inTable(*map) + element, row, subject);
  }
  return {};
}

Status LinuxPolicyChain::stageRemove(NftTransaction& transaction, const Vm& vm, const std::string& subject) const {
  auto chain = source_.chain.nameFor(vm.name);
  for (const auto& map : source_.maps) {
    auto listing = nft_.list("list map " + inTable(map));
    if (!listing) return failure(listing.error());
    const auto* object = objectIn(*listing, "map");
    if (!object || !object->contains("elem")) continue;
    for (const auto& element : (*object)["elem"])
      if (element.is_array() && element.size() == 2 && leadsTo(element[1], chain))
        transaction.add(Step::dropElements, "delete element " + inTable(map) + " { " + keyText(element[0]) + " }", {}, subject);
  }
  transaction.add(Step::dropRules, "flush chain " + inTable(chain), {}, subject);
  transaction.add(Step::dropChains, "delete chain " + inTable(chain), {}, subject);
  return {};
}

std::vector<std::pair<std::string, std::string>> LinuxPolicyChain::checkMaps() {
  std::vector<std::pair<std::string, std::string>> found;
  keyTypes_.clear();  // the operator may have made it anew
  for (const auto& map : source_.maps) {
    auto type = keyTypeOf(map);
    bool isAddress = type && (*type == "ipv4_addr" || *type == "ipv6_addr");
    found.emplace_back(map, isAddress ? "" : type ? "map " + inTable(map) + " has keys of the type " + *type : type.error().text);
  }
  return found;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/resources.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include "mibs/labels.h"

namespace vmmig {

namespace {

using Strings = std::vector<std::string>;

std::string trimmed(const std::string& text) {
  auto first = text.find_first_not_of(" \t");
  return first == text.npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Strings parts(const std::string& line) {
  Strings result;
  std::istringstream in{line};
  for (std::string part; std::getline(in, part, ',');) result.push_back(trimmed(part));
  return result;
}

Strings words(const std::string& text) {
  std::istringstream in{text};
  Strings result;
  for (std::string word; in >> word;) result.push_back(word);
  return result;
}

/// One kind of line: its key, what it must look like, and the line at hand, for errors.
struct Line {
  const char* key;
  const char* form;
  const std::string& text;

  tl::unexpected<Error> wrong(const std::string& why) const {
    return failure(std::string{key} + " = " + text + ": " + why + "; it must be " + form);
  }
};

bool isNftIdentifier(std::string_view name) {
  return !name.empty() && std::isalpha(static_cast<unsigned char>(name[0])) && nftIdentifier(name) == name;
}

std::string withoutPlaceholder(std::string name) {
  constexpr std::string_view placeholder = "{vm}";
  if (auto at = name.find(placeholder); at != name.npos) name.replace(at, placeholder.size(), "v");
  return name;
}

Result<NftName> nftName(const Line& line, const std::string& text) {
  static constexpr std::array families{"ip", "ip6", "inet", "arp", "bridge", "netdev"};
  auto list = words(text);
  if (list.size() != 3) return line.wrong("'" + text + "' are not three words");
  if (std::find(families.begin(), families.end(), list[0]) == families.end())
    return line.wrong("'" + list[0] + "' is no family of nftables");
  for (const auto& word : {list[1], withoutPlaceholder(list[2])})
    if (!isNftIdentifier(word)) return line.wrong("'" + word + "' is no name that nftables takes");
  return NftName{list[0], list[1], list[2]};
}

/// The name by which the MIB knows it: any text that fits the INDEX, once.
template <class List>
Status checkName(const Line& line, const std::string& name, const List& others, std::size_t most) {
  if (name.empty() || name.size() > most) return line.wrong("NAME must have 1 to " + std::to_string(most) + " octets");
  bool isTaken = std::any_of(others.begin(), others.end(), [&](const auto& each) { return each.name == name; });
  if (isTaken) return line.wrong("the name '" + name + "' is taken");
  return {};
}

/// IFNAMSIZ, and no slash or space (dev_valid_name(), net/core/dev.c).
bool isInterface(std::string_view name) {
  auto isBad = [](unsigned char c) { return c == '/' || c == ':' || c == '"' || c <= ' ' || c == 0x7f; };
  return !name.empty() && name.size() < 16 && name != "." && name != ".." && std::none_of(name.begin(), name.end(), isBad);
}

}  // namespace

// src/scanner.l: {letter}({letter}|{digit}|[/\-_\.])*
std::string nftIdentifier(std::string_view name) {
  std::string result;
  for (unsigned char c : name) result += std::isalnum(c) || c == '-' || c == '_' || c == '.' ? static_cast<char>(c) : '_';
  return result;
}

bool Resources::hasPerVm() const {
  auto isPerVm = [](const NftName& name) { return name.isPerVm(); };
  return std::any_of(acls.begin(), acls.end(), [&](const auto& each) { return isPerVm(each.set); }) ||
         std::any_of(counters.begin(), counters.end(), [&](const auto& each) { return isPerVm(each.object); }) ||
         std::any_of(policies.begin(), policies.end(), [&](const auto& each) { return isPerVm(each.chain); });
}

std::string NftName::nameFor(std::string_view vm) const {
  constexpr std::string_view placeholder = "{vm}";
  auto result = name;
  auto replacement = nftIdentifier(vm);
  if (auto at = result.find(placeholder); at != result.npos) result.replace(at, placeholder.size(), replacement);
  return result;
}

std::string NftName::text(std::string_view vm) const { return family + " " + table + " " + nameFor(vm); }

Status addAcl(Resources& resources, const std::string& text) {
  Line line{"acl", "NAME,FAMILY TABLE SET,permit|deny|other", text};
  auto list = parts(text);
  if (list.size() != 3) return line.wrong("it has not three parts");
  if (auto named = checkName(line, list[0], resources.acls, 32); !named) return named;
  auto set = nftName(line, list[1]);
  if (!set) return failure(set.error());
  auto action = fromLabel<AclAction>(list[2]);
  if (!action) return line.wrong("'" + list[2] + "' is not what a list does");
  resources.acls.push_back({list[0], *set, *action});
  return {};
}

Status addCounter(Resources& resources, const std::string& text) {
  Line line{"counter", "NAME,halfOpen|counter|quota|element,FAMILY TABLE OBJECT", text};
  auto list = parts(text);
  if (list.size() != 3) return line.wrong("it has not three parts");
  if (auto named = checkName(line, list[0], resources.counters, 32); !named) return named;
  auto kind = fromLabel<CounterKind>(list[1]);
  if (!kind) return line.wrong("'" + list[1] + "' is no kind of counter");
  auto object = nftName(line, list[2]);
  if (!object) return failure(object.error());
  if (*kind != CounterKind::element && !object->isPerVm())
    return line.wrong("a " + list[1] + " is one VM's own, so OBJECT must hold {vm}, for which the VM's name stands");
  resources.counters.push_back({list[0], *kind, *object});
  return {};
}

Status addPolicy(Resources& resources, const std::string& text) {
  Line line{"policy", "NAME,acl,FAMILY TABLE CHAIN,MAP[ MAP] or NAME,qos", text};
  auto list = parts(text);
  if (list.size() < 2) return line.wrong("a part is missing");
  if (auto named = checkName(line, list[0], resources.policies, 64); !named) return named;
  auto kind = fromLabel<PolicyKind>(list[1]);
  if (!kind) return line.wrong("'" + list[1] + "' is no kind of policy");
  PolicySource policy{list[0], *kind, {}, {}};
  if (list.size() != (*kind == PolicyKind::acl ? 4u : 2u)) return line.wrong("a part is missing, or one too many");
  if (*kind == PolicyKind::acl) {
    auto chain = nftName(line, list[2]);
    if (!chain) return failure(chain.error());
    if (!chain->isPerVm()) return line.wrong("the chain is one VM's own, so CHAIN must hold {vm}, for which the VM's name stands");
    policy.chain = *chain;
    policy.maps = words(list[3]);
    if (policy.maps.empty() || !std::all_of(policy.maps.begin(), policy.maps.end(), isNftIdentifier))
      return line.wrong("'" + list[3] + "' is no list of maps");
  }
  resources.policies.push_back(std::move(policy));
  return {};
}

Status addDhcpSnooping(Resources& resources, const std::string& text) {
  Line line{"dhcp-snooping", "BRIDGE,PORT[ PORT...][,guard6] with the ports behind which DHCP servers are", text};
  auto list = parts(text);
  bool guard6 = list.size() == 3 && list[2] == "guard6";
  if (list.size() != 2 && !guard6) return line.wrong("it has neither two parts nor guard6 as its third");
  DhcpSnooping snooping{list[0], words(list[1]), guard6};
  if (!isInterface(snooping.bridge)) return line.wrong("'" + list[0] + "' is no interface's name");
  if (snooping.trustedPorts.empty() || !std::all_of(snooping.trustedPorts.begin(), snooping.trustedPorts.end(), isInterface))
    return line.wrong("'" + list[1] + "' is no list of interfaces");
  for (const auto& other : resources.dhcpSnooping)
    if (other.bridge == snooping.bridge) return line.wrong("the bridge has a line already");
  resources.dhcpSnooping.push_back(std::move(snooping));
  return {};
}

Status addMulticast(Resources& resources, const std::string& text) {
  Line line{"multicast", "BRIDGE", text};
  auto bridge = trimmed(text);
  if (!isInterface(bridge)) return line.wrong("'" + bridge + "' is no interface's name");
  auto& bridges = resources.multicastBridges;
  if (std::find(bridges.begin(), bridges.end(), bridge) == bridges.end()) bridges.push_back(bridge);
  return {};
}

Status addNameRule(Resources& resources, const std::string& text) {
  static constexpr std::pair<std::string_view, Names> kinds[] = {{"port", Names::port},       {"zone", Names::zone},
                                                                 {"list", Names::list},       {"counter", Names::counter},
                                                                 {"policy", Names::policy}};
  Line line{"map", "port|zone|list|counter|policy,LOCAL,COMMON: what is LOCAL here is COMMON in the MIB", text};
  auto list = parts(text);
  if (list.size() != 3 || list[1].empty() || list[2].empty()) return line.wrong("it has not three parts");
  auto kind = std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& each) { return each.first == list[0]; });
  if (kind == std::end(kinds)) return line.wrong("'" + list[0] + "' is no kind of name");
  resources.names.push_back({kind->second, list[1], list[2]});
  return {};
}

}  // namespace vmmig

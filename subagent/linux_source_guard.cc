// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_source_guard.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "mibs/column.h"
#include "subagent/linux_dhcp_text.h"

namespace vmmig {

namespace {

using nlohmann::json;

// The kernel names the port that a frame came in at, but a frame's bridge only with the module nft_meta_bridge, which not all
// have. So the ports that are not guarded are listed: trusted ones, and those of other bridges. A port that comes while no vmmigd
// runs is guarded. -300: behind what blocks VMs (-350).
constexpr const char* objectsText = R"(
add table bridge vmmig
add set bridge vmmig exempt { type ifname; }
add set bridge vmmig exempt6 { type ifname; }
add set bridge vmmig bindings4 { type ipv4_addr . ether_addr . ifname; flags timeout; }
add set bridge vmmig bindings6 { type ipv6_addr . ether_addr . ifname; flags timeout; }
add chain bridge vmmig guard
add chain bridge vmmig prerouting { type filter hook prerouting priority -300; }
flush chain bridge vmmig guard
flush chain bridge vmmig prerouting
add rule bridge vmmig prerouting iifname != @exempt jump guard
)";

// In the order of the rules: a second VLAN tag hides an address from all that follows (the first one the kernel has taken off,
// and remembers). No DHCP server is at an untrusted port; clients must reach theirs, also when they know no address or the wrong
// one. Who probes for an address (RFC 5227) has none yet. IPv6: link-local addresses, duplicate address detection and neighbour
// discovery need no lease, and hosts that made their addresses themselves (RFC 4862) have none: only where a line of the
// configuration says `guard6` are the others held to their bindings. Frames of other protocols pass.
constexpr const char* guardRules[] = {
    "meta protocol { 8021q, 8021ad } counter drop",
    "udp sport { 67, 547 } counter drop",
    "udp dport { 68, 546 } counter drop",
    "meta protocol ip udp sport 68 udp dport 67 accept",
    "ip saddr . ether saddr . iifname @bindings4 accept",
    "meta protocol arp arp operation request arp saddr ip 0.0.0.0 accept",
    "meta protocol arp arp saddr ip . ether saddr . iifname @bindings4 arp saddr ip . arp saddr ether . iifname @bindings4 "
    "accept",
    "meta protocol { ip, arp } counter drop",
};
constexpr const char* guard6Rules[] = {
    "meta protocol ip6 ip6 saddr { ::, fe80::/10 } accept",
    "ip6 saddr . ether saddr . iifname @bindings6 accept",
    "meta protocol ip6 iifname != @exempt6 counter drop",
};

std::string setOf(const DhcpBinding& binding) {
  return binding.address.type == InetAddressType::ipv6 ? "bindings6" : "bindings4";
}

std::string keyOf(const DhcpBinding& binding) {
  return toString(binding.address) + " . " + macText(binding.macAddress) + " . " + nftQuoted(binding.port).value_or("\"\"");
}

/// What nft calls `{ "concat": [ADDRESS, MAC, PORT] }`, alone or in an `elem` with its clock and comment.
std::optional<DhcpBinding> bindingFrom(const json& listed) {
  const json& element = listed.is_object() && listed.contains("elem") ? listed["elem"] : json::object();
  const json& value = element.contains("val") ? element["val"] : listed;
  if (!value.is_object() || !value.contains("concat")) return std::nullopt;
  const json& parts = value["concat"];
  if (!parts.is_array() || parts.size() != 3) return std::nullopt;
  if (!std::all_of(parts.begin(), parts.end(), [](const json& part) { return part.is_string(); })) return std::nullopt;
  auto address = parseInetAddress(parts[0].get<std::string>());
  auto mac = macFromText(parts[1].get<std::string>());
  if (!address || !mac) return std::nullopt;
  DhcpBinding binding{0, *mac, *address, parts[2].get<std::string>(), forEver};
  if (element.contains("expires") && element["expires"].is_number()) binding.seconds = element["expires"].get<std::uint32_t>();
  constexpr std::string_view before = "vlan ";
  auto comment = element.value("comment", std::string{});
  if (comment.rfind(before, 0) == 0) {
    auto vlan = std::strtoul(comment.c_str() + before.size(), nullptr, 10);
    if (vlan <= 4094) binding.vlan = static_cast<std::uint16_t>(vlan);
  }
  return binding;
}

}  // namespace

std::string LinuxSourceGuard::deleteCommand(const DhcpBinding& binding) {
  // To delete what is not there is an error; to add what is there is none.
  auto element = "element bridge vmmig " + setOf(binding) + " { " + keyOf(binding) + " }";
  return "add " + element + "; delete " + element;
}

std::string LinuxSourceGuard::addCommand(const DhcpBinding& binding) {
  auto timeout = binding.seconds == forEver ? "" : " timeout " + std::to_string(std::max(binding.seconds, 1u)) + "s";
  return "add element bridge vmmig " + setOf(binding) + " { " + keyOf(binding) + timeout + " comment \"vlan " +
         std::to_string(binding.vlan) + "\" }";
}

bool LinuxSourceGuard::isTrusted(const BridgePort& port) const {
  return std::any_of(configured_.begin(), configured_.end(), [&](const DhcpSnooping& each) {
    return each.bridge == port.bridge &&
           std::find(each.trustedPorts.begin(), each.trustedPorts.end(), port.name) != each.trustedPorts.end();
  });
}

bool LinuxSourceGuard::guards(const BridgePort& port) const {
  bool isConfigured =
      std::any_of(configured_.begin(), configured_.end(), [&](const auto& each) { return each.bridge == port.bridge; });
  return isConfigured && !isTrusted(port);
}

std::string LinuxSourceGuard::exemptionsText(const Bridges& bridges) const {
  std::string text = "flush set bridge vmmig exempt\nflush set bridge vmmig exempt6\n";
  const auto add = [&](const char* set, const std::string& port) {
    auto quoted = nftQuoted(port);
    if (quoted && port.find('*') == port.npos) text += std::string{"add element bridge vmmig "} + set + " { " + *quoted + " }\n";
  };
  for (const auto& each : configured_)
    for (const auto& port : each.trustedPorts) add("exempt", port);
  for (const auto& port : bridges.ports) {
    auto line =
        std::find_if(configured_.begin(), configured_.end(), [&](const auto& each) { return each.bridge == port.bridge; });
    if (line == configured_.end())
      add("exempt", port.name);
    else if (!line->guard6)
      add("exempt6", port.name);
  }
  return text;
}

std::string LinuxSourceGuard::chainsText() const {
  std::string text;
  for (const auto* rule : guardRules) text += std::string{"add rule bridge vmmig guard "} + rule + "\n";
  if (std::any_of(configured_.begin(), configured_.end(), [](const auto& each) { return each.guard6; }))
    for (const auto* rule : guard6Rules) text += std::string{"add rule bridge vmmig guard "} + rule + "\n";
  return text;
}

bool LinuxSourceGuard::stands() { return nft_.list("list set bridge vmmig bindings4", {.hasElements = false}).has_value(); }

Status LinuxSourceGuard::ensure(const Bridges& bridges, const std::vector<DhcpBinding>& bindings) {
  auto exemptions = exemptionsText(bridges);
  auto text = objectsText + chainsText() + exemptions;
  for (const auto& binding : bindings) text += addCommand(binding) + "\n";
  if (auto fault = nft_.run(text))
    return failure("nftables refuses the source guard, the table `bridge vmmig` (" + fault->text + ")");
  exemptions_ = std::move(exemptions);
  return {};
}

Status LinuxSourceGuard::follow(const Bridges& bridges) {
  auto exemptions = exemptionsText(bridges);
  if (exemptions == exemptions_) return {};
  if (auto fault = nft_.run(exemptions)) return failure("nftables does not take the ports of the source guard: " + fault->text);
  exemptions_ = std::move(exemptions);
  return {};
}

Result<std::vector<DhcpBinding>> LinuxSourceGuard::bindings() {
  std::vector<DhcpBinding> result;
  for (const char* set : {"bindings4", "bindings6"}) {
    auto listed = nft_.list(std::string{"list set bridge vmmig "} + set);
    if (!listed) return failure(listed.error());
    for (const auto& object : *listed) {
      if (!object.contains("set") || !object["set"].contains("elem")) continue;
      for (const auto& element : object["set"]["elem"])
        if (auto binding = bindingFrom(element)) result.push_back(std::move(*binding));
    }
  }
  return result;
}

Status LinuxSourceGuard::bind(const DhcpBinding& binding) {
  if (binding.port.find('*') != std::string::npos || !nftQuoted(binding.port))
    return failure("the port of " + describe(binding) + " has a name that nftables takes for a pattern; give it another one");
  auto others = bindings();
  if (!others) return failure(others.error());
  auto text = deleteCommand(binding) + "\n";
  for (const auto& other : *others)
    if (other.vlan == binding.vlan && other.address == binding.address) text += deleteCommand(other) + "\n";
  if (auto fault = nft_.run(text + addCommand(binding)))
    return failure("nftables does not take the binding of " + describe(binding) + ": " + fault->text);
  return {};
}

Status LinuxSourceGuard::end(const DhcpBinding& binding) {
  if (auto fault = nft_.run(deleteCommand(binding)))
    return failure("nftables does not give up the binding of " + describe(binding) + ": " + fault->text);
  return {};
}

void LinuxSourceGuard::removeLeftOver(Nft& nft) {
  if (!nft.list("list table bridge vmmig")) return;
  if (auto fault = nft.run("delete table bridge vmmig"))
    log::error("the source guard, which no line dhcp-snooping asks for any more, cannot be ended: " + fault->text);
  else
    log::notice("no line dhcp-snooping asks for the source guard any more: the table `bridge vmmig` is gone");
}

}  // namespace vmmig

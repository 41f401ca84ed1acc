// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/topology.h"

#include <algorithm>

#include "common/hex.h"

namespace vmmig {

namespace {

using NodeIndex = std::map<std::string, const NetworkNode*>;

/// What two nodes have (an anycast gateway, a bridge that every host has) tells neither of them: null then.
void note(NodeIndex& index, const std::string& key, const NetworkNode& node) {
  if (key.empty()) return;
  auto [known, isNew] = index.emplace(key, &node);
  if (!isNew && known->second != &node) known->second = nullptr;
}

const NetworkNode* lookUp(const NodeIndex& index, const std::string& key) {
  auto found = index.find(key);
  return found == index.end() ? nullptr : found->second;
}

std::string listed(const std::set<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string portName(const NetworkNode& node, std::uint32_t port) {
  auto found = node.ports.find(port);
  return found == node.ports.end() ? std::to_string(port) : found->second;
}

}  // namespace

std::string macText(const std::string& mac) {
  std::string text;
  for (char octet : mac) text += (text.empty() ? "" : ":") + toHex(std::string_view{&octet, 1});
  return text;
}

Topology::Topology(std::vector<NetworkNode> devices, std::vector<NetworkNode> hosts)
    : devices_(std::move(devices)), hosts_(std::move(hosts)) {
  for (const auto* nodes : {&devices_, &hosts_})
    for (const auto& node : *nodes) {
      for (const auto& mac : node.ownMacs) note(byMac_, mac, node);
      note(byName_, node.name, node);
      if (node.sysName != node.name) note(byName_, node.sysName, node);
    }
}

const NetworkNode* Topology::device(const std::string& name) const {
  auto found = std::find_if(devices_.begin(), devices_.end(), [&](const NetworkNode& each) { return each.name == name; });
  return found == devices_.end() ? nullptr : &*found;
}

bool Topology::isSwitch(const std::string& name) const {
  const auto* node = device(name);
  return node && node->isSwitch();
}

const NetworkNode* Topology::neighbourNode(const NetworkNode::Neighbour& neighbour) const {
  const auto* node = lookUp(byMac_, neighbour.mac);
  return node ? node : lookUp(byName_, neighbour.sysName);
}

bool Topology::isUnlisted(const NetworkNode::Neighbour& neighbour) const {
  // A name that several nodes have tells none of them, and no other host either.
  return neighbour.port != 0 && !neighbour.sysName.empty() && !neighbourNode(neighbour) && !byName_.contains(neighbour.sysName);
}

bool Topology::isEdge(const NetworkNode& node, std::uint32_t port) const {
  auto isHost = [this](const NetworkNode* each) {
    return std::any_of(hosts_.begin(), hosts_.end(), [&](const NetworkNode& host) { return &host == each; });
  };
  std::set<const NetworkNode*> hosts;
  for (const auto& neighbour : node.neighbours) {
    const auto* other = neighbour.port == port ? neighbourNode(neighbour) : nullptr;
    if (other && other != &node && !isHost(other)) return false;
    if (other && isHost(other)) hosts.insert(other);
  }
  for (const auto& station : node.stations) {
    if (station.port != port) continue;
    // An address of several devices is a device's as well; one of several hosts may be any machine's.
    bool isDevices = std::any_of(devices_.begin(), devices_.end(),
                                 [&](const NetworkNode& each) { return &each != &node && each.ownMacs.contains(station.mac); });
    if (isDevices) return false;
    if (const auto* other = lookUp(byMac_, station.mac); other && isHost(other)) hosts.insert(other);
  }
  return hosts.size() <= 1;
}

Topology::Ports Topology::portsWith(const std::set<std::string>& macs) const {
  Ports ports;
  for (const auto& node : devices_)
    for (const auto& station : node.stations)
      if (station.port != 0 && macs.contains(station.mac)) ports[node.name].insert(station.port);
  return ports;
}

std::string Topology::portList(const Ports& ports) const {
  std::set<std::string> texts;
  for (const auto& [name, numbers] : ports)
    for (auto number : numbers) texts.insert("device " + name + ", port " + portName(*device(name), number));
  std::string text;
  for (const auto& each : texts) text += (text.empty() ? "" : " and ") + each;
  return text;
}

Result<Place> Topology::edgeAmong(const std::string& what, const Ports& ports, const std::string& how) const {
  Ports edges;
  for (const auto& [name, numbers] : ports)
    for (auto number : numbers)
      if (isEdge(*device(name), number)) edges[name].insert(number);
  if (edges.empty())
    return failure(SnmpStatus::noSuchName,
                   what + " is seen only on the way to other devices (" + portList(ports) +
                       "): the switch that it is at is not in the inventory, or its agent has no BRIDGE-MIB");
  if (edges.size() > 1)
    return failure(SnmpStatus::inconsistentName,
                   what + " is at " + portList(edges) + ", so it is not clear where: write devices= in the section of its host");
  const auto& [name, numbers] = *edges.begin();
  Place place{.device = name, .ports = {}, .how = how};
  for (auto number : numbers) place.ports.push_back(portName(*device(name), number));
  return place;
}

Result<Place> Topology::placeOf(const std::string& what, const std::set<std::string>& macs) const {
  auto ports = portsWith(macs);
  std::set<std::string> texts;
  for (const auto& mac : macs) texts.insert(macText(mac));
  if (ports.empty())
    return failure(SnmpStatus::noSuchName,
                   what + (macs.empty() ? " has no MAC address that is known: write mac= in the VM's section of vmmig.conf"
                                        : " (" + listed(texts) + ") is known at no switch of the inventory"));
  return edgeAmong(what, ports, "learned there: " + listed(texts));
}

Result<Place> Topology::placeOfHost(const std::string& name) const {
  auto found = std::find_if(hosts_.begin(), hosts_.end(), [&](const NetworkNode& each) { return each.name == name; });
  auto what = "host " + name;
  const auto* host = found == hosts_.end() ? nullptr : &*found;
  auto isIt = [&](const NetworkNode::Neighbour& neighbour) {
    if (!host) return neighbour.sysName == name && isUnlisted(neighbour);
    return neighbour.port != 0 && neighbourNode(neighbour) == host;
  };
  Ports told;
  for (const auto& node : devices_)
    for (const auto& neighbour : node.neighbours)
      if (isIt(neighbour)) told[node.name].insert(neighbour.port);
  if (!told.empty()) return edgeAmong(what, told, "LLDP");
  if (!host)
    return failure(
        SnmpStatus::noSuchName,
        what + " is not in the inventory, and no switch has a neighbour of this name by LLDP: add [host." + name + "]");
  // What it shares with other nodes tells nothing of it.
  std::set<std::string> macs;
  for (const auto& mac : host->ownMacs)
    if (lookUp(byMac_, mac) == host) macs.insert(mac);
  auto ports = portsWith(macs);
  if (ports.empty())
    return failure(
        SnmpStatus::noSuchName,
        what + " is known at no switch of the inventory, by none of its addresses nor by LLDP: write devices= in its section");
  return edgeAmong(what, ports, "own address of the host learned there");
}

std::set<std::string> Topology::hostsAt(const Place& place) const {
  std::set<std::string> names;
  for (const auto& host : hosts_) {
    auto its = placeOfHost(host.name);
    if (!its || its->device != place.device) continue;
    bool isSamePort = std::any_of(its->ports.begin(), its->ports.end(), [&](const std::string& port) {
      return std::find(place.ports.begin(), place.ports.end(), port) != place.ports.end();
    });
    if (isSamePort) names.insert(host.name);
  }
  const auto* at = names.empty() ? device(place.device) : nullptr;
  for (const auto& neighbour : at ? at->neighbours : std::vector<NetworkNode::Neighbour>{}) {
    bool isHere = std::find(place.ports.begin(), place.ports.end(), portName(*at, neighbour.port)) != place.ports.end();
    if (isHere && isUnlisted(neighbour)) names.insert(neighbour.sysName);
  }
  return names;
}

Result<std::vector<FrontDevice>> Topology::devicesAt(const Place& place) const {
  std::vector<FrontDevice> front;
  for (const auto& node : devices_)
    if (node.takesPart && node.behind.contains(place.device))
      front.push_back({node.name, "the inventory says behind = " + place.device, node.isSwitch()});
  const auto& at = *device(place.device);
  if (front.empty()) {
    std::set<const NetworkNode*> once;
    for (const auto& neighbour : at.neighbours) {
      const auto* node = neighbourNode(neighbour);
      bool isDevice = node && device(node->name) == node && !node->isSwitch() && node->takesPart;
      if (isDevice && once.insert(node).second)
        front.push_back({node->name, "LLDP, at port " + portName(at, neighbour.port) + " of " + at.name, false});
    }
  }
  if (at.takesPart) front.push_back({at.name, place.how, true});
  if (front.empty())
    return failure(SnmpStatus::noSuchName, "neither device " + at.name +
                                               " nor one behind it implements VM-MIGRATION-MIB: write behind = " + at.name +
                                               " in the section of the firewall behind it, or devices= in the host's");
  return front;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/locate.h"

#include <algorithm>

#include "common/log.h"
#include "manager/at_once.h"
#include "manager/standard_mibs.h"

namespace vmmig {

namespace {

constexpr std::size_t agentsAtOnce = 16;

struct Asked {
  std::string name;
  bool isHost = false;
  Result<NetworkNode> answer = failure("it was not asked");
};

Task<> ask(Asked& asked, DevicePool& pool) {
  auto agent = asked.isHost ? pool.host(asked.name) : pool.device(asked.name);
  if (!agent)
    asked.answer = failure(agent.error());
  else
    asked.answer = co_await readNetworkNode(**agent, !asked.isHost);
}

bool isOneOfEach(const std::vector<std::string>& from, const std::vector<std::string>& to) {
  return from.size() <= 1 && to.size() <= 1;
}

/// What both sides have in common stays; the rest must be clear.
Status pairKind(std::vector<std::string> from, std::vector<std::string> to, const char* kind,
                std::vector<migration::LegPlan>& legs) {
  auto isIn = [](const std::vector<std::string>& names) {
    return [&names](const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  };
  auto before = from;
  std::erase_if(from, isIn(to));
  std::erase_if(to, isIn(before));
  if (from.size() != to.size() || !isOneOfEach(from, to))
    return failure(SnmpStatus::inconsistentName,
                   std::string{"of "} + kind + " its source has " + std::to_string(from.size()) +
                       " in front of it and its destination " + std::to_string(to.size()) +
                       ", so it is not clear which goes with which: write devices= in the sections of the hosts");
  for (std::size_t at = 0; at < from.size(); ++at) legs.push_back({from[at], to[at]});
  return {};
}

std::vector<std::string> namesOf(const std::vector<FrontDevice>& devices, bool isSwitch) {
  std::vector<std::string> names;
  for (const auto& each : devices)
    if (each.isSwitch == isSwitch) names.push_back(each.name);
  return names;
}

}  // namespace

Task<Result<Topology>> readTopology(const Inventory& inventory, DevicePool& pool, std::set<std::string> unlisted) {
  std::vector<Asked> all;
  for (const auto& [name, device] : inventory.devices) all.push_back({.name = name});
  for (const auto& [name, host] : inventory.hosts) all.push_back({.name = name, .isHost = true});
  for (const auto& name : unlisted) all.push_back({.name = name, .isHost = true});
  std::function<Task<>(std::size_t)> job = [&](std::size_t number) { return ask(all[number], pool); };
  co_await forEachAtOnce(all.size(), agentsAtOnce, job);
  std::vector<NetworkNode> devices, hosts;
  for (auto& each : all) {
    auto behind = inventory.behind.find(each.name);
    bool isPlaced = !each.isHost && behind != inventory.behind.end();
    if (!each.answer && each.isHost) {
      log::warning("host " + each.name + " does not tell its addresses: " + each.answer.error().text);
      continue;
    }
    if (!each.answer && !isPlaced)
      co_return failure(
          each.answer.error().status,
          "what device " + each.name + " knows is missing, so nobody can tell where a host is: " + each.answer.error().text);
    if (!each.answer) {
      each.answer = NetworkNode{.name = each.name};
      each.answer->takesPart = true;
    }
    if (isPlaced) each.answer->behind.insert(behind->second.begin(), behind->second.end());
    (each.isHost ? hosts : devices).push_back(std::move(*each.answer));
  }
  co_return Topology{std::move(devices), std::move(hosts)};
}

std::set<std::string> macsOf(const Uuid& vm, const std::vector<HostSays>& told, const Inventory& inventory) {
  constexpr std::size_t macSize = 6;
  std::set<std::string> macs;
  auto add = [&macs](const std::string& octets) {
    for (std::size_t at = 0; at + macSize <= octets.size(); at += macSize) macs.insert(octets.substr(at, macSize));
  };
  for (const auto& each : told)
    if (each.row.uuid == vm) add(each.row.macAddresses.value);
  for (const auto& address : inventory.addressesOf(vm)) add(address.macAddress.value);
  return macs;
}

Result<Place> placeOfVmOn(const Topology& topology, const std::string& vm, const std::set<std::string>& macs,
                          const std::string& host) {
  auto byVm = topology.placeOf("VM " + vm, macs);
  auto byHost = topology.placeOfHost(host);
  auto isUnclear = [](const Result<Place>& place) { return !place && place.error().status != SnmpStatus::noSuchName; };
  if (isUnclear(byVm)) return byVm;
  if (!byVm) return byHost;
  // Of a host with several networks the VM's is the one that counts.
  if (byHost && byHost->device != byVm->device)
    return failure(SnmpStatus::inconsistentName, "VM " + vm + " is at device " + byVm->device + ", port " + byVm->ports.front() +
                                                     ", and its host " + host + " at device " + byHost->device + ", port " +
                                                     byHost->ports.front() +
                                                     ", so it is not clear where: write devices= in the section of its host");
  return byVm;
}

Result<std::vector<migration::LegPlan>> pairFound(const std::vector<FrontDevice>& from, const std::vector<FrontDevice>& to) {
  std::vector<migration::LegPlan> legs;
  auto behind = pairKind(namesOf(from, false), namesOf(to, false), "devices that are no switches", legs);
  if (!behind) return failure(behind.error());
  auto switches = pairKind(namesOf(from, true), namesOf(to, true), "switches", legs);
  if (!switches) return failure(switches.error());
  return legs;
}

bool Locator::mustAsk(const std::string& source, const std::string& destination) const {
  auto isLeftOpen = [this](const std::string& name) {
    auto host = inventory_.hosts.find(name);
    return host != inventory_.hosts.end() && !host->second.namesDevices;
  };
  return isLeftOpen(source) || isLeftOpen(destination);
}

/// What stands in front of a host, of the inventory or not.
Result<std::vector<FrontDevice>> Locator::frontOf(const Topology& topology, const Journey& journey,
                                                  const std::string& host) const {
  auto listed = inventory_.hosts.find(host);
  if (listed != inventory_.hosts.end() && listed->second.namesDevices) {
    std::vector<FrontDevice> side;
    for (const auto& device : listed->second.devices) side.push_back({device, "the inventory", topology.isSwitch(device)});
    return side;
  }
  bool isSource = host == journey.source;
  auto place = isSource ? placeOfVmOn(topology, journey.vm, journey.macs, host) : topology.placeOfHost(host);
  if (!place) return failure(place.error());
  auto devices = topology.devicesAt(*place);
  if (!devices) return failure(devices.error());
  std::string names;
  for (const auto& device : *devices) names += (names.empty() ? "" : ", ") + device.name;
  log::info("VM " + journey.vm + ": host " + host + " is at device " + place->device + ", port " + place->ports.front() + " (" +
            place->how + "); in front of it: " + names);
  return devices;
}

Task<Result<std::vector<migration::LegPlan>>> Locator::legsBetween(Journey journey) {
  auto isKnown = [&](const std::string& name) { return inventory_.hosts.contains(name) || journey.unlisted.contains(name); };
  bool isAsked = !journey.unlisted.empty() || mustAsk(journey.source, journey.destination);
  if (!isKnown(journey.source) || !isKnown(journey.destination) || !isAsked)
    co_return inventory_.legsBetween(journey.source, journey.destination);
  std::string hint;
  for (const auto& name : journey.unlisted)
    hint += "; host " + name + " is not in the inventory: add [host." + name + "] with devices=";
  auto topology = co_await readTopology(inventory_, pool_, journey.unlisted);
  if (!topology) co_return failure(topology.error());
  std::vector<std::vector<FrontDevice>> sides;
  for (const auto* name : {&journey.source, &journey.destination}) {
    auto side = frontOf(*topology, journey, *name);
    if (!side) co_return failure(side.error().status, side.error().text + hint);
    sides.push_back(std::move(*side));
  }
  auto legs = pairFound(sides[0], sides[1]);
  if (!legs) co_return failure(legs.error().status, legs.error().text + hint);
  co_return legs;
}

}  // namespace vmmig

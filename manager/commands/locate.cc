// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig locate`: on which host a VM is, behind which switch's port, and which devices stand in front of it; how each was found.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/hex.h"
#include "common/log.h"
#include "manager/at_once.h"
#include "manager/command.h"
#include "manager/locate.h"
#include "manager/phases.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "VM is a UUID, a MAC address, or a name that the inventory or a host knows. The host is known from the phases that hosts "
    "tell;\n"
    "the switch from the forwarding tables (BRIDGE-MIB, Q-BRIDGE-MIB) of the devices of the inventory, and LLDP; what stands "
    "behind\n"
    "the switch from LLDP, or from behind= in the inventory.\n"
    "\n"
    "Exit status: 0 found; 1 not found, or it may be here or there; 2 usage or configuration; 3 an agent was not reachable.\n"
    "\n"
    "Examples:\n"
    "  vmmig locate web1\n"
    "  vmmig locate 52:54:00:12:34:56 --json\n";

void addOptions(po::options_description& options) {
  addConfigOption(options);
  options.add_options()("json", "print JSON");
}

struct Found {
  std::optional<Uuid> uuid;
  std::string name;
  std::set<std::string> macs;
  std::string host, hostHow;
  std::string source, destination;  // while it migrates
  std::optional<Place> place;
  std::vector<FrontDevice> devices;
};

std::optional<std::string> macFrom(std::string text) {
  std::erase_if(text, [](char c) { return c == ':' || c == '-'; });
  auto octets = text.size() == 12 ? fromHex(text) : std::nullopt;
  return octets;
}

Task<Result<std::vector<HostSays>>> readPhases(const Inventory& inventory, DevicePool& pool) {
  std::set<std::string> names;
  for (const auto& [name, host] : inventory.hosts) names.insert(name);
  std::vector<HostSays> told;
  for (const auto& name : names) {
    auto host = pool.host(name);
    if (!host) co_return failure(host.error());
    auto rows = co_await (*host)->readAll(TableOf<PhaseRow>::info, std::nullopt);
    if (!rows) co_return failure(rows.error());
    for (const auto& row : *rows) told.push_back({name, namedAsInventory(name, row.as<PhaseRow>(), names)});
  }
  co_return told;
}

/// Which VM the word means, as far as anybody knows one.
void identify(const std::string& word, const Inventory& inventory, const std::vector<HostSays>& told, Found& found) {
  auto mac = macFrom(word);
  if (mac) found.macs.insert(*mac);
  found.uuid = parseUuid(word);
  for (const auto& [name, vm] : inventory.vms) {
    bool hasMac = mac && std::any_of(vm.addresses.begin(), vm.addresses.end(),
                                     [&](const VmAddressRow& row) { return row.macAddress.value == *mac; });
    if (name == word || hasMac) found.uuid = vm.uuid;
  }
  for (const auto& [host, row] : told)
    if (!found.uuid && (row.vmName.value == word || (mac && macsOf(row.uuid, {{host, row}}, inventory).contains(*mac))))
      found.uuid = row.uuid;
  if (!found.uuid) return;
  if (const auto* known = inventory.findVm(*found.uuid)) found.name = known->first;
  for (const auto& [host, row] : told)
    if (row.uuid == *found.uuid && !row.vmName.value.empty()) found.name = row.vmName.value;
  found.macs.merge(macsOf(*found.uuid, told, inventory));
}

bool isAtDestination(const PhaseRow& row) { return row.phase == Phase::resumed; }

/// The host that the latest of the VM's phases leaves it on. `prepared` alone says nothing of where it runs.
Status findHost(const std::vector<HostSays>& told, const std::set<std::string>& hosts, Found& found) {
  if (!found.uuid) return {};
  std::vector<HostSays> ofVm;
  std::copy_if(told.begin(), told.end(), std::back_inserter(ofVm),
               [&](const HostSays& each) { return each.row.uuid == *found.uuid; });
  auto itinerary = itineraryOf(ofVm, hosts);
  if (!itinerary.problem.empty() && !itinerary.isOfStranger)
    return failure(SnmpStatus::noSuchName, "VM " + found.name + ": " + itinerary.problem);
  if (itinerary.isKnown()) {
    found.source = itinerary.source;
    found.destination = itinerary.destination;
  }
  const HostSays* latest = nullptr;
  for (const auto& each : ofVm) {
    bool isSide = !(isAtDestination(each.row) ? each.row.destinationHost : each.row.sourceHost).value.empty();
    if (isSide && each.row.phase != Phase::prepared && (!latest || each.row.time.value > latest->row.time.value)) latest = &each;
  }
  if (!latest) return {};
  found.host = (isAtDestination(latest->row) ? latest->row.destinationHost : latest->row.sourceHost).value;
  found.hostHow = "host " + latest->host + " says " + describe(latest->row);
  return {};
}

Status findPlace(const Inventory& inventory, const Topology& topology, Found& found) {
  auto what = found.name.empty() ? (found.uuid ? toString(*found.uuid) : macText(*found.macs.begin())) : found.name;
  auto place =
      found.host.empty() ? topology.placeOf("VM " + what, found.macs) : placeOfVmOn(topology, what, found.macs, found.host);
  if (!place) return failure(SnmpStatus::noSuchName, place.error().text);
  found.place = *place;
  if (found.host.empty()) {
    auto hosts = topology.hostsAt(*place);
    if (hosts.size() == 1) {
      found.host = *hosts.begin();
      bool isListed = inventory.hosts.contains(found.host);
      found.hostHow = isListed ? "is at the same port" : "LLDP tells it at the same port; it is not in the inventory";
    }
  }
  return {};
}

Status findDevices(const Inventory& inventory, const Topology& topology, Found& found) {
  auto host = inventory.hosts.find(found.host);
  if (host != inventory.hosts.end() && host->second.namesDevices) {
    for (const auto& device : host->second.devices)
      found.devices.push_back({device, "devices= of host " + found.host, topology.isSwitch(device)});
    return {};
  }
  auto devices = topology.devicesAt(*found.place);
  if (!devices) return failure(devices.error());
  found.devices = std::move(*devices);
  return {};
}

void print(const Found& found) {
  std::cout << "VM " << (found.name.empty() ? "without a name" : found.name)
            << (found.uuid ? " (" + toString(*found.uuid) + ")" : "") << "\n  host    "
            << (found.host.empty() ? "not known" : found.host + ": " + found.hostHow) << "\n";
  if (!found.source.empty()) std::cout << "  moves   from " << found.source << " to " << found.destination << "\n";
  if (found.place) {
    std::cout << "  switch  " << found.place->device << ", port";
    for (const auto& port : found.place->ports) std::cout << " " << port;
    std::cout << ": " << found.place->how << "\n";
  }
  for (const auto& device : found.devices) std::cout << "  device  " << device.name << ": " << device.how << "\n";
  std::cout << std::flush;
}

void printJson(const Found& found) {
  nlohmann::json json{{"name", found.name}, {"macs", nlohmann::json::array()}, {"devices", nlohmann::json::array()}};
  if (found.uuid) json["uuid"] = toString(*found.uuid);
  for (const auto& mac : found.macs) json["macs"].push_back(macText(mac));
  if (!found.host.empty()) json["host"] = {{"name", found.host}, {"how", found.hostHow}};
  if (!found.source.empty()) json["moves"] = {{"from", found.source}, {"to", found.destination}};
  if (found.place) json["switch"] = {{"name", found.place->device}, {"ports", found.place->ports}, {"how", found.place->how}};
  for (const auto& device : found.devices) json["devices"].push_back({{"name", device.name}, {"how", device.how}});
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

Task<Status> find(const std::string& word, const Inventory& inventory, DevicePool& pool, Found& found) {
  auto told = co_await readPhases(inventory, pool);
  if (!told) co_return failure(told.error());
  identify(word, inventory, *told, found);
  if (!found.uuid && found.macs.empty())
    co_return failure(SnmpStatus::noSuchName,
                      "VM " + word + " is known neither to the inventory nor to a host: give its UUID or MAC address");
  std::set<std::string> hosts;
  for (const auto& [name, host] : inventory.hosts) hosts.insert(name);
  if (auto status = findHost(*told, hosts, found); !status) co_return status;
  auto topology = co_await readTopology(inventory, pool);
  if (!topology) co_return failure(topology.error());
  // A host whose devices the inventory names need not be at any switch that answers.
  auto host = inventory.hosts.find(found.host);
  bool isNamed = host != inventory.hosts.end() && host->second.namesDevices;
  auto placed = findPlace(inventory, *topology, found);
  if (!placed && !isNamed) co_return placed;
  co_return findDevices(inventory, *topology, found);
}

Task<ExitCode> run(Invocation invocation) {
  auto inventory = invocation.inventory();
  if (!inventory) co_return complain(ExitCode::usage, inventory.error().text);
  if (inventory->devices.empty())
    co_return complain(ExitCode::usage, "the inventory names no device: add a section [device.NAME] for each switch");
  DevicePool pool{invocation.loop, *inventory, invocation.session};
  Found found;
  auto status = co_await find(invocation.arguments[0], *inventory, pool, found);
  if (!status) co_return complain(exitCodeOf(status.error()), status.error().text);
  invocation.has("json") ? printJson(found) : print(found);
  co_return ExitCode::ok;
}

}  // namespace

const Command& locateCommand() {
  static const Command command{"locate", "Tell where a VM is, and what stands in front of it", {"VM"}, description, addOptions,
                               run};
  return command;
}

}  // namespace vmmig

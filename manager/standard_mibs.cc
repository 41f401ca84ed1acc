// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/standard_mibs.h"

#include "mibs/standard_tables.h"

namespace vmmig {

namespace {

constexpr std::size_t macSize = 6;

template <class Row>
Task<Result<std::vector<Row>>> readTable(Device& device) {
  auto rows = co_await device.readAll(TableOf<Row>::info, std::nullopt);
  if (!rows) co_return failure(rows.error());
  std::vector<Row> result;
  for (const auto& row : *rows) result.push_back(row.template as<Row>());
  co_return result;
}

struct Interfaces {
  std::map<std::uint32_t, std::string> names, macs;  // by ifIndex

  /// What is called so, or has this address; 0 when none has, or several.
  static std::uint32_t only(const std::map<std::uint32_t, std::string>& values, const std::string& value) {
    std::uint32_t found = 0;
    for (const auto& [index, each] : values) {
      if (each != value) continue;
      if (found != 0) return 0;
      found = index;
    }
    return found;
  }
};

bool isStationOf(std::int32_t port, std::int32_t status) { return port > 0 && status != fdbSelf && status != fdbInvalid; }

/// LLDP numbers ports by itself. Mostly that is the ifIndex; what says so more clearly goes first.
std::uint32_t interfaceOf(const LldpLocPortRow& port, const Interfaces& interfaces) {
  std::uint32_t index = 0;
  if (port.idSubtype == portIdInterfaceName) index = Interfaces::only(interfaces.names, port.id.value);
  if (port.idSubtype == portIdMacAddress) index = Interfaces::only(interfaces.macs, port.id.value);
  if (index == 0) index = Interfaces::only(interfaces.names, port.descr.value);
  return index != 0 ? index : port.number;
}

Task<Result<Interfaces>> readInterfaces(Device& device) {
  Interfaces interfaces;
  auto rows = co_await readTable<IfRow>(device);
  if (!rows) co_return failure(rows.error());
  for (const auto& row : *rows)
    if (row.physAddress.value.size() == macSize) interfaces.macs[row.index] = row.physAddress.value;
  auto names = co_await readTable<IfXRow>(device);
  if (!names) co_return failure(names.error());
  for (const auto& row : *names) interfaces.names[row.index] = row.name.value;
  co_return interfaces;
}

/// By ifIndex; a port without an interface is called by its number.
Task<Result<std::map<std::uint32_t, std::uint32_t>>> readPorts(Device& device, NetworkNode& node, const Interfaces& interfaces) {
  std::map<std::uint32_t, std::uint32_t> ports;
  auto rows = co_await readTable<BasePortRow>(device);
  if (!rows) co_return failure(rows.error());
  for (const auto& row : *rows) {
    auto name = interfaces.names.find(row.ifIndex);
    node.ports[row.port] = name == interfaces.names.end() || name->second.empty() ? std::to_string(row.port) : name->second;
    ports[row.ifIndex] = row.port;
  }
  co_return ports;
}

Task<Status> readStations(Device& device, NetworkNode& node) {
  auto rows = co_await readTable<TpFdbRow>(device);
  if (!rows) co_return failure(rows.error());
  for (const auto& row : *rows)
    if (isStationOf(row.port, row.status)) node.stations.push_back({row.address.value, static_cast<std::uint32_t>(row.port)});
  // Bridges with VLANs may have theirs here alone.
  auto inVlans = co_await readTable<QTpFdbRow>(device);
  if (!inVlans) co_return failure(inVlans.error());
  for (const auto& row : *inVlans)
    if (isStationOf(row.port, row.status)) node.stations.push_back({row.address.value, static_cast<std::uint32_t>(row.port)});
  co_return Status{};
}

Task<Status> readNeighbours(Device& device, NetworkNode& node, const Interfaces& interfaces,
                            const std::map<std::uint32_t, std::uint32_t>& ports) {
  auto local = co_await readTable<LldpLocPortRow>(device);
  if (!local) co_return failure(local.error());
  std::map<std::uint32_t, std::uint32_t> portOf;  // bridge port by LLDP's number
  for (const auto& row : *local) {
    auto port = ports.find(interfaceOf(row, interfaces));
    if (port != ports.end()) portOf[row.number] = port->second;
  }
  auto remote = co_await readTable<LldpRemRow>(device);
  if (!remote) co_return failure(remote.error());
  for (const auto& row : *remote) {
    auto port = portOf.find(row.localPort);
    bool hasMac = row.chassisIdSubtype == chassisIdMacAddress && row.chassisId.value.size() == macSize;
    node.neighbours.push_back(
        {port == portOf.end() ? 0 : port->second, hasMac ? row.chassisId.value : std::string{}, row.sysName.value});
  }
  co_return Status{};
}

Task<Status> readNames(Device& device, NetworkNode& node, const Interfaces& interfaces) {
  AnyRow systemRow{TableOf<SystemScalars>::info}, lldpRow{TableOf<LldpLocalScalars>::info};
  auto system = co_await device.read(systemRow);
  if (!system) co_return failure(system.error());
  if (*system) node.sysName = (*system)->as<SystemScalars>().sysName.value;
  for (const auto& [index, mac] : interfaces.macs)
    if (mac != std::string(macSize, '\0')) node.ownMacs.insert(mac);
  auto lldp = co_await device.read(lldpRow);
  if (!lldp) co_return failure(lldp.error());
  if (!*lldp) co_return Status{};
  const auto& own = (*lldp)->as<LldpLocalScalars>();
  if (own.chassisIdSubtype == chassisIdMacAddress && own.chassisId.value.size() == macSize)
    node.ownMacs.insert(own.chassisId.value);
  co_return Status{};
}

}  // namespace

Task<Result<NetworkNode>> readNetworkNode(Device& device, bool withTables) {
  NetworkNode node{.name = device.name()};
  auto interfaces = co_await readInterfaces(device);
  if (!interfaces) co_return failure(interfaces.error());
  auto named = co_await readNames(device, node, *interfaces);
  if (!named) co_return failure(named.error());
  if (!withTables) co_return node;
  AnyRow deviceRow{TableOf<DeviceScalars>::info};
  auto scalars = co_await device.read(deviceRow);
  if (!scalars) co_return failure(scalars.error());
  node.takesPart = scalars->has_value();
  auto ports = co_await readPorts(device, node, *interfaces);
  if (!ports) co_return failure(ports.error());
  if (node.isSwitch()) {
    auto stations = co_await readStations(device, node);
    if (!stations) co_return failure(stations.error());
  }
  auto neighbours = co_await readNeighbours(device, node, *interfaces, *ports);
  if (!neighbours) co_return failure(neighbours.error());
  co_return node;
}

}  // namespace vmmig

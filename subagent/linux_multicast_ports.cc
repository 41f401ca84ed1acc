// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_multicast_ports.h"

#include <algorithm>
#include <set>

#include "common/log.h"

namespace vmmig {

Result<RtNetlink*> LinuxMulticastPorts::socket() {
  if (!socket_) {
    auto opened = RtNetlink::open();
    if (!opened) return failure(opened.error());
    socket_ = std::move(*opened);
  }
  return &*socket_;
}

Result<LinuxMulticastPorts::Place> LinuxMulticastPorts::placeOf(const std::string& port) {
  auto netlink = socket();
  if (!netlink) return failure(netlink.error());
  auto link = findLink(**netlink, port);
  if (!link) return failure(link.error().text + "; if it has another name here: map = port,LOCAL," + port);
  for (const auto& name : bridges_) {
    auto bridge = findBridge(**netlink, name);
    if (bridge && bridge->index == link->master) return Place{std::move(*bridge), link->index, port};
  }
  std::string names;
  for (const auto& name : bridges_) names += (names.empty() ? "" : ", ") + name;
  return failure("interface " + port + " is no port of " + names + "; if another is meant: map = port,LOCAL," + port +
                 ", or name its bridge: multicast = BRIDGE");
}

Result<std::optional<LinuxMulticastPorts::Place>> LinuxMulticastPorts::placeOf(const Vm& vm) {
  auto port = vm.port;
  if (port.empty()) {
    auto learned = learnedPortOf(vm);
    if (!learned) return failure(learned.error());
    port = std::move(*learned);
    if (port.empty() && vm.presence == VmPresence::leaving)
      log::warning("VM " + vm.label() +
                   " leaves without multicast memberships, because its port is not known: set vmMigVmPort, "
                   "or vmMigVmAddressMac");
  }
  if (port.empty()) return std::nullopt;
  auto netlink = socket();
  if (!netlink) return failure(netlink.error());
  auto link = findLink(**netlink, port);
  if (!link && vm.presence == VmPresence::leaving)
    return failure("the multicast memberships of VM " + vm.label() + " are at its port (vmMigVmPort), and that is not here: " +
                   link.error().text + "; if it has another name here: map = port,LOCAL," + port);
  // Not at a bridge of ours: nothing is snooped there.
  auto place = placeOf(port);
  return place ? std::optional<Place>{std::move(*place)} : std::nullopt;
}

bool LinuxMulticastPorts::isAt(const Vm& vm, const Place& place) {
  auto found = placeOf(vm);
  return found && *found && (*found)->port == place.port;
}

Result<std::string> LinuxMulticastPorts::learnedPortOf(const Vm& vm) {
  if (vm.macAddresses.empty()) return std::string{};
  auto netlink = socket();
  if (!netlink) return failure(netlink.error());
  auto stations = readStations(**netlink);
  if (!stations) return failure(stations.error());
  for (const auto& name : bridges_) {
    auto bridge = findBridge(**netlink, name);
    if (!bridge) continue;
    for (const auto& each : *stations) {
      bool isVms = std::find(vm.macAddresses.begin(), vm.macAddresses.end(), each.macAddress) != vm.macAddresses.end();
      if (!isVms || each.bridge != bridge->index || each.port == bridge->index) continue;
      if (auto link = findLink(**netlink, each.port)) return link->name;
    }
  }
  return std::string{};
}

Result<bool> LinuxMulticastPorts::isShared(const Vm& vm, const Place& place) {
  auto netlink = socket();
  if (!netlink) return failure(netlink.error());
  auto stations = readStations(**netlink);
  if (!stations) return failure(stations.error());
  std::set<std::string> others;
  for (const auto& each : *stations)
    if (each.port == place.port) others.insert(each.macAddress);
  // One of them is the VM's, even when nobody has said which.
  if (vm.macAddresses.empty()) return others.size() > 1;
  for (const auto& mac : vm.macAddresses) others.erase(mac);
  return !others.empty();
}

Result<Mdb> LinuxMulticastPorts::mdbOf(const Place& place) {
  auto netlink = socket();
  if (!netlink) return failure(netlink.error());
  auto mdb = readMdb(**netlink, place.bridge.index);
  if (!mdb) return failure("bridge " + place.bridge.name + ": " + mdb.error().text);
  return mdb;
}

}  // namespace vmmig

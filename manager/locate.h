// SPDX-License-Identifier: GPL-2.0-or-later
// The devices in front of hosts whose section in the inventory names none: all switches are asked where the VM and the hosts are.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "manager/device_pool.h"
#include "manager/itinerary.h"
#include "manager/topology.h"

namespace vmmig {

/// Every device and host of the inventory, asked at once. A device that does not answer is an error, since the station that is
/// looked for may be there, unless the inventory says behind which switch it stands; a host that does not answer is left out.
/// `unlisted` are hosts besides, that the pool knows.
Task<Result<Topology>> readTopology(const Inventory& inventory, DevicePool& pool, std::set<std::string> unlisted = {});

/// What the inventory and the switches say together.
class Locator {
 public:
  Locator(const Inventory& inventory, DevicePool& pool) : inventory_(inventory), pool_(pool) {}

  struct Journey {
    std::string vm;  // for texts
    std::string source, destination;
    std::set<std::string> macs;           // the VM's
    std::set<std::string> unlisted = {};  // which of both hosts the inventory does not have
  };
  /// Inventory::legsBetween(), or what is found.
  Task<Result<std::vector<migration::LegPlan>>> legsBetween(Journey journey);
  /// Whether legsBetween() has to ask.
  bool mustAsk(const std::string& source, const std::string& destination) const;

 private:
  Result<std::vector<FrontDevice>> frontOf(const Topology& topology, const Journey& journey, const std::string& host) const;

  const Inventory& inventory_;
  DevicePool& pool_;
};

/// A VM's MAC addresses, from what hosts tell and from the inventory.
std::set<std::string> macsOf(const Uuid& vm, const std::vector<HostSays>& told, const Inventory& inventory);

/// The place of a VM that runs on this host: where its address is, or else where the host is. Both must agree.
Result<Place> placeOfVmOn(const Topology& topology, const std::string& vm, const std::set<std::string>& macs,
                          const std::string& host);

/// The legs of two sides of which at least one was found: a switch goes with a switch, what is behind it with what is behind the
/// other.
Result<std::vector<migration::LegPlan>> pairFound(const std::vector<FrontDevice>& from, const std::vector<FrontDevice>& to);

}  // namespace vmmig

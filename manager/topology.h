// SPDX-License-Identifier: GPL-2.0-or-later
// Behind which switch's port a station is, and what else stands in front of it, from what switches have learned (standard_mibs.h
// reads it). It does no I/O.
//
// A station's address is learned at every switch on the way to it; it is at the one of them where it comes in by an edge port:
// one behind which no other device of the inventory is, by LLDP or by a device's own address learned there, nor more than one
// host.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/result.h"

namespace vmmig {

/// A device or a host of the inventory, as its agent shows it. MAC addresses are 6 octets.
struct NetworkNode {
  struct Station {
    std::string mac;
    std::uint32_t port = 0;
  };
  struct Neighbour {
    std::uint32_t port = 0;  // a bridge port; 0 when LLDP's port is none
    std::string mac;         // of its chassis, when that is how it is called
    std::string sysName;
  };

  std::string name;  // the inventory's
  std::string sysName = {};
  std::set<std::string> ownMacs = {};
  std::map<std::uint32_t, std::string> ports = {};  // of a bridge, by number; a node without is no switch
  std::vector<Station> stations = {};               // that were learned, or configured
  std::vector<Neighbour> neighbours = {};
  bool takesPart = false;             // it implements VM-MIGRATION-MIB
  std::set<std::string> behind = {};  // switches behind which it stands, as the inventory says

  bool isSwitch() const { return !ports.empty(); }
};

struct Place {
  std::string device;
  std::vector<std::string> ports;  // more than one where the switch has the station in several VLANs
  std::string how;                 // "its MAC address 02:00:00:00:00:05 was learned there"
};

/// A device in front of a host, and how that is known.
struct FrontDevice {
  std::string name;
  std::string how;
  bool isSwitch = false;
};

class Topology {
 public:
  Topology(std::vector<NetworkNode> devices, std::vector<NetworkNode> hosts);
  // Its indexes point into its nodes, which a move leaves where they are.
  Topology(Topology&&) = default;
  Topology& operator=(Topology&&) = default;
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;

  /// Where a station with these addresses is; `what` is for texts. Errors: noSuchName, when nothing tells; inconsistentName, when
  /// it may be here or there.
  Result<Place> placeOf(const std::string& what, const std::set<std::string>& macs) const;
  /// A host that is no node is known by LLDP alone, when a neighbour calls itself so that is none either.
  Result<Place> placeOfHost(const std::string& host) const;
  /// Hosts that are at this place, by their own addresses or LLDP; where none is, those that are no nodes.
  std::set<std::string> hostsAt(const Place& place) const;
  /// What takes part in a migration to or from a station there: the devices behind the switch first, then the switch.
  Result<std::vector<FrontDevice>> devicesAt(const Place& place) const;
  bool isSwitch(const std::string& device) const;

 private:
  using Ports = std::map<std::string, std::set<std::uint32_t>>;  // by switch

  bool isEdge(const NetworkNode& node, std::uint32_t port) const;
  const NetworkNode* neighbourNode(const NetworkNode::Neighbour& neighbour) const;
  bool isUnlisted(const NetworkNode::Neighbour& neighbour) const;
  Ports portsWith(const std::set<std::string>& macs) const;
  Result<Place> edgeAmong(const std::string& what, const Ports& ports, const std::string& how) const;
  const NetworkNode* device(const std::string& name) const;
  std::string portList(const Ports& ports) const;

  std::vector<NetworkNode> devices_, hosts_;
  std::map<std::string, const NetworkNode*> byMac_;   // own addresses that one node alone has
  std::map<std::string, const NetworkNode*> byName_;  // sysName, and the inventory's; likewise
};

/// "02:00:00:00:00:05".
std::string macText(const std::string& mac);

}  // namespace vmmig

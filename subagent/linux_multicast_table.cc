// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_multicast_table.h"

#include <algorithm>

#include "subagent/finding.h"
#include "subagent/linux_multicast_rows.h"

namespace vmmig {

namespace {

/// How exactly ages and the kernel's timers can be compared: both in whole seconds, and a batch of many rows takes its time.
constexpr std::chrono::seconds timerTolerance{5};

}  // namespace

LinuxMulticastTable::LinuxMulticastTable(std::vector<std::string> bridges, const std::string& stateDirectory)
    : ports_(std::move(bridges)), claims_(stateDirectory) {
  adoptClaims();
}

// Of what was claimed when vmmigd ended, some may never have been made, and some may be another's by now.
void LinuxMulticastTable::adoptClaims() {
  Snapshot snapshot;
  for (const auto& vm : claims_.vms())
    claims_.review(vm, [this, &snapshot](MulticastClaim& claim) {
      const auto& row = claim.row.as<MulticastRow>();
      auto spot = lookUp(snapshot, row);
      if (!spot || !provides(spot->membership, row)) return false;
      claim.wasThere = claim.wasThere || isReportedSince(*spot, row);
      return true;
    });
}

// A timer that has more left than one that was started when the claims were written was started anew since: somebody behind the
// port wants the group, and it is safer to leave it to the timer than to take it from them.
bool LinuxMulticastTable::isReportedSince(const Spot& spot, const MulticastRow& row) const {
  if (row.permanent) return false;  // without a timer
  auto longest = std::chrono::seconds{spot.place.bridge.membershipSeconds} - claims_.age() + timerTolerance;
  return std::chrono::seconds{timeoutOf(spot.membership, row)} > longest;
}

const TableInfo& LinuxMulticastTable::table() const { return TableOf<MulticastRow>::info; }

std::unique_ptr<RowCursor> LinuxMulticastTable::read(const Vm& vm) {
  return readAtOnce([this, vm]() -> Result<std::vector<AnyRow>> {
    auto found = rowsOf(vm);
    if (!found) return failure(found.error());
    std::vector<AnyRow> rows;
    for (auto& [index, row] : *found) rows.push_back(std::move(row));
    return rows;
  });
}

Result<std::optional<AnyRow>> LinuxMulticastTable::find(const Vm& vm, const AnyRow& key) {
  auto rows = rowsOf(vm);
  if (!rows) return failure(rows.error());
  auto found = rows->find(key.index());
  return found == rows->end() ? std::nullopt : std::optional<AnyRow>{found->second};
}

Result<LinuxMulticastTable::Rows> LinuxMulticastTable::rowsOf(const Vm& vm) {
  Rows rows;
  std::optional<Place> place;
  if (vm.presence != VmPresence::arriving) {
    auto found = ports_.placeOf(vm);
    if (!found) return failure(found.error());
    place = std::move(*found);
  }
  // What was made for the VM is looked at as long as nothing tells where it is.
  auto added = place ? addPlaceRows(vm, *place, rows) : addClaims(vm, rows);
  if (!added) return failure(added.error());
  return rows;
}

Status LinuxMulticastTable::addPlaceRows(const Vm& vm, const Place& place, Rows& rows) {
  auto mdb = ports_.mdbOf(place);
  if (!mdb) return failure(mdb.error());
  for (const auto& [key, membership] : mdb->memberships) {
    if (key.port != place.port || !vmmig::moves(key.group)) continue;
    for (auto& row : vmmig::rowsOf(vm.uuid, place.portName, key, membership)) {
      AnyRow any{std::move(row)};
      auto index = any.index();
      rows.emplace(std::move(index), std::move(any));
    }
  }
  return {};
}

Status LinuxMulticastTable::addClaims(const Vm& vm, Rows& rows) {
  Snapshot snapshot;
  claims_.review(vm.uuid, [&](MulticastClaim& claim) {
    auto& row = claim.row.as<MulticastRow>();
    auto spot = lookUp(snapshot, row);
    if (!spot || !provides(spot->membership, row)) return false;
    row.timeout = timeoutOf(spot->membership, row);
    rows.emplace(claim.row.index(), claim.row);
    return true;
  });
  return {};
}

Result<LinuxMulticastTable::Spot> LinuxMulticastTable::lookUp(Snapshot& snapshot, const MulticastRow& row) {
  auto place = ports_.placeOf(row.port.value);
  if (!place) return failure(place.error());
  auto known = snapshot.find(place->bridge.index);
  if (known == snapshot.end()) {
    auto mdb = ports_.mdbOf(*place);
    if (!mdb) return failure(mdb.error());
    known = snapshot.emplace(place->bridge.index, std::move(*mdb)).first;
  }
  Spot spot{.place = std::move(*place), .mdb = &known->second, .key = {}, .membership = {}};
  spot.key = keyOf(spot.place.port, row);
  if (auto found = spot.mdb->memberships.find(spot.key); found != spot.mdb->memberships.end()) spot.membership = found->second;
  return spot;
}

Status LinuxMulticastTable::check(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<MulticastRow>();
  if (row.uuid != vm.uuid)
    return failure(SnmpStatus::inconsistentName, "multicast " + describe(row) + " is not of VM " + vm.label());
  if (auto status = table().check(any.data(), vm.addresses); !status) return status;
  auto place = ports_.placeOf(row.port.value);
  if (!place) return inconsistent(vm, row, place.error().text);
  const auto& bridge = place->bridge;
  if (!bridge.snooping)
    return inconsistent(
        vm, row, "bridge " + bridge.name + " does not snoop: ip link set " + bridge.name + " type bridge mcast_snooping 1");
  if (bridge.vlanFiltering != (row.vlan.value != 0))
    return inconsistent(vm, row,
                        "bridge " + bridge.name +
                            (bridge.vlanFiltering ? " has VLANs, and the row names none" : " has no VLANs (vlan_filtering)"));
  if (!row.source.isSet() && row.filterMode == FilterMode::include)
    return inconsistent(vm, row, "a bridge has no row that includes no source: make a row for each source");
  if (row.source.isSet() && !bridge.knowsSources(row.group.type))
    return inconsistent(vm, row,
                        "bridge " + bridge.name + " knows no sources: ip link set " + bridge.name + " type bridge " +
                            (row.group.type == InetAddressType::ipv4 ? "mcast_igmp_version 3" : "mcast_mld_version 2"));
  if (vm.presence == VmPresence::here && !vm.port.empty() && vm.port != row.port.value)
    return inconsistent(vm, row,
                        "the VM is at port " + vm.port + " (vmMigVmPort), and vmMigMulticastPort says " + row.port.value);
  return {};
}

void LinuxMulticastTable::forget(const Uuid& vm) {
  claims_.forget(vm);
  saveClaims();
}

std::vector<CheckRow> LinuxMulticastTable::checks() {
  std::vector<CheckRow> rows;
  for (const auto& name : ports_.bridgeNames()) {
    auto netlink = ports_.socket();
    auto bridge = netlink ? findBridge(**netlink, name) : Result<Bridge>{failure(netlink.error())};
    if (!bridge) {
      rows.push_back(finding("multicast " + name, Health::degraded, bridge.error().text,
                             "create the bridge, or mend the line multicast = " + name));
    } else if (!bridge->snooping) {
      rows.push_back(finding("multicast " + name, Health::degraded,
                             "multicast snooping is off: nothing is learned, and groups go to all ports",
                             "ip link set " + name + " type bridge mcast_snooping 1"));
    } else {
      rows.push_back(finding(
          "multicast " + name, Health::up,
          "IGMPv" + std::to_string(bridge->igmpVersion) + " and MLDv" + std::to_string(bridge->mldVersion) + " are snooped"));
    }
  }
  return rows;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// How LinuxMulticastTable makes and removes rows.
#include "common/log.h"
#include "subagent/linux_multicast_rows.h"
#include "subagent/linux_multicast_table.h"

namespace vmmig {

BatchResult LinuxMulticastTable::create(const Vm& vm, std::span<const AnyRow> rows) {
  Snapshot snapshot;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (auto status = createOne(vm, rows[i], snapshot); !status) return {i, status.error()};
  return {rows.size(), std::nullopt};
}

Status LinuxMulticastTable::createOne(const Vm& vm, const AnyRow& any, Snapshot& snapshot) {
  if (auto checked = check(vm, any); !checked) return checked;
  const auto& row = any.as<MulticastRow>();
  auto spot = lookUp(snapshot, row);
  if (!spot) return failure(spot.error());
  auto& claims = claims_[vm.uuid];
  auto index = any.index();
  bool isProvided = provides(spot->membership, row);
  bool isOurs = claims.contains(index) && isProvided;
  // Elsewhere the port has joined it for another, which is no obstacle.
  bool isVms = vm.presence == VmPresence::here && ports_.isAt(vm, spot->place);
  bool isListed = !row.source.isSet() || spot->membership.sources.contains(row.source);
  if (isOurs || (isVms && isProvided && isListed))
    return failure(SnmpStatus::inconsistentName, "multicast " + describe(row) + " of VM " + vm.label() + " is at port " +
                                                     row.port.value + " already: remove it first");
  bool isExclusion = row.source.isSet() && row.filterMode == FilterMode::exclude;
  if (isExclusion && !spot->membership.isExclude)
    return inconsistent(vm, row,
                        "port " + row.port.value +
                            " has not joined the group, hence it cannot exclude a source of it: "
                            "make the row without a source first");
  bool isAlone = isVms || isClaimedAlone(claims, row);
  // Written even when nothing changes, because its timers start anew so.
  if (auto written = write(*spot, joined(spot->membership, row, isAlone)); !written)
    return failure(written.error().status, "port " + row.port.value + " cannot join multicast " + describe(row) + " for VM " +
                                               vm.label() + ": " + written.error().text);
  bool wasThere = isExclusion ? !isAlone : isProvided;
  claims.insert_or_assign(std::move(index), Claim{any, wasThere});
  return {};
}

bool LinuxMulticastTable::isClaimedAlone(const Claims& claims, const MulticastRow& row) const {
  MulticastRow group = row;
  group.source = {};
  auto found = claims.find(AnyRow{group}.index());
  return found != claims.end() && !found->second.wasThere;
}

Status LinuxMulticastTable::write(const Spot& spot, const Membership& membership) {
  const auto& bridge = spot.place.bridge;
  if (!membership.isExclude && membership.listed().empty()) return {};  // wanted by an (S,G) entry that stands
  // A group and each of its sources are counted; the kernel would turn snooping off for all.
  auto counted = [](const Membership& each) { return (each.isInKernel ? 1 : 0) + each.sources.size(); };
  auto after = membership;
  after.isInKernel = true;
  auto groups = spot.mdb->groups + counted(after) - counted(spot.membership);
  if (groups > spot.mdb->groups && groups > bridge.mostGroups)
    return failure(SnmpStatus::resourceUnavailable, std::to_string(spot.mdb->groups) + " groups of at most " +
                                                        std::to_string(bridge.mostGroups) +
                                                        " are in use; raise mcast_hash_max of " + bridge.name);
  auto netlink = ports_.socket();
  if (!netlink) return failure(netlink.error());
  if (auto status = writeMembership(**netlink, bridge.index, spot.key, membership); !status) return status;
  spot.mdb->memberships[spot.key] = after;
  spot.mdb->groups = static_cast<std::uint32_t>(groups);
  return {};
}

Status LinuxMulticastTable::replace(const Vm& vm, const AnyRow& row) {
  if (auto checked = check(vm, row); !checked) return checked;
  auto before = find(vm, row);
  if (!before) return failure(before.error());
  if (!*before)
    return failure(SnmpStatus::inconsistentName,
                   "multicast " + describe(row.as<MulticastRow>()) + " of VM " + vm.label() + " is not there");
  if ((*before)->equals(row, Carry::exact)) return {};
  if (auto removed = remove(vm, {&row, 1}); removed.error) return failure(*removed.error);
  auto created = create(vm, {&row, 1});
  if (!created.error) return {};
  if (auto restored = create(vm, {&**before, 1}); restored.error)
    log::error("multicast " + describe(row.as<MulticastRow>()) + " of VM " + vm.label() + " is lost: " + restored.error->text);
  return failure(*created.error);
}

BatchResult LinuxMulticastTable::remove(const Vm& vm, std::span<const AnyRow> keys) {
  auto rows = rowsOf(vm);
  if (!rows) return {0, rows.error()};
  Snapshot snapshot;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto found = rows->find(keys[i].index());
    if (found == rows->end()) continue;
    if (auto status = removeOne(vm, found->second, snapshot); !status) return {i, status.error()};
  }
  return {keys.size(), std::nullopt};
}

Status LinuxMulticastTable::removeOne(const Vm& vm, const AnyRow& any, Snapshot& snapshot) {
  const auto& row = any.as<MulticastRow>();
  auto& claims = claims_[vm.uuid];
  auto claim = claims.find(any.index());
  bool wasThere = claim != claims.end() && claim->second.wasThere;
  auto spot = lookUp(snapshot, row);
  if (!spot) return {};  // with the port its memberships are gone
  bool stays = vm.presence == VmPresence::arriving && wasThere;
  if (vm.presence == VmPresence::left) {
    auto shared = ports_.isShared(vm, spot->place);
    if (!shared) return failure(shared.error());
    stays = *shared;
  }
  if (!stays)
    if (auto dropped = drop(*spot, row); !dropped)
      return failure(dropped.error().status, "port " + row.port.value + " cannot leave multicast " + describe(row) + " of VM " +
                                                 vm.label() + ": " + dropped.error().text);
  if (claim != claims.end()) claims.erase(claim);
  if (claims.empty()) claims_.erase(vm.uuid);
  return {};
}

Status LinuxMulticastTable::drop(const Spot& spot, const MulticastRow& row) {
  const auto& before = spot.membership;
  auto source = before.sources.find(row.source);
  bool isThere = row.source.isSet() ? source != before.sources.end() : before.isExclude;
  if (!isThere) return {};
  auto netlink = ports_.socket();
  if (!netlink) return failure(netlink.error());
  auto after = without(before, row);
  bool isOwnEntry = source != before.sources.end() && source->second.isOwnEntry;
  Status status;
  if (isOwnEntry) {
    status = removeMembership(**netlink, spot.place.bridge.index, spot.key, row.source);
  } else if (!after.isExclude && after.listed().empty()) {
    status = removeMembership(**netlink, spot.place.bridge.index, spot.key);
  } else {
    status = writeMembership(**netlink, spot.place.bridge.index, spot.key, after);
  }
  if (!status) return status;
  spot.mdb->memberships[spot.key] = after;
  if (after.wantsNothing()) spot.mdb->memberships.erase(spot.key);
  return {};
}

}  // namespace vmmig

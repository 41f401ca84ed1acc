// SPDX-License-Identifier: GPL-2.0-or-later
// How LinuxMulticastTable makes and removes rows.
#include "common/log.h"
#include "subagent/linux_multicast_rows.h"
#include "subagent/linux_multicast_table.h"

namespace vmmig {

namespace {

/// Nothing is wanted but what (S,G) entries provide, which stand by themselves.
bool needsNoEntry(const Membership& membership) { return !membership.isExclude && membership.listed().empty(); }

Error cannot(const std::string& join, const Vm& vm, const MulticastRow& row, const Error& error) {
  return {error.status, "port " + row.port.value + " cannot " + join + " multicast " + describe(row) + " of VM " + vm.label() +
                            ": " + error.text};
}

}  // namespace

BatchResult LinuxMulticastTable::create(const Vm& vm, std::span<const AnyRow> rows) {
  Snapshot snapshot;
  std::vector<Step> steps;
  std::optional<Error> error;
  for (std::size_t i = 0; i < rows.size() && !error; ++i) {
    auto step = plan(vm, rows[i], snapshot);
    if (step) steps.push_back(std::move(*step));
    if (!step) error = step.error();
  }
  auto made = carryOut(vm, steps);
  if (!made.error) made.error = error;
  return made;
}

// All of it is claimed on the disk before any of it is made: a restart in the middle takes it back.
BatchResult LinuxMulticastTable::carryOut(const Vm& vm, std::span<const Step> steps) {
  BatchResult result;
  if (auto saved = claims_.save(); !saved)
    result.error = Error{SnmpStatus::genErr, "it cannot be noted for a restart of vmmigd: " + saved.error().text};
  for (; result.done < steps.size() && !result.error; ++result.done) {
    auto written = write(vm, steps[result.done]);
    if (!written) result.error = written.error();
    if (!written) break;
  }
  if (result.done == steps.size()) return result;
  for (const auto& step : steps.subspan(result.done)) claims_.remove(step.row);
  saveClaims();
  return result;
}

Result<LinuxMulticastTable::Step> LinuxMulticastTable::plan(const Vm& vm, const AnyRow& any, Snapshot& snapshot) {
  if (auto checked = check(vm, any); !checked) return failure(checked.error());
  const auto& row = any.as<MulticastRow>();
  auto spot = lookUp(snapshot, row);
  if (!spot) return failure(spot.error());
  // Elsewhere the port has joined it for another, which is no obstacle.
  bool isVms = vm.presence == VmPresence::here && ports_.isAt(vm, spot->place);
  if (auto free = checkFree(vm, any, *spot, isVms); !free) return failure(free.error());
  bool isProvided = provides(spot->membership, row);
  bool isExclusion = row.source.isSet() && row.filterMode == FilterMode::exclude;
  bool isAlone = isVms || isClaimedAlone(row);
  auto after = joined(spot->membership, row, isAlone);
  if (auto reserved = reserve(*spot, after); !reserved) return failure(cannot("join", vm, row, reserved.error()));
  // At the VM's own port all is the VM's without a claim.
  if (!isVms) claims_.put({any, isExclusion ? !isAlone : isProvided});
  return Step{std::move(*spot), std::move(after), any};
}

Status LinuxMulticastTable::checkFree(const Vm& vm, const AnyRow& any, const Spot& spot, bool isVms) const {
  const auto& row = any.as<MulticastRow>();
  bool isProvided = provides(spot.membership, row);
  bool isListed = !row.source.isSet() || spot.membership.sources.contains(row.source);
  if (isProvided && (claims_.find(any) || (isVms && isListed)))
    return failure(SnmpStatus::inconsistentName, "multicast " + describe(row) + " of VM " + vm.label() + " is at port " +
                                                     row.port.value + " already: remove it first");
  bool isExclusion = row.source.isSet() && row.filterMode == FilterMode::exclude;
  if (!isExclusion || spot.membership.isExclude) return {};
  return inconsistent(vm, row,
                      "port " + row.port.value +
                          " has not joined the group, hence it cannot exclude a source of it: "
                          "make the row without a source first");
}

bool LinuxMulticastTable::isClaimedAlone(const MulticastRow& row) const {
  MulticastRow group = row;
  group.source = {};
  const auto* claim = claims_.find(AnyRow{group});
  return claim && !claim->wasThere;
}

Status LinuxMulticastTable::reserve(const Spot& spot, Membership after) {
  if (needsNoEntry(after)) return {};
  const auto& bridge = spot.place.bridge;
  // A group and each of its sources are counted; the kernel would turn snooping off for all.
  auto counted = [](const Membership& each) { return (each.isInKernel ? 1 : 0) + each.sources.size(); };
  after.isInKernel = true;
  auto groups = spot.mdb->groups + counted(after) - counted(spot.membership);
  if (groups > spot.mdb->groups && groups > bridge.mostGroups)
    return failure(SnmpStatus::resourceUnavailable, std::to_string(spot.mdb->groups) + " groups of at most " +
                                                        std::to_string(bridge.mostGroups) +
                                                        " are in use; raise mcast_hash_max of " + bridge.name);
  spot.mdb->memberships[spot.key] = std::move(after);
  spot.mdb->groups = static_cast<std::uint32_t>(groups);
  return {};
}

// Also when nothing changes, because its timers start anew so.
Status LinuxMulticastTable::write(const Vm& vm, const Step& step) {
  if (needsNoEntry(step.after)) return {};
  auto netlink = ports_.socket();
  if (!netlink) return failure(netlink.error());
  auto written = writeMembership(**netlink, step.spot.place.bridge.index, step.spot.key, step.after);
  if (!written) return failure(cannot("join", vm, step.row.as<MulticastRow>(), written.error()));
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
  BatchResult result{keys.size(), std::nullopt};
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto found = rows->find(keys[i].index());
    if (found == rows->end()) continue;
    auto removed = removeOne(vm, found->second, snapshot);
    if (!removed) result = {i, removed.error()};
    if (!removed) break;
  }
  saveClaims();
  return result;
}

// Should it fail: what is claimed and not there is dropped at the next start.
void LinuxMulticastTable::saveClaims() {
  if (auto saved = claims_.save(); !saved)
    log::error("multicast memberships that were removed are still noted: " + saved.error().text);
}

Status LinuxMulticastTable::removeOne(const Vm& vm, const AnyRow& any, Snapshot& snapshot) {
  const auto& row = any.as<MulticastRow>();
  const auto* claim = claims_.find(any);
  bool wasThere = claim && claim->wasThere;
  auto spot = lookUp(snapshot, row);
  // With the port its memberships are gone.
  if (!spot) claims_.remove(any);
  if (!spot) return {};
  bool stays = vm.presence == VmPresence::arriving && wasThere;
  if (vm.presence == VmPresence::left) {
    auto shared = ports_.isShared(vm, spot->place);
    if (!shared) return failure(shared.error());
    stays = *shared;
  }
  if (!stays)
    if (auto dropped = drop(*spot, row); !dropped) return failure(cannot("leave", vm, row, dropped.error()));
  claims_.remove(any);
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

// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts that the inventory has no section for: they are followed from their first notification on, and what they tell counts once
// their agent has answered.
#include <algorithm>

#include "common/log.h"
#include "manager/service.h"

namespace vmmig {

/// A notification from an address of no host of the inventory. What it says is not taken, but read from the agent there: that
/// must answer before anything can depend on it.
void Service::hearUnlisted(const InetAddress& from, const PhaseRow& row) {
  auto address = toString(from);
  auto name = unlisted_.nameAt(address);
  if (!name.empty()) {
    if (auto poll = polls_.find(name); poll != polls_.end()) poll->second.notify();
    return;
  }
  name = ownNameIn(row);
  // A host of the inventory is where the inventory says, and has been asked there.
  bool isListed = name.empty() || inventory_.hosts.contains(name);
  if (isListed || !isUnderWay(row) || inventory_.unlistedHosts == Inventory::Unlisted::none || stopping_) return;
  followUnlisted(name, address);
}

void Service::followUnlisted(const std::string& name, const std::string& address) {
  if (inventory_.hosts.contains(name)) return;
  // Its address may have changed.
  if (dead_.contains(name) && unlisted_.addressOf(name) != address) forget(name);
  bool isKnown = unlisted_.contains(name);
  if (auto status = unlisted_.add(name, address); !status) return log::error(status.error().text);
  if (isKnown) return;
  auto agent = unlistedAgent(address, inventory_.unlistedHosts);
  log::notice("host " + name + " is not in the inventory; it notifies from " + address + ", and is asked at " + agent.peer);
  pool_.introduce(name, std::move(agent));
  // The task of who was forgotten a moment ago goes on.
  if (!polls_.contains(name)) spawn(followHost(name));
}

bool Service::isFollowed(const std::string& host) const { return inventory_.hosts.contains(host) || unlisted_.contains(host); }

void Service::forget(const std::string& name) {
  auto takesPart = [&](const auto& entry) {
    const auto& plan = entry.second->plan();
    return plan.sourceHost == name || plan.destinationHost == name;
  };
  if (!unlisted_.contains(name) || std::any_of(running_.begin(), running_.end(), takesPart)) return;
  unlisted_.forget(name);
  hostNames_.erase(name);
  told_.erase(name);
  lastAnswer_.erase(name);
  dead_.erase(name);
  if (auto poll = polls_.find(name); poll != polls_.end()) poll->second.notify();
}

/// A host of the inventory may notify from another of its addresses, under another name. Its agent is the same one then, and
/// tells of a VM's phase with the same sequence and the same microsecond.
void Service::forgetDoubles() {
  auto isSame = [](const std::map<Uuid, Told>& one, const std::map<Uuid, Told>& other) {
    return std::any_of(one.begin(), one.end(), [&](const auto& entry) {
      const auto& row = entry.second.row;
      auto found = other.find(entry.first);
      return found != other.end() && row.time.value != 0 && row.time.value == found->second.row.time.value &&
             row.sequence == found->second.row.sequence;
    });
  };
  for (const auto& name : unlisted_.names())
    for (const auto& [listed, host] : inventory_.hosts) {
      if (!isSame(told_[name], told_[listed])) continue;
      log::notice("host " + name + " at " + unlisted_.addressOf(name) + " is host " + listed + " of the inventory");
      unlisted_.sameAs(name, listed);
      forget(name);
      break;
    }
}

/// Behind a sentence on an agent that does not answer.
std::string Service::hintFor(const std::string& host) const {
  if (!unlisted_.contains(host)) return {};
  return "; it is not in the inventory, so nothing begins with it: let its snmpd answer this manager's user there, or add "
         "[host." +
         host + "] with its agent";
}

bool Service::isAnyUnlisted(const Itinerary& itinerary) const {
  return unlisted_.contains(itinerary.source) || unlisted_.contains(itinerary.destination);
}

/// Nobody set this agent up for this manager, so a hold there may turn out to be one that it cannot end. The VM's policy is
/// written first in any case, with the same rights.
Task<Status> Service::checkSource(Uuid vm, std::string host) {
  if (!unlisted_.contains(host)) co_return Status{};
  auto agent = pool_.host(host);
  if (!agent) co_return failure(agent.error());
  PhaseRow row;
  row.uuid = vm;
  row.holdPolicy = inventory_.policyOf(vm) == TransferPolicy::require ? HoldPolicy::require : HoldPolicy::bestEffort;
  std::vector<std::string_view> columns{"vmMigPhaseHoldPolicy"};
  auto status = co_await (*agent)->write(std::move(row), std::move(columns));
  if (!status)
    co_return failure(status.error().status,
                      "its source, host " + host + ", is not in the inventory, and could not be told to go on later: " +
                          status.error().text + "; let this manager's user write there, or add [host." + host + "]");
  co_return Status{};
}

}  // namespace vmmig

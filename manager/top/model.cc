// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/top/model.h"

#include <algorithm>

#include "manager/phases.h"
#include "mibs/labels.h"

namespace vmmig::top {

namespace {

std::uint64_t passed(const Snapshot& snapshot, const Agent& agent) {
  auto age = std::max(snapshot.now - agent.answeredAt, Clock::duration::zero());
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(age).count());
}

std::uint32_t less(std::uint64_t value, std::uint64_t by) { return static_cast<std::uint32_t>(value > by ? value - by : 0); }

std::string nameOf(const Inventory& inventory, const Uuid& vm, const std::string& told) {
  if (!told.empty()) return told;
  const auto* known = inventory.findVm(vm);
  return known ? known->first : toString(vm);
}

/// The source that a destination gets its rows from: the only one of that claim, or that which the inventory pairs with it.
const TransferRow* sourceOf(const Snapshot& snapshot, const Inventory& inventory, const Agent& destination,
                            const TransferRow& row) {
  std::vector<std::pair<const Agent*, const TransferRow*>> sources;
  for (const auto& agent : snapshot.agents)
    for (const auto& other : agent.transfers)
      if (other.uuid == row.uuid && other.role == TransferRole::source && other.epoch == row.epoch)
        sources.emplace_back(&agent, &other);
  if (sources.size() == 1) return sources.front().second;
  for (const auto& [from, ignored] : inventory.hosts)
    for (const auto& [to, alsoIgnored] : inventory.hosts) {
      auto legs = from == to ? failure("") : inventory.legsBetween(from, to);
      if (!legs) continue;
      for (const auto& leg : *legs)
        for (const auto& [agent, source] : sources)
          if (leg.destination == destination.name && leg.source == agent->name) return source;
    }
  return nullptr;
}

}  // namespace

std::string_view name(Sort sort) {
  static constexpr std::string_view names[] = {"state", "VM", "device", "rows"};
  return names[static_cast<std::size_t>(sort)];
}

std::string stateOf(const Agent& agent) {
  switch (agent.reach) {
    case Reach::asking: return "asking";
    case Reach::noAgent: return "no agent";
    case Reach::silent: return "unreachable";
    case Reach::answers: break;
  }
  return labelOf(agent.scalars.health);
}

std::vector<ShownTransfer> transfersOf(const Snapshot& snapshot, const Inventory& inventory) {
  std::vector<ShownTransfer> shown;
  for (const auto& agent : snapshot.agents)
    for (const auto& row : agent.transfers) {
      auto told = agent.names.find(row.uuid);
      ShownTransfer each{&agent, &row, nameOf(inventory, row.uuid, told == agent.names.end() ? "" : told->second), {}, {}};
      if (row.role == TransferRole::destination)
        if (const auto* source = sourceOf(snapshot, inventory, agent, row)) each.expected = source->rows;
      if (!isFinal(row.operStatus)) each.left = less(row.deadline.value, passed(snapshot, agent) / 1000);
      shown.push_back(std::move(each));
    }
  return shown;
}

std::vector<ShownPhase> phasesOf(const Snapshot& snapshot, const Inventory& inventory) {
  std::vector<ShownPhase> shown;
  for (const auto& agent : snapshot.agents)
    for (const auto& row : agent.phases) {
      if (!isUnderWay(row)) continue;
      ShownPhase each{&agent, &row, nameOf(inventory, row.uuid, row.vmName.value), {}};
      if (row.holdStatus == HoldStatus::held) each.leftMilliseconds = less(row.holdDeadline.value, passed(snapshot, agent));
      shown.push_back(std::move(each));
    }
  // Whose hold ends first is what a person must see.
  auto rank = [](const ShownPhase& phase) { return phase.leftMilliseconds.value_or(UINT32_MAX); };
  std::stable_sort(shown.begin(), shown.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return shown;
}

}  // namespace vmmig::top

// SPDX-License-Identifier: GPL-2.0-or-later
// How a migration begins: what the hosts tell of a VM is joined, and the devices in front of them are found. Where that is not
// clear nothing is touched, and a VM that is held for it goes on at once as its policy says.
#include <algorithm>

#include "common/log.h"
#include "manager/service.h"
#include "mibs/labels.h"

namespace vmmig {

namespace {

constexpr auto lookAgain = std::chrono::milliseconds{2};
/// How often the hosts are asked again for what is missing while a VM is held.
constexpr auto askAgain = std::chrono::milliseconds{50};
/// How long a host is waited for that may have something to say against it.
constexpr auto longestAnswer = std::chrono::milliseconds{500};

std::string labelOf(const PhaseRow& row) {
  return "VM " + (row.vmName.value.empty() ? toString(row.uuid) : row.vmName.value + " (" + toString(row.uuid) + ")");
}

std::string nameOf(const PhaseRow& row) { return row.vmName.value.empty() ? toString(row.uuid) : row.vmName.value; }

/// A host that says the VM's name, if one does.
const PhaseRow& bestNamed(const std::vector<HostSays>& told) {
  auto named = std::find_if(told.begin(), told.end(), [](const HostSays& each) { return !each.row.vmName.value.empty(); });
  return named == told.end() ? told.front().row : named->row;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<HostSays> Service::toldOf(const Uuid& vm) const {
  std::vector<HostSays> told;
  for (const auto& [host, rows] : told_) {
    auto found = rows.find(vm);
    if (found == rows.end()) continue;
    const auto& [row, isThere] = found->second;
    bool isOfNow = isThere && row.sequence > 0 && isUnderWay(row);
    if (isOfNow) told.push_back({host, namedAsInventory(host, row, hostNames_)});
  }
  return told;
}

Itinerary Service::itineraryOf(const Uuid& vm) const {
  auto itinerary = vmmig::itineraryOf(toldOf(vm), hostNames_);
  for (const auto* name : {&itinerary.source, &itinerary.destination})
    if (itinerary.problem.empty()) itinerary.problem = unlisted_.objectionTo(*name);
  return itinerary;
}

std::optional<HostSays> Service::heldRow(const Uuid& vm) const {
  for (auto& each : toldOf(vm))
    if (each.row.holdStatus == HoldStatus::held) return std::move(each);
  return std::nullopt;
}

/// A VM that no migration runs for.
void Service::consider(const Uuid& vm) {
  if (clarifying_.contains(vm)) return;
  auto itinerary = itineraryOf(vm);
  if (itinerary.isKnown() && !itinerary.isJoined && !isAnyUnlisted(itinerary)) return begin(vm, itinerary);
  if (toldOf(vm).empty()) unclear_.erase(vm);
  // Who is only prepared may wait for long, and a source alone for its destination until it stops.
  bool isUrgent = itinerary.isKnown() || !itinerary.problem.empty() || heldRow(vm);
  if (!isUrgent) return;
  clarifying_.insert(vm);
  spawn(clarify(vm));
}

/// What was heard so far is held against what every host says now. A VM that stands still waits for what is missing, for half of
/// its hold at most: the rest would be too short to move anything.
Task<> Service::clarify(Uuid vm) {
  auto began = Clock::now();
  auto asked = began;
  askHosts();
  bool isClear = false;
  while (!isClear && !stopping_ && !running_.contains(vm)) {
    co_await sleepFor(loop_, lookAgain);
    auto itinerary = itineraryOf(vm);
    auto held = heldRow(vm);
    auto waited = Clock::now() - began;
    bool isHeard = silentSince(began, false).empty() || waited > longestAnswer;
    // Who is not in the inventory may be about to notify.
    bool mayNotify = itinerary.isOfStranger && inventory_.unlistedHosts != Inventory::Unlisted::none;
    bool isSaid = itinerary.isKnown() || (!itinerary.problem.empty() && !mayNotify);
    bool mayCome = held && waited < std::chrono::milliseconds{held->row.holdDeadline.value / 2};
    isClear = isSaid ? isHeard : !mayCome && (held || isHeard);
    if (!isClear && Clock::now() - asked > askAgain) {
      asked = Clock::now();
      askHosts();
    }
  }
  clarifying_.erase(vm);
  if (running_.contains(vm) || recovering_.contains(vm) || stopping_) co_return;
  auto itinerary = itineraryOf(vm);
  if (itinerary.isKnown()) co_return begin(vm, itinerary);
  if (!heldRow(vm) && itinerary.problem.empty()) co_return;
  auto silent = silentSince(began, true);
  refuse(vm, whyUnknown(itinerary) + (silent.empty() ? "" : "; no answer from host " + listed(silent)));
}

void Service::askHosts() {
  for (auto& [name, poll] : polls_) poll.notify();
}

/// Who has not answered a request made since then. A host that was silent before is waited for by nobody.
std::vector<std::string> Service::silentSince(Clock::time_point when, bool withDead) const {
  std::vector<std::string> silent;
  for (const auto& [name, poll] : polls_) {
    auto answer = lastAnswer_.find(name);
    bool isSilent = answer == lastAnswer_.end() || answer->second < when;
    if (isSilent && (withDead || !dead_.contains(name))) silent.push_back(name);
  }
  return silent;
}

void Service::begin(const Uuid& vm, const Itinerary& itinerary) {
  auto told = toldOf(vm);
  const auto& row = bestNamed(told);
  for (const auto& each : told) log::info(labelOf(row) + ": host " + each.host + " says " + describe(each.row));
  log::info(labelOf(row) + " moves from host " + itinerary.source + " to host " + itinerary.destination);
  if (isAnyUnlisted(itinerary) || locator_.mustAsk(itinerary.source, itinerary.destination)) {
    clarifying_.insert(vm);
    return spawn(locate(vm, itinerary));
  }
  auto legs = inventory_.legsBetween(itinerary.source, itinerary.destination);
  if (!legs) return refuse(vm, legs.error().text);
  beginBetween(vm, itinerary, std::move(*legs));
}

/// The phases go on meanwhile; what they say then decides.
Task<> Service::locate(Uuid vm, Itinerary itinerary) {
  auto told = toldOf(vm);
  Locator::Journey journey{.vm = {}, .source = itinerary.source, .destination = itinerary.destination, .macs = {}};
  journey.vm = nameOf(bestNamed(told));
  journey.macs = macsOf(vm, told, inventory_);
  for (const auto* name : {&itinerary.source, &itinerary.destination})
    if (unlisted_.contains(*name)) journey.unlisted.insert(*name);
  auto legs = co_await locator_.legsBetween(std::move(journey));
  Status answerable;
  if (legs) answerable = co_await checkSource(vm, itinerary.source);
  clarifying_.erase(vm);
  if (stopping_ || running_.contains(vm) || recovering_.contains(vm)) co_return;
  auto now = itineraryOf(vm);
  bool isSame = now.isKnown() && now.source == itinerary.source && now.destination == itinerary.destination;
  if (!isSame) co_return consider(vm);
  if (!legs) co_return refuse(vm, legs.error().text);
  if (!answerable) co_return refuse(vm, answerable.error().text);
  beginBetween(vm, itinerary, std::move(*legs));
}

void Service::beginBetween(const Uuid& vm, const Itinerary& itinerary, std::vector<migration::LegPlan> legs) {
  auto told = toldOf(vm);
  JournalPlan plan;
  plan.vm = vm;
  plan.vmName = nameOf(bestNamed(told));
  plan.sourceHost = itinerary.source;
  plan.destinationHost = itinerary.destination;
  plan.legs = std::move(legs);
  plan.policy = inventory_.policyOf(vm);
  for (const auto* name : {&itinerary.source, &itinerary.destination})
    if (unlisted_.contains(*name)) plan.unlisted[*name] = unlisted_.addressOf(*name);
  auto setup = setupFor(std::move(plan));
  if (!setup) return refuse(vm, setup.error().text);
  unclear_.erase(vm);
  // What is under way belongs to this migration, and its runner reads it anew; the rest to migrations before.
  for (const auto& each : setup->hosts) {
    const auto& last = told_[each.name][vm].row;
    bool isOfThis = last.sequence > 0 && isUnderWay(last);
    setup->seen[each.name] = isOfThis ? migration::SeenPhase{last.sequence - 1, HoldStatus::expired} : seenOf(last);
  }
  start(std::move(*setup), 0);
}

/// Nothing has been touched. A hold is answered now as its expiry would be later: until then the VM would stand still for
/// nothing.
void Service::refuse(const Uuid& vm, const std::string& why) {
  auto held = heldRow(vm);
  auto told = toldOf(vm);
  auto policy = inventory_.policyOf(vm);
  auto text = (told.empty() ? "VM " + toString(vm) : labelOf(bestNamed(told))) + " is not followed: " + why;
  if (held)
    log::error(text + "; its hold on host " + held->host + " is " +
               (policy == TransferPolicy::require ? "cancelled" : "released") + ", as its policy " + labelOf(policy) + " says");
  else if (unclear_[vm] != why)
    log::error(text);
  unclear_[vm] = why;
  if (held) spawn(endHold(std::move(*held), policy));
}

Task<> Service::endHold(HostSays held, TransferPolicy policy) {
  auto agent = pool_.host(held.host);
  if (!agent) co_return log::error(agent.error().text);
  PhaseRow row;
  row.uuid = held.row.uuid;
  row.action = policy == TransferPolicy::require ? PhaseAction::cancel : PhaseAction::release;
  row.actionSequence = held.row.sequence;
  std::vector<std::string_view> columns{"vmMigPhaseAction", "vmMigPhaseActionSequence"};
  auto status = co_await (*agent)->write(std::move(row), std::move(columns));
  if (!status) log::warning(labelOf(held.row) + ": its hold could not be ended, and expires by itself: " + status.error().text);
}

}  // namespace vmmig

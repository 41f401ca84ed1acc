// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/phase_manager.h"

#include <algorithm>

#include "common/log.h"
#include "subagent/phase_store.h"
#include "subagent/transfer_text.h"

namespace vmmig {

namespace {

/// Is a phase the first of another migration than that of the row? A source does not say where the VM that it let go resumed.
bool beginsWith(Phase phase, const PhaseRow& last) {
  bool isFirst = phase == Phase::prepared || phase == Phase::preCopy;
  return isOver(last.phase) || (last.phase == Phase::stopped && isFirst);
}

/// One host alone does not know the other.
std::string hostText(const Text<255>& host) { return host.value.empty() ? "(another host)" : host.value; }

}  // namespace

PhaseManager::PhaseManager(EventLoop& loop, Notifier& notifier, std::string hostName)
    : loop_(loop), notifier_(notifier), hostName_(std::move(hostName)), store_(std::make_unique<Store>(*this)) {}

PhaseManager::~PhaseManager() {
  for (auto& [index, entry] : entries_) stopTimer(entry);
}

RowStore& PhaseManager::store() { return *store_; }

std::optional<PhaseRow> PhaseManager::row(const Uuid& vm) const {
  auto found = entries_.find(phaseIndexOf(vm));
  if (found == entries_.end()) return std::nullopt;
  return shown(found->second);
}

PhaseRow PhaseManager::shown(const Entry& entry) {
  auto row = entry.row;
  row.action = PhaseAction::none;
  if (!entry.timer) return row;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(entry.holdEnds - Clock::now()).count();
  row.holdDeadline.value = static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 0, entry.row.holdDeadline.value));
  return row;
}

void PhaseManager::report(PhaseRow row) {
  auto found = entries_.find(phaseIndexOf(row.uuid));
  if (found == entries_.end()) {
    makeRoom();
    found = entries_.try_emplace(phaseIndexOf(row.uuid)).first;
  }
  auto& entry = found->second;
  if (beginsWith(row.phase, entry.row)) {
    entry.isPolicyWritten = false;
  } else {
    // What somebody else knows of this migration.
    if (row.sourceHost.value.empty()) row.sourceHost = entry.row.sourceHost;
    if (row.destinationHost.value.empty()) row.destinationHost = entry.row.destinationHost;
    if (entry.isPolicyWritten) row.holdPolicy = entry.row.holdPolicy;
  }
  enter(entry, std::move(row));
}

/// Managers destroy few rows, and VMs come and go: the oldest migration that is over makes place.
void PhaseManager::makeRoom() {
  if (entries_.size() < maxRows) return;
  auto oldest = entries_.end();
  for (auto each = entries_.begin(); each != entries_.end(); ++each)
    if (isOver(each->second.row.phase) && (oldest == entries_.end() || each->second.row.time < oldest->second.row.time))
      oldest = each;
  if (oldest == entries_.end()) return;  // so many VMs on their way: they count more than the limit
  lastSequence_ = std::max(lastSequence_, oldest->second.row.sequence);
  entries_.erase(oldest);
}

void PhaseManager::enter(Entry& entry, PhaseRow row) {
  complete(row);
  if (entry.row.holdStatus == HoldStatus::held)
    log::warning(label(entry.row) + " was held when it entered the phase " + labelOf(row.phase) + "; the hold is over");
  stopTimer(entry);
  row.sequence = nextSequence(entry, row.phase);
  if (row.time.value == 0) row.time = nowUtc();
  row.holdStatus = HoldStatus::none;
  row.action = PhaseAction::none;
  entry.row = std::move(row);
  if (entry.row.phase == Phase::stopped && entry.row.holdDeadline > 0) startHold(entry);
  log::info(label(entry.row) + ": " + labelOf(entry.row.phase) + ", from " + hostText(entry.row.sourceHost) + " to " +
            hostText(entry.row.destinationHost) + (entry.timer ? ", held" : ""));
  notifier_.send(mib::Notification::phaseChanged, AnyRow{shown(entry)});
}

void PhaseManager::complete(PhaseRow& row) const {
  auto& source = row.sourceHost.value;
  auto& destination = row.destinationHost.value;
  // Whoever tells of a VM that is about to leave tells it where the VM still runs.
  if (row.phase != Phase::resumed && source.empty() && destination != hostName_) source = hostName_;
  if (row.phase == Phase::resumed && destination.empty() && source != hostName_) destination = hostName_;
}

/// Grows over restarts as well: a row's first number is the time, and phases change less than once a second. Only within one
/// migration they follow faster, so a row that begins in its middle, after a restart, leaves the phases before behind.
std::uint32_t PhaseManager::nextSequence(const Entry& entry, Phase phase) {
  constexpr std::uint32_t phasesOfAMigration = 8;
  if (entry.row.sequence > 0) return entry.row.sequence + 1;
  auto seconds = static_cast<std::uint32_t>(nowUtc().value / 1'000'000);
  bool isBeginning = phase == Phase::prepared || phase == Phase::preCopy;
  return std::max(seconds + (isBeginning ? 0 : phasesOfAMigration), lastSequence_ + 1);
}

void PhaseManager::startHold(Entry& entry) {
  std::chrono::milliseconds delay{entry.row.holdDeadline.value};
  entry.row.holdStatus = HoldStatus::held;
  entry.holdEnds = Clock::now() + delay;
  entry.timer = loop_.after(delay, [this, vm = entry.row.uuid] { endHold(vm, HoldStatus::expired); });
}

void PhaseManager::stopTimer(Entry& entry) {
  if (entry.timer) loop_.cancel(*entry.timer);
  entry.timer.reset();
}

void PhaseManager::endHold(const Uuid& vm, HoldStatus how) {
  auto found = entries_.find(phaseIndexOf(vm));
  if (found == entries_.end() || found->second.row.holdStatus != HoldStatus::held) return;
  auto& entry = found->second;
  stopTimer(entry);
  entry.row.holdStatus = how;
  bool goesOn = how == HoldStatus::released || (how == HoldStatus::expired && entry.row.holdPolicy == HoldPolicy::bestEffort);
  auto text =
      label(entry.row) + ": the hold is " + labelOf(how) + "; the VM goes on at the " + (goesOn ? "destination" : "source");
  if (how == HoldStatus::expired)
    log::error(text + ", because no manager came in time: see whether one runs and receives the notifications");
  else
    log::notice(text);
  notifier_.send(mib::Notification::phaseChanged, AnyRow{shown(entry)});
  if (!source_) return;
  if (goesOn)
    source_->letGo(vm);
  else
    source_->cancelMigration(vm);
}

std::string PhaseManager::label(const PhaseRow& row) {
  auto uuid = toString(row.uuid);
  return "VM " + (row.vmName.value.empty() ? uuid : row.vmName.value + " (" + uuid + ")");
}

}  // namespace vmmig

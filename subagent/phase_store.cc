// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/phase_store.h"

#include <algorithm>

#include "common/log.h"
#include "mibs/labels.h"

namespace vmmig {

namespace {

tl::unexpected<Error> refused(std::string text) { return failure(SnmpStatus::inconsistentValue, std::move(text)); }

}  // namespace

Status PhaseManager::Store::check(const Change& change) {
  const auto& wanted = change.after.as<PhaseRow>();
  auto now = phases_.row(wanted.uuid);
  bool isHeld = now && now->holdStatus == HoldStatus::held;
  if (change.kind == Change::Kind::remove) {
    if (!isHeld) return {};
    return refused("vmMigPhaseRowStatus is refused: " + label(*now) + " is held; release or cancel it first");
  }
  if (wanted.uuid.isNil()) return failure(SnmpStatus::noCreation, "the nil UUID names no VM");
  if (!now && phases_.entries_.size() >= maxRows)
    return failure(SnmpStatus::resourceUnavailable, "no room for a phase of " + label(wanted) + ": this host keeps " +
                                                        std::to_string(maxRows) + " rows; destroy old ones");
  bool tellsPhase = !now || change.wrote("vmMigPhase");
  if (wanted.action != PhaseAction::none) {
    if (tellsPhase)
      return refused("vmMigPhaseAction is refused: " + label(wanted) + " cannot enter a phase and end its hold at once");
    if (wanted.actionSequence != 0 && wanted.actionSequence != now->sequence)
      return refused("vmMigPhaseAction " + labelOf(wanted.action) + " is refused: it is meant for sequence " +
                     std::to_string(wanted.actionSequence) + ", and " + label(*now) + " is at " + std::to_string(now->sequence) +
                     "; read the row again, and decide anew");
    if (auto status = checkAction(wanted.action, &*now, label(*now)); !status) return status;
  }
  bool wantsHold = wanted.holdDeadline > 0 && (!now || change.wrote("vmMigPhaseHoldDeadline"));
  if (wantsHold && (!tellsPhase || wanted.phase != Phase::stopped))
    return refused("vmMigPhaseHoldDeadline is refused: " + label(wanted) +
                   " can be held by a SET that has its phase stopped as well");
  if (!tellsPhase) return {};
  if (phases_.source_ && phases_.source_->follows(wanted.uuid))
    return refused(
        "vmMigPhase is refused: vmmigd follows " + label(wanted) +
        " at its hypervisor, and tells its phases itself; stop the hook that writes them, or set phase-source = manual");
  return checkPhase(wanted, now ? &*now : nullptr);
}

/// Hooks may miss phases, hence nearly any can follow any.
Status PhaseManager::Store::checkPhase(const PhaseRow& wanted, const PhaseRow* now) {
  bool isHeld = now && now->holdStatus == HoldStatus::held;
  bool runs = wanted.phase == Phase::prepared || wanted.phase == Phase::preCopy;
  if (!isHeld || !runs) return {};
  return refused("vmMigPhase " + labelOf(wanted.phase) + " is refused: " + label(*now) +
                 " is stopped and held; release or cancel it first");
}

Status PhaseManager::Store::checkAction(PhaseAction action, const PhaseRow* now, const std::string& vm) {
  auto asked = action == PhaseAction::release ? HoldStatus::released : HoldStatus::cancelled;
  // A request that is repeated finds its work done.
  if (now->holdStatus == HoldStatus::held || now->holdStatus == asked) return {};
  return refused("vmMigPhaseAction " + labelOf(action) + " is refused: " + vm + " is in phase " + labelOf(now->phase) +
                 ", and its hold is " + labelOf(now->holdStatus) + "; see at the hypervisor where the VM runs");
}

void PhaseManager::Store::settle(const Change& change) {
  // The hold may have ended since check().
  if (auto status = check(change); !status) return log::warning("a SET came too late: " + status.error().text);
  auto wanted = change.after.as<PhaseRow>();
  if (change.kind == Change::Kind::remove) return remove(wanted);
  auto found = phases_.entries_.find(phaseIndexOf(wanted.uuid));
  bool isNew = found == phases_.entries_.end();
  if (isNew || change.wrote("vmMigPhase")) {
    bool begins = isNew || (isOver(found->second.row.phase) && !isOver(wanted.phase));
    // What an earlier migration left says nothing of this one.
    if (begins && !isNew && !change.wrote("vmMigPhaseSourceHost")) wanted.sourceHost = {};
    if (begins && !isNew && !change.wrote("vmMigPhaseDestinationHost")) wanted.destinationHost = {};
    if (!isNew && !change.wrote("vmMigPhaseError")) wanted.error = {};
    if (!isNew && !change.wrote("vmMigPhaseHoldDeadline")) wanted.holdDeadline = {};
    wanted.time = {};
    return phases_.enter(phases_.entries_[phaseIndexOf(wanted.uuid)], std::move(wanted));
  }
  auto& row = found->second.row;
  row.vmName = wanted.vmName;
  row.sourceHost = wanted.sourceHost;
  row.destinationHost = wanted.destinationHost;
  row.macAddresses = wanted.macAddresses;
  row.holdPolicy = wanted.holdPolicy;
  if (change.wrote("vmMigPhaseHoldPolicy")) found->second.isPolicyWritten = true;
  row.error = wanted.error;
  if (change.wrote("vmMigPhaseHoldDeadline")) row.holdDeadline = wanted.holdDeadline;
  if (wanted.action == PhaseAction::release) phases_.endHold(row.uuid, HoldStatus::released);
  if (wanted.action == PhaseAction::cancel) phases_.endHold(row.uuid, HoldStatus::cancelled);
}

void PhaseManager::Store::remove(const PhaseRow& row) {
  auto found = phases_.entries_.find(phaseIndexOf(row.uuid));
  if (found == phases_.entries_.end()) return;
  phases_.lastSequence_ = std::max(phases_.lastSequence_, found->second.row.sequence);
  phases_.entries_.erase(found);
}

}  // namespace vmmig

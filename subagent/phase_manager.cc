// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/phase_manager.h"

#include <algorithm>

#include "common/log.h"
#include "subagent/transfer_text.h"

namespace vmmig {

namespace {

Oid indexOf(const Uuid& vm) {
  Oid index;
  Codec<Uuid>::appendIndex(index, vm);
  return index;
}

bool isOver(Phase phase) { return phase == Phase::resumed || phase == Phase::failed || phase == Phase::cancelled; }

tl::unexpected<Error> refused(std::string text) { return failure(SnmpStatus::inconsistentValue, std::move(text)); }

}  // namespace

/// The `manual` source: a SET that writes vmMigPhase is a report, one that writes vmMigPhaseAction ends a hold.
class PhaseManager::Store final : public RowStore {
 public:
  explicit Store(PhaseManager& phases) : phases_(phases) {}

  const TableInfo& table() const override { return TableOf<PhaseRow>::info; }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override {
    auto row = phases_.row(vmOf(key));
    return row ? std::optional<AnyRow>{std::move(*row)} : std::nullopt;
  }
  Result<std::optional<AnyRow>> next(OidSpan after) override {
    auto found = phases_.entries_.upper_bound(Oid{after.begin(), after.end()});
    if (found == phases_.entries_.end()) return std::optional<AnyRow>{};
    return std::optional<AnyRow>{shown(found->second)};
  }
  Status check(const Change& change) override;
  // settle() does it all, and nothing of it can fail: so there is nothing to take back.
  Status apply(const Change&) override { return {}; }
  void settle(const Change& change) override;

 private:
  static Status checkPhase(const PhaseRow& wanted, const PhaseRow* now);
  static Status checkAction(PhaseAction action, const PhaseRow* now, const std::string& vm);
  void remove(const PhaseRow& row);

  PhaseManager& phases_;
};

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
    if (auto status = checkAction(wanted.action, &*now, label(*now)); !status) return status;
  }
  bool wantsHold = wanted.holdDeadline > 0 && (!now || change.wrote("vmMigPhaseHoldDeadline"));
  if (wantsHold && (!tellsPhase || wanted.phase != Phase::stopped))
    return refused("vmMigPhaseHoldDeadline is refused: " + label(wanted) +
                   " can be held by a SET that has its phase stopped as well");
  return tellsPhase ? checkPhase(wanted, now ? &*now : nullptr) : Status{};
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
  auto found = phases_.entries_.find(indexOf(wanted.uuid));
  bool isNew = found == phases_.entries_.end();
  if (isNew || change.wrote("vmMigPhase")) {
    bool begins = isNew || (isOver(found->second.row.phase) && !isOver(wanted.phase));
    // What an earlier migration left says nothing of this one.
    if (begins && !isNew && !change.wrote("vmMigPhaseSourceHost")) wanted.sourceHost = {};
    if (begins && !isNew && !change.wrote("vmMigPhaseDestinationHost")) wanted.destinationHost = {};
    if (!isNew && !change.wrote("vmMigPhaseError")) wanted.error = {};
    if (!isNew && !change.wrote("vmMigPhaseHoldDeadline")) wanted.holdDeadline = {};
    return phases_.report(std::move(wanted));
  }
  auto& row = found->second.row;
  row.vmName = wanted.vmName;
  row.sourceHost = wanted.sourceHost;
  row.destinationHost = wanted.destinationHost;
  row.macAddresses = wanted.macAddresses;
  row.holdPolicy = wanted.holdPolicy;
  row.error = wanted.error;
  if (change.wrote("vmMigPhaseHoldDeadline")) row.holdDeadline = wanted.holdDeadline;
  if (wanted.action == PhaseAction::release) phases_.endHold(row.uuid, HoldStatus::released);
  if (wanted.action == PhaseAction::cancel) phases_.endHold(row.uuid, HoldStatus::cancelled);
}

void PhaseManager::Store::remove(const PhaseRow& row) {
  auto found = phases_.entries_.find(indexOf(row.uuid));
  if (found == phases_.entries_.end()) return;
  phases_.lastSequence_ = std::max(phases_.lastSequence_, found->second.row.sequence);
  phases_.entries_.erase(found);
}

PhaseManager::PhaseManager(EventLoop& loop, Notifier& notifier, std::string hostName)
    : loop_(loop), notifier_(notifier), hostName_(std::move(hostName)), store_(std::make_unique<Store>(*this)) {}

PhaseManager::~PhaseManager() {
  for (auto& [index, entry] : entries_) stopTimer(entry);
}

RowStore& PhaseManager::store() { return *store_; }

std::optional<PhaseRow> PhaseManager::row(const Uuid& vm) const {
  auto found = entries_.find(indexOf(vm));
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
  complete(row);
  auto& entry = entries_[indexOf(row.uuid)];
  if (entry.row.holdStatus == HoldStatus::held)
    log::warning(label(entry.row) + " was held when it entered the phase " + labelOf(row.phase) + "; the hold is over");
  stopTimer(entry);
  row.sequence = nextSequence(entry);
  row.time = nowUtc();
  row.holdStatus = HoldStatus::none;
  row.action = PhaseAction::none;
  entry.row = std::move(row);
  if (entry.row.phase == Phase::stopped && entry.row.holdDeadline > 0) startHold(entry);
  log::info(label(entry.row) + ": " + labelOf(entry.row.phase) + ", from " + entry.row.sourceHost.value + " to " +
            entry.row.destinationHost.value + (entry.timer ? ", held" : ""));
  notifier_.send(mib::Notification::phaseChanged, AnyRow{shown(entry)});
}

void PhaseManager::complete(PhaseRow& row) const {
  auto& source = row.sourceHost.value;
  auto& destination = row.destinationHost.value;
  // Whoever tells of a VM that is about to leave tells it where the VM still runs.
  if (row.phase != Phase::resumed && source.empty() && destination != hostName_) source = hostName_;
  if (row.phase == Phase::resumed && destination.empty() && source != hostName_) destination = hostName_;
}

/// Grows over restarts as well: a row's first number is the time, and phases change less than once a second.
std::uint32_t PhaseManager::nextSequence(const Entry& entry) {
  if (entry.row.sequence > 0) return entry.row.sequence + 1;
  auto seconds = static_cast<std::uint32_t>(nowUtc().value / 1'000'000);
  return std::max(seconds, lastSequence_ + 1);
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
  auto found = entries_.find(indexOf(vm));
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

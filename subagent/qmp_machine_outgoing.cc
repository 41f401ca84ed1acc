// SPDX-License-Identifier: GPL-2.0-or-later
// A migration that leaves, from its set-up until the VM is at the destination or back at home.
#include "subagent/qmp_machine.h"

namespace vmmig {

bool QmpMachine::isLeaving() const {
  return stage_ == Stage::leaving || stage_ == Stage::held || stage_ == Stage::switching || stage_ == Stage::goingBack;
}

void QmpMachine::entered(const std::string& status, MicrosecondsUtc time) {
  if (stage_ == Stage::incoming)
    enteredIncoming(status);
  else
    enteredOutgoing(status, time);
}

void QmpMachine::enteredOutgoing(const std::string& status, MicrosecondsUtc time) {
  bool isUnderWay = isLeaving() || stage_ == Stage::postcopy;
  if (status == "setup" && !isUnderWay) setUp();
  // Not before: a snapshot is a migration to QEMU as well, one that is never active.
  if (status == "active" && !isUnderWay) beginCopy(time);
  if (status == "pre-switchover" && (!isUnderWay || stage_ == Stage::leaving)) {
    stage_ = Stage::held;
    stop(true, time);
  }
  bool mayGoOn = stage_ != Stage::goingBack && !isWokenByCancel(time);
  if (status == "device" && mayGoOn) goOn(Stage::switching, time);
  if (status == "postcopy-active" && mayGoOn) goOn(Stage::postcopy, time);
  if (status == "completed") finish(time);
  if (status == "cancelling" || status == "cancelled" || status == "failed") goBack(status == "failed");
}

/// What an earlier migration left says nothing of this one.
void QmpMachine::setUp() {
  stage_ = Stage::idle;
  stoppedAt_.reset();
  isStopTold_ = didContinue_ = isFailure_ = wasHeld_ = false;
  homeAt_ = {};
  reason_.clear();
  cancelledAt_.reset();
  // Cards may have come and gone, and capabilities been changed; to change them back it is too late.
  for (auto& command : identity_.refresh()) actions_.emplace_back(std::move(command));
  send("query-migrate-capabilities");
}

void QmpMachine::beginCopy(MicrosecondsUtc time) {
  stage_ = Stage::leaving;
  mustRun_ = isPrepared_ = false;
  if (!unheld_.empty())
    say(true, "is being migrated, and cannot be held for the network: " + unheld_ +
                  "; leave QEMU's capability pause-before-switchover to vmmigd, and let it run before a migration begins");
  tell({.phase = Phase::preCopy, .time = time});
}

void QmpMachine::stop(bool isHeld, MicrosecondsUtc time) {
  if (std::exchange(isStopTold_, true)) return;
  tell({.phase = Phase::stopped, .time = stoppedAt_.value_or(time), .isHeld = isHeld});
}

/// To cancel a migration that waits, QEMU (7.2, migrate_fd_cancel()) wakes it first. It may tell that it goes on before it sees
/// that it must not, and then sends nothing. What had gone on before we cancelled, did so for somebody else; whose turn it was
/// when both come within the same moment, nothing tells.
bool QmpMachine::isWokenByCancel(MicrosecondsUtc time) const {
  bool isLater = cancelledAt_ && (time.value == 0 || time >= *cancelledAt_);
  return stage_ == Stage::held && isLater;
}

void QmpMachine::goOn(Stage stage, MicrosecondsUtc time) {
  if (stage_ == stage) return;
  stop(false, time);
  if (stage_ == Stage::held && !didContinue_) {
    say(true, "was held, and somebody else had QEMU continue; let vmmigd alone send migrate-continue");
    actions_.emplace_back(QmpHoldLost{});
  }
  stage_ = stage;
}

void QmpMachine::finish(MicrosecondsUtc time) {
  if (stage_ == Stage::left) return;
  // A snapshot, or post-copy that has brought the rest here.
  if (stage_ == Stage::idle) return ensureHolds();
  goOn(Stage::switching, time);
  stage_ = Stage::left;
}

void QmpMachine::goBack(bool isFailure) {
  switch (stage_) {
    case Stage::unknown:
    case Stage::incoming:
    case Stage::left: return;
    case Stage::idle:
      if (isFailure) say(true, "is not migrated: QEMU says that it failed; query-migrate says why");
      return ensureHolds();
    case Stage::postcopy:
      return say(true, "runs at its destination since post-copy began, and its migration has " +
                           std::string{isFailure ? "failed" : "been cancelled"} + "; see there whether it still runs");
    case Stage::leaving:
    case Stage::held:
    case Stage::switching: wasHeld_ = stage_ == Stage::held; [[fallthrough]];
    case Stage::goingBack: break;
  }
  stage_ = Stage::goingBack;
  isFailure_ = isFailure_ || isFailure;
  look();
}

/// Does it run at home again?
void QmpMachine::lookHome() {
  if (status_ == "cancelling" || runState_ == "finish-migrate") return actions_.push_back(QmpLookAgain{});
  bool stands = runState_ == "postmigrate" && stoppedAt_;
  if (!stands || !std::exchange(wasHeld_, false)) return isHome();
  // QEMU (7.2) leaves a VM standing that was cancelled between pre-copy and post-copy. Its state is nowhere else.
  say(false, "stands still after its migration was cancelled; it is continued");
  send("cont");
}

void QmpMachine::isHome() {
  stage_ = Stage::idle;
  auto why = reason_.empty() ? errorText_ : reason_;
  if (why.empty()) why = isFailure_ ? "QEMU gives no reason; see its log on both hosts" : "it was cancelled at QEMU";
  tell({.phase = isFailure_ ? Phase::failed : Phase::cancelled, .time = homeAt_, .error = why});
  ensureHolds();
}

void QmpMachine::send(std::string execute, nlohmann::json arguments) {
  actions_.emplace_back(QmpCommand{std::move(execute), std::move(arguments)});
}

}  // namespace vmmig

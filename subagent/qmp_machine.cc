// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/qmp_machine.h"

#include <algorithm>

namespace vmmig {

namespace {

using nlohmann::json;

const std::string holds = "pause-before-switchover", tells = "events";

json capabilities(bool isHolding) {
  json list = json::array({{{"capability", holds}, {"state", isHolding}}});
  if (isHolding) list.push_back({{"capability", tells}, {"state", true}});
  return {{"capabilities", list}};
}

bool isOn(const json& list, const std::string& capability) {
  return list.is_array() && std::any_of(list.begin(), list.end(), [&](const json& each) {
           auto state = each.is_object() ? each.find("state") : each.end();
           return textOf(each, "capability") == capability && state != each.end() && state->is_boolean() && state->get<bool>();
         });
}

}  // namespace

// --- inputs ------------------------------------------------------------------------------------------------------------

QmpActions QmpMachine::ready() {
  for (auto& command : identity_.begin()) actions_.emplace_back(std::move(command));
  return take();
}

QmpActions QmpMachine::received(const QmpEvent& event) {
  bool isMigration = event.name == "MIGRATION", isStop = event.name == "STOP", isResume = event.name == "RESUME";
  if (!isMigration && !isStop && !isResume) return {};
  isOvertaken_ = true;
  if (isStop) stoppedAt_ = event.time;
  if (isResume) stoppedAt_.reset();
  if (stage_ == Stage::unknown || identity_.uuid().isNil()) return {};
  if (isResume) resumed(event.time);
  if (isMigration) entered(textOf(event.data, "status"), event.time);
  return take();
}

QmpActions QmpMachine::answered(const QmpCommand& command, const QmpAnswer& answer) {
  for (auto& next : identity_.take(command, answer)) actions_.emplace_back(std::move(next));
  took(command, answer);
  if (stage_ == Stage::unknown && identity_.isComplete() && !isLooking_) identified();
  return take();
}

QmpActions QmpMachine::lookAgain() {
  look();
  return take();
}

QmpActions QmpMachine::letGo() {
  if (stage_ != Stage::held || cancelledAt_)
    say(false, "is not held any more, and need not be let go");
  else {
    didContinue_ = true;
    send("migrate-continue", {{"state", "pre-switchover"}});
  }
  return take();
}

QmpActions QmpMachine::cancel(const std::string& why, MicrosecondsUtc now) {
  // Told to go on, it may run at its destination before anybody hears of it.
  if (stage_ != Stage::held || didContinue_)
    say(false, "is not held any more; its migration is not cancelled");
  else {
    reason_ = why;
    cancelledAt_ = now;
    send("migrate_cancel");
  }
  return take();
}

QmpActions QmpMachine::dismiss() {
  isDismissed_ = true;
  if (stage_ == Stage::leaving)
    say(true,
        "is being migrated while vmmigd ends, and will stand still before its switchover, with nobody to let it go: start "
        "vmmigd again, or send migrate-continue with state pre-switchover to QEMU");
  else if (stage_ != Stage::unknown && !isLeaving() && !identity_.uuid().isNil())
    ensureHolds();
  return take();
}

QmpActions QmpMachine::ended(const std::string& why) {
  auto at = std::exchange(stage_, Stage::unknown);
  if (at == Stage::leaving || at == Stage::held || at == Stage::goingBack)
    tell({.phase = Phase::failed, .error = why + ", during its migration; the VM does not run at the source"});
  else if (isPrepared_)
    tell({.phase = Phase::failed, .error = why + ", before the VM ran here", .comes = true});
  else if (at == Stage::switching || at == Stage::postcopy)
    say(true, "was let go, and then: " + why + "; whether it runs, its destination tells");
  return take();
}

// --- who it is, and what QEMU can -----------------------------------------------------------------------------------------

void QmpMachine::identified() {
  if (identity_.uuid().isNil()) {
    // Nobody could let it go, so it is not held.
    stage_ = Stage::idle;
    unheld_ = "it has no UUID";
    return;
  }
  ensureHolds();
  look();
}

/// Also asks how it is now: an orchestrator may have its own will.
void QmpMachine::ensureHolds() {
  send("migrate-set-capabilities", capabilities(!isDismissed_));
  if (!isDismissed_) send("query-migrate-capabilities");
}

void QmpMachine::took(const QmpCommand& command, const QmpAnswer& answer) {
  const auto& what = command.execute;
  if (what == "migrate-set-capabilities" && !answer) unheld_ = answer.error().text;
  if (what == "query-migrate-capabilities") takeCapabilities(answer);
  if (what == "query-status") runState_ = answer ? textOf(*answer, "status") : "";
  if (what == "query-migrate") takeMigration(answer);
  bool isVerdict = what == "migrate-continue" || what == "migrate_cancel" || what == "cont";
  if (!isVerdict || answer) return;
  if (what == "migrate-continue") didContinue_ = false;
  say(true, "stands still, and QEMU refuses " + what + ": " + answer.error().text +
                "; see with query-migrate what it does, and continue the VM by hand");
  if (what == "cont" && stage_ == Stage::goingBack) isHome();
}

void QmpMachine::takeCapabilities(const QmpAnswer& answer) {
  if (!answer) {
    unheld_ = answer.error().text;
    return;
  }
  tellsMigrations_ = isOn(*answer, tells);
  mayPostcopy_ = isOn(*answer, "postcopy-ram");
  if (isOn(*answer, holds) && tellsMigrations_)
    unheld_.clear();
  else if (unheld_.empty())
    unheld_ = "somebody has switched " + (tellsMigrations_ ? holds : tells) + " off";
}

void QmpMachine::takeMigration(const QmpAnswer& answer) {
  status_ = answer ? textOf(*answer, "status") : "";
  errorText_ = answer ? textOf(*answer, "error-desc") : "";
  wasSource_ =
      answer && answer->is_object() && answer->contains("total-time");  // of what came, QEMU says no more than its status
  looked();
}

// --- looking -----------------------------------------------------------------------------------------------------------

void QmpMachine::look() {
  isOvertaken_ = isLooking_;
  if (std::exchange(isLooking_, true)) return;
  send("query-status");
  send("query-migrate");
}

void QmpMachine::looked() {
  isLooking_ = false;
  if (isOvertaken_) return look();
  if (stage_ == Stage::unknown) return adopt();
  if (stage_ == Stage::goingBack) return lookHome();
  if (isLeaving()) enteredOutgoing(status_, {});
  // Without its events, a migration that began before us can only be followed so.
  if (isLeaving() && !tellsMigrations_) actions_.emplace_back(QmpLookAgain{});
}

/// We come late, and find it in the middle of something.
void QmpMachine::adopt() {
  stage_ = Stage::idle;
  if (runState_ == "inmigrate") {
    stage_ = Stage::incoming;
    if (status_ != "failed" && status_ != "cancelled") prepared();
    return;
  }
  bool hasCome = (status_ == "completed" && !wasSource_) || (status_.starts_with("postcopy") && runState_ == "running");
  if (hasCome) {
    if (runState_ == "running") return arrived({});
    mustRun_ = runState_ == "paused" || runState_ == "prelaunch";
    return;
  }
  adoptOutgoing();
  if (isLeaving() && !tellsMigrations_) actions_.emplace_back(QmpLookAgain{});
}

void QmpMachine::adoptOutgoing() {
  bool stands = runState_ == "finish-migrate";
  if (status_ == "completed") {
    if (runState_ == "postmigrate") stage_ = Stage::left;
  } else if (status_.starts_with("postcopy")) {
    stage_ = Stage::postcopy;
    isStopTold_ = true;
  } else if (status_ == "cancelling" || (stands && (status_ == "cancelled" || status_ == "failed"))) {
    stage_ = Stage::leaving;
    goBack(status_ == "failed");
  } else if (status_ == "active" || status_ == "pre-switchover" || status_ == "device") {
    if (status_ == "pre-switchover") say(true, "was found standing still before its switchover; it is held anew");
    enteredOutgoing(status_, {});
    // Of what happened before us, only this can be known.
    if (stage_ == Stage::held && mayPostcopy_ && !stoppedAt_) stoppedAt_.emplace();
  }
}

// --- a migration that comes --------------------------------------------------------------------------------------------

void QmpMachine::prepared() {
  isPrepared_ = true;
  tell({.phase = Phase::prepared, .comes = true});
}

void QmpMachine::enteredIncoming(const std::string& status) {
  if ((status == "setup" || status == "active") && !isPrepared_) prepared();
  if (status == "completed") {
    // Whoever runs QEMU with -S lets it run later.
    stage_ = Stage::idle;
    mustRun_ = true;
  }
  bool hasFailed = status == "failed" || status == "cancelled";
  if (hasFailed && std::exchange(isPrepared_, false))
    tell({.phase = Phase::failed,
          .error = "the migration that came here is " + status + "; see QEMU's log on both hosts",
          .comes = true});
}

void QmpMachine::arrived(MicrosecondsUtc time) {
  stage_ = Stage::idle;
  isPrepared_ = mustRun_ = false;
  tell({.phase = Phase::resumed, .time = time, .comes = true});
  ensureHolds();
}

void QmpMachine::resumed(MicrosecondsUtc time) {
  if (stage_ == Stage::incoming || mustRun_) return arrived(time);
  if (stage_ == Stage::goingBack) {
    homeAt_ = time;
    return look();  // for the reason
  }
  if (stage_ != Stage::left && stage_ != Stage::postcopy) return;
  stage_ = Stage::idle;
  say(true, "was continued here after it had been migrated away; make sure that it does not run at its destination as well");
  tell({.phase = Phase::failed, .time = time, .error = "the VM was continued at the source after it had been migrated"});
  ensureHolds();
}

}  // namespace vmmig

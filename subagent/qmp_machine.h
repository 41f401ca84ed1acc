// SPDX-License-Identifier: GPL-2.0-or-later
// One QEMU as its monitor tells of it: from QMP's events and answers to the phases of its VM. It does no I/O and reads no clock:
// each input answers what to do, as data; qmp_source.h carries that out.
//
// A migration that leaves: active -> preCopy; pre-switchover, where the capability pause-before-switchover stands the VM still
// for as long as we like -> stopped, held; migrate-continue or migrate_cancel ends that. One that comes: run state inmigrate ->
// prepared; RESUME -> resumed. Where the VM is, QEMU says: after a failure, or when we came late, it is asked (look()).
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "mibs/phase_table.h"
#include "subagent/qmp_identity.h"
#include "subagent/qmp_message.h"

namespace vmmig {

/// The VM enters a phase.
struct QmpTell {
  Phase phase;
  MicrosecondsUtc time = {};  // 0: now
  std::string error = {};
  bool isHeld = false;  // with stopped: it waits for us
  bool comes = false;   // to this host, instead of leaving it
};
/// The hold is over without us: somebody else had QEMU go on.
struct QmpHoldLost {};
/// lookAgain() is wanted soon.
struct QmpLookAgain {};
/// For the log; the VM's label stands in front.
struct QmpSay {
  bool isWarning;
  std::string text;
};
using QmpAction = std::variant<QmpCommand, QmpTell, QmpHoldLost, QmpLookAgain, QmpSay>;
using QmpActions = std::vector<QmpAction>;

class QmpMachine {
 public:
  enum class Stage {
    unknown,    // who it is, or what it does, is still being asked
    idle,       // nothing leaves or comes; also while a migration is being set up
    incoming,   // waits for its memory, and to run
    leaving,    // its memory is being copied, and it runs
    held,       // stands still; its last state waits for us
    switching,  // its last state is on its way
    postcopy,   // runs at the destination, which fetches the rest of its memory: nothing can be taken back
    left,       // all of it is at the destination
    goingBack,  // failed or cancelled; whether it is at home is being asked
  };

  // Inputs.
  QmpActions ready();
  QmpActions received(const QmpEvent& event);
  QmpActions answered(const QmpCommand& command, const QmpAnswer& answer);
  QmpActions lookAgain();
  QmpActions ended(const std::string& why);
  /// The VM goes on at the destination; or at the source, and `why` is told with that. Nothing happens unless it is held.
  QmpActions letGo();
  QmpActions cancel(const std::string& why, MicrosecondsUtc now);
  /// We leave it alone: its next migration does not wait for us.
  QmpActions dismiss();

  Stage stage() const { return stage_; }
  /// Is a migration of it under way from here, or has one not come to its end?
  bool isLeaving() const;
  const QmpIdentity& identity() const { return identity_; }
  /// Empty when its next migration will be held; else why not.
  const std::string& unheldReason() const { return unheld_; }

 private:
  void identified();
  void took(const QmpCommand& command, const QmpAnswer& answer);
  void takeCapabilities(const QmpAnswer& answer);
  void takeMigration(const QmpAnswer& answer);
  void look();
  void looked();
  void adopt();
  void adoptOutgoing();
  void entered(const std::string& status, MicrosecondsUtc time);
  void enteredIncoming(const std::string& status);
  void enteredOutgoing(const std::string& status, MicrosecondsUtc time);
  void setUp();
  void beginCopy(MicrosecondsUtc time);
  void stop(bool isHeld, MicrosecondsUtc time);
  bool isWokenByCancel(MicrosecondsUtc time) const;
  void goOn(Stage stage, MicrosecondsUtc time);
  void finish(MicrosecondsUtc time);
  void goBack(bool isFailure);
  void lookHome();
  void isHome();
  void resumed(MicrosecondsUtc time);
  void prepared();
  void arrived(MicrosecondsUtc time);
  void ensureHolds();
  void send(std::string execute, nlohmann::json arguments = nlohmann::json::object());
  void tell(QmpTell phase) { actions_.push_back(std::move(phase)); }
  void say(bool isWarning, std::string text) { actions_.push_back(QmpSay{isWarning, std::move(text)}); }
  QmpActions take() { return std::exchange(actions_, {}); }

  QmpActions actions_;
  Stage stage_ = Stage::unknown;
  QmpIdentity identity_;
  std::string unheld_ = "QEMU was not asked yet";
  bool tellsMigrations_ = false;  // capability events
  bool mayPostcopy_ = false;      // capability postcopy-ram
  bool isDismissed_ = false;

  // What was looked at last. An answer that an event has overtaken is not believed, but asked for again.
  bool isLooking_ = false;
  bool isOvertaken_ = false;
  std::string runState_, status_, errorText_;
  bool wasSource_ = false;

  // Of the migration under way. What came: told prepared; arrived, but does not run yet.
  bool isPrepared_ = false;
  bool mustRun_ = false;
  // What leaves.
  std::optional<MicrosecondsUtc> stoppedAt_;
  bool isStopTold_ = false;
  bool didContinue_ = false;
  bool isFailure_ = false;
  bool wasHeld_ = false;  // when it turned back
  MicrosecondsUtc homeAt_;
  std::string reason_;  // why we cancelled it, and when
  std::optional<MicrosecondsUtc> cancelledAt_;
};

}  // namespace vmmig

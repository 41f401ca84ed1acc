// SPDX-License-Identifier: GPL-2.0-or-later
// One migration as a pure function of events: step(state, event, now) answers the next state and what to do, as data. It does
// no I/O and reads no clock; migration_runner.h executes the actions and feeds the events.
//
// The order of things (the invariants of docs and journal): stop <= last read <= commit <= resume. Each step is asked for only
// after the one before it is known to be over, so the order of the times at which the manager learned of them proves it. The
// source keeps its rows until the VM is known to run at the destination.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/event_loop.h"
#include "mibs/phase_table.h"
#include "mibs/transfer_table.h"

namespace vmmig::migration {

using Time = Clock::time_point;

/// A pair of devices between which state moves. All legs of a migration commit, or (policy require) none.
struct LegPlan {
  std::string source;  // names of devices
  std::string destination;
};

struct Limits {
  Clock::duration waitForStop = std::chrono::hours{1};
  Clock::duration stop = std::chrono::seconds{10};    // from "stopped" until the hold is released
  Clock::duration resume = std::chrono::seconds{60};  // from there until "resumed"
  Clock::duration ending = std::chrono::seconds{30};  // how long release, done and abort are tried again
  Clock::duration retry = std::chrono::milliseconds{500};
};

struct Plan {
  std::vector<LegPlan> legs;
  TransferPolicy policy = TransferPolicy::require;
  bool now = false;  // no hypervisor: freeze and commit at once, and take the VM as resumed
  Limits limits = {};
};

// --- actions -----------------------------------------------------------------------------------------------------------

enum class ActionKind {
  survey,       // read every device: what it can do, and the highest epoch that it has seen
  claim,        // source: track; destination: VM and addresses, then prepare
  copy,         // follow the source's image until its end mark has arrived at the destination
  freeze,       // source
  commit,       // destination
  releaseHold,  // the hypervisor may go on
  cancelHold,   // the hypervisor must go back
  release,      // source: delete what was moved
  done,         // destination: the VM runs here
  abort,        // either: take everything back
  report,       // tell people and the journal
};
std::string_view name(ActionKind kind);

/// A moment of the timeline.
enum class Mark { none, stop, blocked, lastRead, commit, release, resume };
std::string_view name(Mark mark);

struct Action {
  ActionKind kind;
  std::size_t leg = 0;
  TransferRole role = TransferRole::source;
  std::string host = {};  // releaseHold, cancelHold
  std::string text = {};  // report
  Mark mark = Mark::none;
  bool isWarning = false;
};

// --- events ------------------------------------------------------------------------------------------------------------

/// Why something did not happen. Only what is unreachable is worth another try.
struct Failure {
  bool unreachable = false;
  std::string text;
  bool superseded = false;  // a newer manager has claimed the VM: the hold is its business too
};

struct Begin {};
struct Surveyed {
  std::uint32_t unixSeconds = 0;
  std::uint32_t highestEpoch = 0;
  std::map<std::size_t, Failure> failures = {};  // by leg
};
/// A phase of the VM as a host tells it, by notification or by poll. Only what is newer than the last of this host counts.
struct PhaseSeen {
  std::string host;
  PhaseRow row;
};
/// A transfer's row, as a device shows it while the manager follows it.
struct TransferSeen {
  std::size_t leg;
  TransferRole role;
  TransferRow row;
};
struct ActionDone {
  Action action;
  std::optional<Failure> failure = {};
};
struct Tick {};
struct OperatorAbort {
  std::string reason;
};
using Event = std::variant<Begin, Surveyed, PhaseSeen, TransferSeen, ActionDone, Tick, OperatorAbort>;

// --- state -------------------------------------------------------------------------------------------------------------

/// One device's part, whatever its role: working is freezing or committing, ready is frozen or committed, ending is releasing or
/// on its way to done. left: nobody knows where the VM runs, so the device's own deadline decides by the life it sees.
enum class SideStep { idle, claiming, claimed, working, ready, ending, ended, aborting, aborted, left, lost };
/// "freezing", "frozen"; "committing", "committed".
std::string_view stepWord(SideStep step, TransferRole role);

struct Side {
  SideStep step = SideStep::idle;
  TransferRow row = {};  // the last that was seen
  std::optional<Time> retryAt = {};
  Time giveUpAt = {};

  bool isFinal() const { return step == SideStep::idle || step == SideStep::ended || step >= SideStep::aborted; }
};

struct Leg {
  Side source, destination;
  bool blocked = false;  // the source has told when it stopped the VM's traffic
  bool copying = false;
  bool copied = false;       // the end mark is at the destination
  bool good = false;         // committed, and equal to the source
  std::string failure = {};  // why this leg was given up

  bool isLive() const { return failure.empty(); }
};

enum class Stage { begin, surveying, following, switching, releasing, awaiting, finishing, takingBack, over };
std::string_view name(Stage stage);

/// moved: all of it. notMoved: everything was taken back. incomplete: the VM moved, and something of its state is missing.
enum class Outcome { moved = 0, notMoved = 1, unreachable = 3, incomplete = 4 };
std::string_view name(Outcome outcome);

struct SeenPhase {
  std::uint32_t sequence = 0;
  HoldStatus hold = HoldStatus::none;
};

struct State {
  Plan plan;
  std::string vm;  // for texts
  Stage stage = Stage::begin;
  std::uint32_t epoch = 0;
  std::vector<Leg> legs = {};
  std::map<std::string, SeenPhase> seen = {};  // by host
  std::string holdHost = {};                   // where the VM is held now; empty: nowhere
  std::uint32_t holdSequence = 0;              // vmMigPhaseSequence of the last hold
  Time holdUntil = Time::max();
  bool holdEnding = false;  // release or cancel was sent and is not answered yet
  std::optional<Time> holdRetryAt = {};
  Time holdGiveUpAt = Time::max();
  bool stopped = false, resumed = false;
  bool superseded = false;  // a newer manager has claimed the VM, and any hold is its own business
  bool late = false;        // the VM ran before its state was there
  Time deadline = Time::max();
  std::string reason = {};  // why it is taken back
  bool causeUnreachable = false;
  Outcome outcome = Outcome::moved;
};

struct Step {
  State state;
  std::vector<Action> actions;
};

/// "fw-b: its transfer is failed: ...": what a device says in its row, whole.
std::string refusalOf(const std::string& device, const TransferRow& row);

/// The start. `seen` holds the phases that belong to earlier migrations of this VM, by host.
State start(Plan plan, std::string vm, std::map<std::string, SeenPhase> seen);
/// The start of what a predecessor left behind; the next event decides: a "resumed" ends it well, an abort takes it back.
State adopt(Plan plan, std::string vm, std::map<std::string, SeenPhase> seen, std::uint32_t epoch, Time now);

Step step(State state, const Event& event, Time now);

/// Whether the VM stands still and what is done now decides for how long.
bool isVmWaiting(const State& state);
/// When the machine wants a Tick at the latest.
std::optional<Time> wakeAt(const State& state);

}  // namespace vmmig::migration

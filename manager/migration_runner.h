// SPDX-License-Identifier: GPL-2.0-or-later
// Runs one migration: executes the actions of the state machine as coroutines over devices and hosts, and feeds back what
// comes of them.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "manager/image_copier.h"
#include "manager/journal.h"
#include "manager/migration.h"
#include "manager/migration_trace.h"
#include "manager/row_copier.h"
#include "manager/transfer_side.h"

namespace vmmig {

class MigrationRunner {
 public:
  struct Host {
    std::string name;
    std::shared_ptr<Device> agent;
  };
  struct LegDevices {
    std::shared_ptr<Device> source, destination;
  };
  struct Setup {
    JournalPlan plan;
    migration::Limits limits = {};
    std::vector<LegDevices> devices = {};                   // as plan.legs
    std::vector<Host> hosts = {};                           // of the source and the destination; none with plan.now
    std::vector<VmAddressRow> addresses = {};               // from the inventory, for a source that does not know the VM
    std::map<std::string, migration::SeenPhase> seen = {};  // phases of earlier migrations
    std::uint32_t transferDeadlineSeconds = 30;
    Clock::duration phasePoll = std::chrono::milliseconds{10};
    Clock::duration destinationPoll = std::chrono::milliseconds{250};  // for a refusal while the VM still runs
    bool isLogged = true;                                              // what happens goes to the log, not to the journal alone
    /// Goes on with what a predecessor left under an epoch.
    struct Adoption {
      enum class How { resumed, wait, takeBack } how;
      std::uint32_t epoch;
      std::string reason;  // takeBack
    };
    std::optional<Adoption> adoption = {};
  };
  /// Called after each step, for progress.
  using Observer = std::function<void(const MigrationRunner&)>;

  MigrationRunner(EventLoop& loop, Setup setup, Journal& journal, Observer observer = {});

  /// Until it is over and no request is under way.
  Task<migration::Outcome> run();
  /// A phase that a host tells; false when it is not of this migration.
  bool seen(const std::string& host, const PhaseRow& told);
  void abort(std::string reason);

  const migration::State& state() const { return state_; }
  const JournalPlan& plan() const { return setup_.plan; }
  JournalTotals totals() const;
  std::int64_t journalId() const { return id_; }

 private:
  struct Leg {
    std::unique_ptr<TransferSide> source, destination;
    std::unique_ptr<ImageCopier> images;
    std::unique_ptr<RowCopier> rows;  // instead of images
    DeviceSurvey sourceSurvey, destinationSurvey;

    TransferSide& side(TransferRole role) { return role == TransferRole::source ? *source : *destination; }
  };

  void begin();
  void feed(migration::Event event);
  void trace(const migration::Event& event);
  void perform(migration::Action action);
  void tell(const migration::Action& action);
  void halt(const migration::Action& abort);
  void armTimer();
  void finishIfIdle();
  /// genErr is no answer, or that of a device whose subagent is gone for a moment: both may pass.
  static migration::Failure toFailure(const Error& error) { return {error.status == SnmpStatus::genErr, error.text}; }
  std::map<std::string, std::uint32_t> rowsByTable(std::size_t leg);
  TransferSide::Seen seenOf(std::size_t leg, TransferRole role);

  Task<> execute(migration::Action action);
  Task<> explainRefusal(migration::ActionDone& done);
  Task<Status> dispatch(const migration::Action& action);
  Task<> survey();
  Status choosePath(Leg& leg);
  Task<Status> claim(std::size_t index, TransferRole role);
  Task<Status> copy(std::size_t index);
  Task<> watchDestination(std::size_t index);
  Task<Status> copyRows(std::size_t index);
  Task<Status> commit(std::size_t index);
  Task<Status> finishDestination(std::size_t index);
  Task<Status> abortSide(std::size_t index, TransferRole role);
  Task<> tellPolicy(std::string host);
  Task<Status> act(std::string host, PhaseAction action);
  Task<Status> writeToHost(std::string host, PhaseRow row, std::vector<std::string_view> columns);
  Task<> followHost(Host host);
  Task<> keepAlive();

  EventLoop& loop_;
  Setup setup_;
  Journal& journal_;
  Observer observer_;
  migration::State state_;
  MigrationTrace trace_;
  std::vector<Leg> legs_;
  std::shared_ptr<bool> haste_ = std::make_shared<bool>(false);  // of all that the VM waits for
  std::int64_t id_ = 0;
  std::deque<migration::Event> events_;
  bool feeding_ = false;
  bool policyTold_ = false;
  int underWay_ = 0;
  EventLoop::TimerId timer_ = 0;
  Wakeup idle_;                // everything has come to an end
  std::deque<Wakeup> pauses_;  // of the tasks that go on until the end
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigPhaseTable: the phases of the migrations on this hypervisor's host, told to the world, and the holds, each of which ends.
//
// Where phases come from: a PhaseSource that follows a hypervisor calls report(); with none (`manual`) a hook or a person writes
// the table, and reads in vmMigPhaseHoldStatus how the hold has ended.
#pragma once

#include <map>

#include "common/event_loop.h"
#include "mibs/phase_table.h"
#include "subagent/notifier.h"
#include "subagent/phase_source.h"
#include "subagent/row_store.h"

namespace vmmig {

class PhaseManager {
 public:
  /// Rows that this host keeps at most.
  static constexpr std::size_t maxRows = 4096;

  PhaseManager(EventLoop& loop, Notifier& notifier, std::string hostName);
  PhaseManager(const PhaseManager&) = delete;
  PhaseManager& operator=(const PhaseManager&) = delete;
  ~PhaseManager();

  RowStore& store();
  /// Who carries out what becomes of holds; null with `manual`.
  void setSource(PhaseSource* source) { source_ = source; }

  /// For the source. A VM enters a phase: `row` says which, of what migration, and whether to hold the VM (holdDeadline above 0
  /// with stopped); its time, when set, is when that happened. A manager that has written the policy of this migration is obeyed.
  void report(PhaseRow row);
  /// Ends a hold; nothing happens when the VM is not held.
  void endHold(const Uuid& vm, HoldStatus how);

  /// As SNMP shows it: the hold's deadline counts down. Null when there is none.
  std::optional<PhaseRow> row(const Uuid& vm) const;

 private:
  class Store;
  struct Entry {
    PhaseRow row;
    std::optional<EventLoop::TimerId> timer;
    Clock::time_point holdEnds;
    bool isPolicyWritten = false;  // by a manager, in this migration
  };

  void enter(Entry& entry, PhaseRow row);
  /// Fills in what nobody wrote.
  void complete(PhaseRow& row) const;
  void makeRoom();
  std::uint32_t nextSequence(const Entry& entry, Phase phase);
  void startHold(Entry& entry);
  void stopTimer(Entry& entry);
  static PhaseRow shown(const Entry& entry);
  static std::string label(const PhaseRow& row);

  EventLoop& loop_;
  Notifier& notifier_;
  std::string hostName_;
  PhaseSource* source_ = nullptr;
  std::uint32_t lastSequence_ = 0;  // of rows that are gone
  std::map<Oid, Entry> entries_;    // by the index of vmMigPhaseTable
  std::unique_ptr<Store> store_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigPhaseTable: on a hypervisor's host, where each VM's migration stands, and whether the VM is held for the network.
#pragma once

#include "mibs/row.h"

namespace vmmig {

enum class Phase : std::int32_t { prepared = 1, preCopy = 2, stopped = 3, resumed = 4, failed = 5, cancelled = 6 };
template <>
struct Labels<Phase> {
  static constexpr Label labels[] = {{1, "prepared"}, {2, "preCopy"}, {3, "stopped"},
                                     {4, "resumed"},  {5, "failed"},  {6, "cancelled"}};
};

/// held: the VM stays stopped until an action or the deadline. expired: the deadline passed, and the policy decided.
enum class HoldStatus : std::int32_t { none = 1, held = 2, released = 3, cancelled = 4, expired = 5 };
template <>
struct Labels<HoldStatus> {
  static constexpr Label labels[] = {{1, "none"}, {2, "held"}, {3, "released"}, {4, "cancelled"}, {5, "expired"}};
};

/// Written by the manager; reads as none.
enum class PhaseAction : std::int32_t { none = 1, release = 2, cancel = 3 };
template <>
struct Labels<PhaseAction> {
  static constexpr Label labels[] = {{1, "none"}, {2, "release"}, {3, "cancel"}};
};

/// What an expired hold does: require: the migration is cancelled; bestEffort: the VM goes on.
enum class HoldPolicy : std::int32_t { require = 1, bestEffort = 2 };
template <>
struct Labels<HoldPolicy> {
  static constexpr Label labels[] = {{1, "require"}, {2, "bestEffort"}};
};

struct PhaseRow {
  Uuid uuid;
  Text<255> vmName;
  Phase phase = Phase::prepared;
  std::uint32_t sequence = 0;          // of this VM's phases on this host: each change adds 1
  MicrosecondsUtc time;                // of the last change
  Text<255> sourceHost;                // names as the inventory has them
  Text<255> destinationHost;
  Octets<0, 252, 6> macAddresses;         // the VM's, 6 octets each, when known
  HoldStatus holdStatus = HoldStatus::none;
  Ranged<0, 3600000> holdDeadline;     // milliseconds; written with phase stopped: hold for so long; read: what is left
  HoldPolicy holdPolicy = HoldPolicy::require;
  PhaseAction action = PhaseAction::none;
  Text<255> error;                     // with failed or cancelled: why
  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
  std::uint32_t actionSequence = 0;    // written with an action: the sequence that it is meant for; 0: any
};

inline constexpr std::array phaseColumns{
    indexColumn<&PhaseRow::uuid>(0, "vmMigVmUuid"),
    column<&PhaseRow::vmName>(1, "vmMigPhaseVmName", Access::readCreate, Carry::local),
    column<&PhaseRow::phase>(2, "vmMigPhase", Access::readCreate, Carry::local, required),
    column<&PhaseRow::sequence>(3, "vmMigPhaseSequence", Access::readOnly, Carry::local),
    column<&PhaseRow::time>(4, "vmMigPhaseTime", Access::readOnly, Carry::local),
    column<&PhaseRow::sourceHost>(5, "vmMigPhaseSourceHost", Access::readCreate, Carry::local),
    column<&PhaseRow::destinationHost>(6, "vmMigPhaseDestinationHost", Access::readCreate, Carry::local),
    column<&PhaseRow::macAddresses>(7, "vmMigPhaseMacAddresses", Access::readCreate, Carry::local),
    column<&PhaseRow::holdStatus>(8, "vmMigPhaseHoldStatus", Access::readOnly, Carry::local),
    column<&PhaseRow::holdDeadline>(9, "vmMigPhaseHoldDeadline", Access::readCreate, Carry::local),
    column<&PhaseRow::holdPolicy>(10, "vmMigPhaseHoldPolicy", Access::readCreate, Carry::local),
    column<&PhaseRow::action>(11, "vmMigPhaseAction", Access::readCreate, Carry::local),
    column<&PhaseRow::error>(12, "vmMigPhaseError", Access::readCreate, Carry::local),
    column<&PhaseRow::storageType>(13, "vmMigPhaseStorageType", Access::readCreate, Carry::local),
    column<&PhaseRow::rowStatus>(14, "vmMigPhaseRowStatus", Access::readCreate, Carry::local),
    column<&PhaseRow::actionSequence>(15, "vmMigPhaseActionSequence", Access::readCreate, Carry::local),
};

template <>
struct TableOf<PhaseRow> {
  static constexpr TableInfo info = describeTable<PhaseRow>(13, "vmMigPhaseTable", "vmMigPhaseEntry", phaseColumns, 1, false);
};

}  // namespace vmmig

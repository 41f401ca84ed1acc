// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigTransferTable: one transfer of one VM on this device, at most one a VM at a time. The manager writes AdminStatus (what
// it wants, always with the epoch in the same PDU), the device answers in OperStatus (what is so).
#pragma once

#include "mibs/row.h"

namespace vmmig {

enum class TransferRole : std::int32_t { source = 1, destination = 2 };
template <>
struct Labels<TransferRole> {
  static constexpr Label labels[] = {{1, "source"}, {2, "destination"}};
};

/// What the manager wants. At the source: track, freeze, release. At the destination: prepare, commit, done. At both: abort.
enum class TransferAdmin : std::int32_t { track = 1, freeze = 2, release = 3, prepare = 4, commit = 5, done = 6, abort = 7 };
template <>
struct Labels<TransferAdmin> {
  static constexpr Label labels[] = {{1, "track"},  {2, "freeze"}, {3, "release"}, {4, "prepare"},
                                     {5, "commit"}, {6, "done"},   {7, "abort"}};
};

/// What is so.
enum class TransferOper : std::int32_t {
  tracking = 1,    // source: the image grows
  freezing = 2,    // source: the VM's traffic is blocked, the last read is under way
  frozen = 3,      // source: the image is complete
  releasing = 4,   // source: deleting what was moved
  released = 5,    // source: deleted and unblocked
  prepared = 6,    // destination: takes chunks
  committing = 7,  // destination: makes the rows active
  committed = 8,   // destination: active, and read back equal to the image
  done = 9,        // destination: the VM runs here
  aborting = 10,   // taking everything back
  aborted = 11,    // taken back: as before the transfer
  failed = 12,     // taken back because of vmMigTransferError
  expired = 13,    // taken back because the deadline passed
};
template <>
struct Labels<TransferOper> {
  static constexpr Label labels[] = {{1, "tracking"},   {2, "freezing"},  {3, "frozen"}, {4, "releasing"}, {5, "released"},
                                     {6, "prepared"},   {7, "committing"}, {8, "committed"}, {9, "done"}, {10, "aborting"},
                                     {11, "aborted"},   {12, "failed"},   {13, "expired"}};
};

constexpr bool isFinal(TransferOper status) {
  switch (status) {
    case TransferOper::released:
    case TransferOper::done:
    case TransferOper::aborted:
    case TransferOper::failed:
    case TransferOper::expired: return true;
    default: return false;
  }
}

/// What commit does with a row that the device cannot take: fail the whole (require), or leave it out and count it.
enum class TransferPolicy : std::int32_t { require = 1, bestEffort = 2 };
template <>
struct Labels<TransferPolicy> {
  static constexpr Label labels[] = {{1, "require"}, {2, "bestEffort"}};
};

struct TransferRow {
  Uuid uuid;
  TransferRole role = TransferRole::source;
  Ranged<1, 0xffffffff> epoch;  // of the manager's claim; an older one is refused
  TransferAdmin adminStatus = TransferAdmin::track;
  TransferOper operStatus = TransferOper::tracking;
  TransferPolicy policy = TransferPolicy::require;
  Ranged<1, 3600> deadline{60};  // seconds until the device takes everything back; counts down, a write starts it anew
  std::uint32_t rows = 0;        // source: in the image so far; destination: staged, after commit: really there
  std::uint32_t missing = 0;     // destination, bestEffort: rows that could not be taken
  std::uint32_t chunks = 0;      // source: chunks 1..n can be read; destination: chunks 1..n have arrived without a gap
  std::uint32_t octets = 0;      // of these chunks
  bool complete = false;         // the end mark is among them
  Octets<0, 32, 32> digest;          // SHA-256 of the rows (mibs/image.h): source: when frozen; destination: when committed
  Text<255> error;               // what went wrong, and what to do
  MicrosecondsUtc blockedTime;   // source: the VM's traffic was blocked
  MicrosecondsUtc lastReadTime;  // source: the last read ended
  MicrosecondsUtc commitTime;    // destination: commit ended
  MicrosecondsUtc finishedTime;  // a final OperStatus was reached
  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array transferColumns{
    indexColumn<&TransferRow::uuid>(0, "vmMigVmUuid"),
    column<&TransferRow::role>(1, "vmMigTransferRole", Access::readCreate, Carry::local, required),
    column<&TransferRow::epoch>(2, "vmMigTransferEpoch", Access::readCreate, Carry::local, required),
    column<&TransferRow::adminStatus>(3, "vmMigTransferAdminStatus", Access::readCreate, Carry::local, required),
    column<&TransferRow::operStatus>(4, "vmMigTransferOperStatus", Access::readOnly, Carry::local),
    column<&TransferRow::policy>(5, "vmMigTransferPolicy", Access::readCreate, Carry::local),
    column<&TransferRow::deadline>(6, "vmMigTransferDeadline", Access::readCreate, Carry::local),
    column<&TransferRow::rows>(7, "vmMigTransferRows", Access::readOnly, Carry::local),
    column<&TransferRow::missing>(8, "vmMigTransferMissing", Access::readOnly, Carry::local),
    column<&TransferRow::chunks>(9, "vmMigTransferChunks", Access::readOnly, Carry::local),
    column<&TransferRow::octets>(10, "vmMigTransferOctets", Access::readOnly, Carry::local),
    column<&TransferRow::complete>(11, "vmMigTransferComplete", Access::readOnly, Carry::local),
    column<&TransferRow::digest>(12, "vmMigTransferDigest", Access::readOnly, Carry::local),
    column<&TransferRow::error>(13, "vmMigTransferError", Access::readOnly, Carry::local),
    column<&TransferRow::blockedTime>(14, "vmMigTransferBlockedTime", Access::readOnly, Carry::local),
    column<&TransferRow::lastReadTime>(15, "vmMigTransferLastReadTime", Access::readOnly, Carry::local),
    column<&TransferRow::commitTime>(16, "vmMigTransferCommitTime", Access::readOnly, Carry::local),
    column<&TransferRow::finishedTime>(17, "vmMigTransferFinishedTime", Access::readOnly, Carry::local),
    column<&TransferRow::storageType>(18, "vmMigTransferStorageType", Access::readCreate, Carry::local),
    column<&TransferRow::rowStatus>(19, "vmMigTransferRowStatus", Access::readCreate, Carry::local),
};

template <>
struct TableOf<TransferRow> {
  static constexpr TableInfo info =
      describeTable<TransferRow>(11, "vmMigTransferTable", "vmMigTransferEntry", transferColumns, 1, false);
};

}  // namespace vmmig

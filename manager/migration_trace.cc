// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/migration_trace.h"

#include <nlohmann/json.hpp>

#include "common/hex.h"
#include "manager/phases.h"

namespace vmmig {

using namespace migration;
using nlohmann::json;

namespace {

const Side& sideOf(const Leg& leg, TransferRole role) { return role == TransferRole::source ? leg.source : leg.destination; }

const std::string& deviceOf(const State& state, std::size_t leg, TransferRole role) {
  const auto& plan = state.plan.legs[leg];
  return role == TransferRole::source ? plan.source : plan.destination;
}

std::string dump(const json& data) { return data.dump(-1, ' ', false, json::error_handler_t::replace); }

/// The device's row as it was last seen, as far as it says anything.
void addRow(json& data, const TransferRow& row) {
  if (row.epoch.value == 0) return;
  data["vmMigTransferOperStatus"] = labelOf(row.operStatus);
  data["vmMigTransferRows"] = row.rows;
  if (row.missing != 0) data["vmMigTransferMissing"] = row.missing;
  if (row.chunks != 0) data["vmMigTransferChunks"] = row.chunks;
  if (row.octets != 0) data["vmMigTransferOctets"] = row.octets;
  if (!row.digest.value.empty()) data["vmMigTransferDigest"] = toHex(row.digest.value);
  if (!row.error.value.empty()) data["vmMigTransferError"] = row.error.value;
  if (row.blockedTime.value != 0) data["vmMigTransferBlockedTime"] = row.blockedTime.value;
  if (row.lastReadTime.value != 0) data["vmMigTransferLastReadTime"] = row.lastReadTime.value;
  if (row.commitTime.value != 0) data["vmMigTransferCommitTime"] = row.commitTime.value;
  if (row.finishedTime.value != 0) data["vmMigTransferFinishedTime"] = row.finishedTime.value;
}

json ofSide(const State& state, std::size_t leg, TransferRole role) {
  const auto& side = sideOf(state.legs[leg], role);
  json data{{"device", deviceOf(state, leg, role)},
            {"role", labelOf(role)},
            {"leg", leg},
            {"step", std::string{stepWord(side.step, role)}}};
  addRow(data, side.row);
  if (const auto& failure = state.legs[leg].failure; !failure.empty()) data["failure"] = failure;
  return data;
}

}  // namespace

MigrationTrace::MigrationTrace(const State& begin, TablesOf tablesOf)
    : tablesOf_(std::move(tablesOf)), legs_(begin.legs.size()), hosts_(begin.seen) {}

std::vector<TraceEntry> MigrationTrace::look(const Event& event, const State& now) {
  std::vector<TraceEntry> entries;
  if (const auto* seen = std::get_if<PhaseSeen>(&event)) lookAtHost(*seen, now, entries);
  for (std::size_t leg = 0; leg < legs_.size(); ++leg)
    for (auto role : {TransferRole::source, TransferRole::destination}) lookAtSide(now, leg, role, entries);
  return entries;
}

void MigrationTrace::lookAtHost(const PhaseSeen& event, const State& now, std::vector<TraceEntry>& entries) {
  const auto& row = event.row;
  auto known = now.seen.find(event.host);
  bool isTaken = known != now.seen.end() && known->second.sequence == row.sequence && known->second.hold == row.holdStatus;
  auto& last = hosts_[event.host];
  bool isSame = last.sequence == row.sequence && last.hold == row.holdStatus;
  // No host told that number: a manager goes on with what another left.
  bool isMadeUp = row.sequence == UINT32_MAX;
  if (!isTaken || isSame || isMadeUp) return;
  last = seenOf(row);
  json data{{"host", event.host},
            {"vmMigPhase", labelOf(row.phase)},
            {"vmMigPhaseHoldStatus", labelOf(row.holdStatus)},
            {"vmMigPhaseSequence", row.sequence}};
  if (row.time.value != 0) data["vmMigPhaseTime"] = row.time.value;  // notifications have none
  if (row.holdStatus == HoldStatus::held) {
    data["vmMigPhaseHoldDeadline"] = row.holdDeadline.value;
    data["vmMigPhaseHoldPolicy"] = labelOf(row.holdPolicy);
  }
  if (!row.error.value.empty()) data["vmMigPhaseError"] = row.error.value;
  entries.push_back({event.host + ": " + describe(row), dump(data)});
}

void MigrationTrace::lookAtSide(const State& now, std::size_t leg, TransferRole role, std::vector<TraceEntry>& entries) {
  auto step = sideOf(now.legs[leg], role).step;
  auto& known = role == TransferRole::source ? legs_[leg].source : legs_[leg].destination;
  if (step == known) return;
  // It has been reported, with dataOf().
  bool isReported = step == SideStep::ready && known == SideStep::working;
  known = step;
  if (isReported) return;
  auto data = ofSide(now, leg, role);
  bool isOver = role == TransferRole::destination && step >= SideStep::ended;
  if (isOver)
    if (auto tables = tablesOf_(leg); !tables.empty()) data["tables"] = std::move(tables);
  entries.push_back({deviceOf(now, leg, role) + ": " + data["step"].get<std::string>(), dump(data)});
}

std::string MigrationTrace::dataOf(const Action& report, const State& now) {
  bool isOfSource = report.mark == Mark::blocked || report.mark == Mark::lastRead;
  if (!isOfSource && report.mark != Mark::commit) return {};
  auto role = isOfSource ? TransferRole::source : TransferRole::destination;
  auto data = ofSide(now, report.leg, role);
  // What follows from it may have been decided already.
  data["step"] = std::string{stepWord(report.mark == Mark::blocked ? SideStep::working : SideStep::ready, role)};
  return dump(data);
}

}  // namespace vmmig

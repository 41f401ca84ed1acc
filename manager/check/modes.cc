// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/check/modes.h"

#include <algorithm>
#include <chrono>

#include "manager/counted.h"
#include "mibs/check_table.h"
#include "mibs/labels.h"
#include "mibs/phase_table.h"
#include "mibs/transfer_table.h"
#include "mibs/vm_table.h"

namespace vmmig::check {

namespace {

constexpr double microsecondsPerSecond = 1e6;

State stateOf(Health health) {
  return health == Health::up ? State::ok : health == Health::degraded ? State::warning : State::critical;
}

double nowMicroseconds() {
  using namespace std::chrono;
  return static_cast<double>(duration_cast<microseconds>(system_clock::now().time_since_epoch()).count());
}

Task<Result<DeviceScalars>> scalarsOf(Device& device) {
  auto row = co_await device.read(AnyRow{TableOf<DeviceScalars>::info});
  if (!row) co_return failure(row.error());
  if (!*row)
    co_return failure(SnmpStatus::noSuchName,
                      device.name() +
                          ": its SNMP agent answers, but shows no VM-MIGRATION-MIB: does vmmigd run there, "
                          "connected to snmpd, and may this user read it?");
  co_return (**row).as<DeviceScalars>();
}

template <class Row>
Task<Result<std::vector<Row>>> rowsOf(Device& device) {
  auto rows = co_await device.readAll(TableOf<Row>::info, std::nullopt);
  if (!rows) co_return failure(rows.error());
  std::vector<Row> all;
  for (const auto& row : *rows) all.push_back(row.template as<Row>());
  co_return all;
}

/// The name of a VM, or its UUID where it has none.
std::string nameOf(const Uuid& uuid, const std::vector<VmRow>& vms) {
  auto found = std::find_if(vms.begin(), vms.end(), [&](const VmRow& vm) { return vm.uuid == uuid; });
  return found == vms.end() || found->name.value.empty() ? toString(uuid) : found->name.value + " (" + toString(uuid) + ")";
}

double secondsSince(const MicrosecondsUtc& then, const MicrosecondsUtc& now) {
  return (static_cast<double>(now.value) - static_cast<double>(then.value)) / microsecondsPerSecond;
}

bool isRecent(const MicrosecondsUtc& then, const MicrosecondsUtc& now, std::int64_t seconds) {
  return secondsSince(then, now) < static_cast<double>(seconds);
}

Task<Verdict> askHealth(Question question) {
  auto& device = *question.device;
  auto scalars = co_await scalarsOf(device);
  if (!scalars) co_return trouble(device, scalars.error());
  auto checks = co_await rowsOf<CheckRow>(device);
  if (!checks) co_return trouble(device, checks.error());
  auto text = scalars->health == Health::up
                  ? "up, " + counted(scalars->vms, "VM") + ", " + counted(scalars->transfers, "transfer") + " under way"
                  : labelOf(scalars->health) + ": " + scalars->healthText.value;
  Verdict verdict{stateOf(scalars->health), text};
  verdict.measure("vms", scalars->vms);
  verdict.measure("transfers", scalars->transfers);
  verdict.measure("finished", scalars->transfersFinished.value, "c");
  verdict.measure("failed", scalars->transfersFailed.value, "c");
  verdict.measure("reconnects", scalars->agentXReconnects.value, "c");
  for (const auto& check : *checks)
    if (check.health != Health::up)
      verdict.addLine(labelOf(check.health) + ": " + check.name.value + ": " + check.text.value + " -> " + check.remedy.value);
  co_return verdict;
}

Task<Verdict> askTransfers(Question question) {
  auto& device = *question.device;
  auto scalars = co_await scalarsOf(device);
  if (!scalars) co_return trouble(device, scalars.error());
  auto transfers = co_await rowsOf<TransferRow>(device);
  if (!transfers) co_return trouble(device, transfers.error());
  auto vms = co_await rowsOf<VmRow>(device);
  if (!vms) co_return trouble(device, vms.error());
  std::vector<std::string> lines;
  for (const auto& each : *transfers) {
    bool hasFailed = each.operStatus == TransferOper::failed || each.operStatus == TransferOper::expired;
    if (hasFailed && isRecent(each.finishedTime, scalars->clock, question.recentSeconds))
      lines.push_back(labelOf(each.operStatus) + ": VM " + nameOf(each.uuid, *vms) + ": " + each.error.value);
  }
  auto failed = static_cast<double>(lines.size());
  auto text = std::to_string(lines.size()) + " failed within " + std::to_string(question.recentSeconds) + " s, " +
              std::to_string(scalars->transfers) + " under way";
  Verdict verdict{question.thresholds.judge(failed), lines.empty() ? text : text + "; " + lines.front()};
  verdict.measure("failed", failed, "", question.thresholds);
  verdict.measure("transfers", scalars->transfers);
  for (const auto& line : lines) verdict.addLine(line);
  co_return verdict;
}

Task<Verdict> askBlocked(Question question) {
  auto& device = *question.device;
  auto scalars = co_await scalarsOf(device);
  if (!scalars) co_return trouble(device, scalars.error());
  auto vms = co_await rowsOf<VmRow>(device);
  if (!vms) co_return trouble(device, vms.error());
  auto transfers = co_await rowsOf<TransferRow>(device);
  if (!transfers) co_return trouble(device, transfers.error());
  double longest = 0;
  std::string who = "no VM's traffic is stopped";
  std::size_t count = 0;
  for (const auto& vm : *vms) {
    if (!vm.blocked) continue;
    auto transfer = std::find_if(transfers->begin(), transfers->end(), [&](const auto& each) { return each.uuid == vm.uuid; });
    bool isKnown = transfer != transfers->end() && transfer->blockedTime.value != 0;
    auto seconds = isKnown ? std::max(0.0, secondsSince(transfer->blockedTime, scalars->clock)) : 0;
    if (++count == 1 || seconds > longest) {
      longest = seconds;
      who = "the traffic of VM " + nameOf(vm.uuid, *vms) + " is stopped";
      if (isKnown) who += " for " + std::to_string(static_cast<long long>(seconds)) + " s";
    }
  }
  Verdict verdict{question.thresholds.judge(longest), who};
  verdict.measure("longest", longest, "s", question.thresholds);
  verdict.measure("blocked", static_cast<double>(count));
  co_return verdict;
}

Task<Verdict> askHolds(Question question) {
  auto& device = *question.device;
  auto scalars = co_await scalarsOf(device);
  if (!scalars) co_return trouble(device, scalars.error());
  auto phases = co_await rowsOf<PhaseRow>(device);
  if (!phases) co_return trouble(device, phases.error());
  std::size_t held = 0;
  std::vector<std::string> lines;
  for (const auto& each : *phases) {
    held += each.holdStatus == HoldStatus::held ? 1 : 0;
    if (each.holdStatus == HoldStatus::expired && isRecent(each.time, scalars->clock, question.recentSeconds))
      lines.push_back("no manager ended the hold of VM " + (each.vmName.value.empty() ? "" : each.vmName.value + " ") +
                      toString(each.uuid) + ": is vmmig serve running?");
  }
  auto expired = static_cast<double>(lines.size());
  auto text = counted(lines.size(), "hold") + " expired within " + std::to_string(question.recentSeconds) + " s, " +
              counted(held, "VM") + " held";
  Verdict verdict{question.thresholds.judge(expired), lines.empty() ? text : text + "; " + lines.front()};
  verdict.measure("expired", expired, "", question.thresholds);
  verdict.measure("held", static_cast<double>(held));
  for (const auto& line : lines) verdict.addLine(line);
  co_return verdict;
}

Task<Verdict> askClock(Question question) {
  auto& device = *question.device;
  auto before = nowMicroseconds();
  auto scalars = co_await scalarsOf(device);
  if (!scalars) co_return trouble(device, scalars.error());
  auto after = nowMicroseconds();
  // It was read some time in between.
  auto offset = (static_cast<double>(scalars->clock.value) - (before + after) / 2) / microsecondsPerSecond;
  char text[64];
  std::snprintf(text, sizeof text, "its clock is %+.3f s from ours", offset);
  Verdict verdict{question.thresholds.judge(offset), text};
  verdict.measure("offset", offset, "s", question.thresholds);
  co_return verdict;
}

}  // namespace

std::span<const Mode> modes() {
  static const std::vector<Mode> all{
      {"health", "what the device says of itself (vmMigHealth, vmMigCheckTable)", false, "", "", askHealth},
      {"transfers", "transfers that failed or expired within --recent", true, "0", "", askTransfers},
      {"blocked", "for how many seconds a VM's traffic has been stopped", true, "30", "120", askBlocked},
      {"holds", "holds that no manager ended within --recent, on a host", true, "", "0", askHolds},
      {"clock", "how many seconds the clock is from ours", true, "-1:1", "-5:5", askClock},
  };
  return all;
}

bool isNumber(std::string_view scalar) {
  const auto* column = TableOf<DeviceScalars>::info.column(scalar);
  if (!column) return false;
  auto base = column->syntax->base;
  return base == Syntax::Base::unsigned32 || base == Syntax::Base::counter32 || base == Syntax::Base::integer32;
}

Task<Verdict> askScalar(Question question, std::string name) {
  auto& device = *question.device;
  auto scalars = co_await scalarsOf(device);
  if (!scalars) co_return trouble(device, scalars.error());
  const auto& column = *TableOf<DeviceScalars>::info.column(name);
  auto value = static_cast<double>(AnyRow{*scalars}.get(column).number);
  Verdict verdict{question.thresholds.judge(value), name + " is " + std::to_string(static_cast<long long>(value))};
  verdict.measure(name, value, column.syntax->base == Syntax::Base::counter32 ? "c" : "", question.thresholds);
  co_return verdict;
}

Verdict trouble(Device& device, const Error& error) {
  auto kind = device.session().trouble();
  bool isOurs = kind == Trouble::unknownUser || kind == Trouble::wrongDigest || kind == Trouble::decryption ||
                kind == Trouble::securityLevel;
  return Verdict{isOurs ? State::unknown : State::critical, error.text};
}

}  // namespace vmmig::check

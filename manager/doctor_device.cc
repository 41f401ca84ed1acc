// SPDX-License-Identifier: GPL-2.0-or-later
// What the device says of itself: back end, capabilities, capacity, clock, and its own checks.
#include <chrono>
#include <cmath>
#include <cstdio>

#include "manager/counted.h"
#include "manager/doctor.h"
#include "manager/table_printer.h"
#include "mibs/check_table.h"
#include "mibs/labels.h"

namespace vmmig::doctor {

namespace {

constexpr std::int64_t clockTolerance = 1'000'000;  // microseconds: the journal's order of times needs no better
constexpr std::uint32_t manyReconnects = 3;

std::int64_t utcMicroseconds() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

std::string listOf(const Bits<Capability>& capabilities, bool wanted, std::initializer_list<Capability> among) {
  std::string text;
  for (auto each : among)
    if (capabilities.has(each) == wanted) text += (text.empty() ? "" : ", ") + labelOf(each);
  return text;
}

Level levelOf(Health health) {
  return health == Health::up ? Level::ok : health == Health::degraded ? Level::warning : Level::fault;
}

}  // namespace

void Examination::checkCapabilities() {
  const auto& has = scalars_->capabilities;
  using enum Capability;
  auto tables = listOf(has, true, {tcpConn, flow, acl, counter, dhcpBinding, multicast, policy, expect});
  auto without = listOf(has, false, {tcpConn, flow, acl, counter, dhcpBinding, multicast, policy, expect});
  bool isDevice = !scalars_->backEnd.value.empty();
  if (subject_.role == Role::host && !has.has(phase))
    fault("capabilities", "the inventory has it as a host, and its vmmigd tells no phases",
          "role = hypervisor (or both) in vmmigd.conf there, or correct [host." + subject_.name + "]");
  if (subject_.role == Role::device && !isDevice)
    fault("capabilities", "the inventory has it as a device, and its vmmigd has no back end",
          "role = device (or both) in vmmigd.conf there, or correct [device." + subject_.name + "]");
  if (has.has(phase))
    ok("capabilities",
       has.has(hold) ? "it tells the phases of migrations and can hold a VM" : "it tells the phases of migrations");
  if (!isDevice) return;
  ok("back end", "back end " + scalars_->backEnd.value);
  ok("capabilities", "it keeps " + (tables.empty() ? "nothing" : tables) + (without.empty() ? "" : "; not " + without));
  if (!has.has(block))
    warn("capabilities", "it cannot stop a VM's traffic: no VM can be moved away from it", "see what its checks say of block");
  if (!has.has(image))
    warn("capabilities", "it takes no packed image: rows are moved one by one, inside the stop", "update vmmigd there");
  if (has.has(tcpConn) && !(has.has(windowRead) && has.has(windowWrite)))
    warn("capabilities", "it cannot read or write the sequence numbers of all connections: idle ones start with open windows",
         "see what its checks say; it may need a newer kernel or CAP_BPF");
}

void Examination::checkCapacity() {
  if (scalars_->backEnd.value.empty()) return;
  auto transfers = std::to_string(scalars_->transfers) + " of " + counted(scalars_->maxTransfers, "transfer") + " under way";
  if (scalars_->maxTransfers != 0 && scalars_->transfers >= scalars_->maxTransfers)
    fault("capacity", transfers + ": it takes no further migration",
          "wait for their end; `vmmig show " + subject_.name + " transfer` lists them");
  else
    ok("capacity",
       transfers + ", room for " + counted(scalars_->maxRows, "row") + ", " + counted(scalars_->vms, "VM") + " known");
  if (scalars_->maxRows == 0)
    fault("capacity", "vmMigMaxRows is 0: it can take no rows",
          "see its checks; is connection tracking there (modprobe nf_conntrack)?");
  auto reconnects = scalars_->agentXReconnects.value;
  if (reconnects >= manyReconnects)
    warn("agentx", "vmmigd has lost snmpd " + counted(reconnects, "time") + " since it started",
         "agentXTimeout 30 and agentXRetries 0 in its snmpd.conf; see the log of snmpd for why it ends");
}

Task<> Examination::checkClock() {
  std::vector<std::string_view> columns{"vmMigClock"};
  auto before = utcMicroseconds();
  AnyRow key{TableOf<DeviceScalars>::info};
  auto row = co_await subject_.agent->read(std::move(key), columns);
  auto after = utcMicroseconds();
  if (!row || !*row || (*row)->as<DeviceScalars>().clock.value == 0) {
    warn("clock", "it does not tell its time", "update vmmigd there");
    co_return;
  }
  auto there = static_cast<std::int64_t>((*row)->as<DeviceScalars>().clock.value);
  auto difference = there - (before + (after - before) / 2);
  char text[64];
  std::snprintf(text, sizeof text, "%+.3f s", static_cast<double>(difference) / 1e6);
  // The answer was made some time between both.
  if (std::llabs(difference) > clockTolerance + (after - before) / 2)
    warn("clock",
         std::string{"its clock differs from ours by "} + text + ", so times in its log and in the journal do not fit together",
         "synchronise both by NTP (chrony, systemd-timesyncd)");
  else
    ok("clock", std::string{"its clock differs from ours by "} + text);
}

Task<> Examination::checkItself() {
  auto rows = co_await subject_.agent->readAll(TableOf<CheckRow>::info, std::nullopt);
  if (!rows) {
    warn("checks", "vmMigCheckTable cannot be read: " + rows.error().text, accessLines());
    co_return;
  }
  for (const auto& any : *rows) {
    const auto& row = any.as<CheckRow>();
    add(printable(row.name.value), levelOf(row.health), printable(row.text.value),
        row.health == Health::up ? "" : printable(row.remedy.value));
  }
  // An agent without the table says at least whether it is well.
  if (rows->empty() && scalars_->health != Health::up)
    add("health", levelOf(scalars_->health), "vmMigHealth is " + labelOf(scalars_->health),
        printable(scalars_->healthText.value));
}

}  // namespace vmmig::doctor

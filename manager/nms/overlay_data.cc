// SPDX-License-Identifier: GPL-2.0-or-later
// The decisions themselves. Names of objects and labels are the module's; check() finds those that are not.
#include "manager/nms/overlay.h"

namespace vmmig::nms {

std::span<const WatchedTable> watchedTables() {
  static const std::vector<WatchedTable> all{
      {"vmMigVmTable", "VM", "vmMigVmName"},
      {"vmMigTransferTable", "Transfer", "vmMigVmName"},
      {"vmMigPhaseTable", "Migration", "vmMigPhaseVmName"},
      {"vmMigCheckTable", "Check", ""},
  };
  return all;
}

std::span<const Alert> alerts() {
  using enum Alert::When;
  static const std::vector<Alert> all{
      {.name = "VmmigSilent",
       .severity = Severity::critical,
       .object = "vmMigHealth",
       .when = silent,
       .seconds = 300,
       .summary = "vmmigd does not answer: this device takes part in no migration",
       .remedy = "vmmig doctor DEVICE tells whether the network, snmpd or vmmigd is at fault"},
      {.name = "VmmigHealthDown",
       .severity = Severity::critical,
       .object = "vmMigHealth",
       .when = is,
       .labels = {"down"},
       .seconds = 60,
       .detail = "vmMigHealthText",
       .summary = "The back end is down: every transfer is refused",
       .remedy = "vmMigCheckTable (vmmig show DEVICE check) has each finding with its remedy"},
      {.name = "VmmigHealthDegraded",
       .severity = Severity::warning,
       .object = "vmMigHealth",
       .when = is,
       .labels = {"degraded"},
       .seconds = 300,
       .detail = "vmMigHealthText",
       .summary = "Some state is missing or at its limit",
       .remedy = "vmMigCheckTable (vmmig show DEVICE check) has each finding with its remedy"},
      {.name = "VmmigAgentXReconnects",
       .severity = Severity::warning,
       .object = "vmMigAgentXReconnects",
       .when = increased,
       .threshold = 2,
       .seconds = 3600,
       .summary = "vmmigd keeps losing snmpd",
       .remedy = "agentXTimeout 30 and agentXRetries 0 in its snmpd.conf; the log of snmpd says why it ends"},
      {.name = "VmmigClockOff",
       .severity = Severity::warning,
       .object = "vmMigClock",
       .when = clockOff,
       .threshold = 5,
       .seconds = 300,
       .summary = "The device's clock is wrong: the times of its transfers cannot be compared",
       .remedy = "let the device follow an NTP server"},
      {.name = "VmmigVmBlocked",
       .severity = Severity::critical,
       .object = "vmMigVmBlocked",
       .when = is,
       .labels = {"true"},
       .seconds = 120,
       .summary = "The VM's traffic is stopped for longer than a migration takes",
       .remedy = "vmmig show DEVICE transfer tells who holds it; a restart of vmmigd there ends the block and keeps the state"},
      {.name = "VmmigTransferFailed",
       .severity = Severity::warning,
       .object = "vmMigTransferOperStatus",
       .when = is,
       .labels = {"failed", "expired"},
       .since = "vmMigTransferFinishedTime",
       .detail = "vmMigTransferError",
       .summary = "The state of the VM did not follow it",
       .remedy = "vmmig journal on the manager has the timeline; what failed was taken back"},
      {.name = "VmmigTransferIncomplete",
       .severity = Severity::warning,
       .object = "vmMigTransferMissing",
       .when = above,
       .since = "vmMigTransferFinishedTime",
       .detail = "vmMigTransferError",
       .summary = "The VM moved, and the device could not take some of its rows (policy bestEffort)",
       .remedy = "connections among them break: their ends must open them again"},
      {.name = "VmmigMigrationFailed",
       .severity = Severity::warning,
       .object = "vmMigPhase",
       .when = is,
       .labels = {"failed"},
       .since = "vmMigPhaseTime",
       .detail = "vmMigPhaseError",
       .summary = "The hypervisor gave the migration up: the VM runs on at the source",
       .remedy = "the log of the hypervisor has the reason"},
      {.name = "VmmigHoldExpired",
       .severity = Severity::critical,
       .object = "vmMigPhaseHoldStatus",
       .when = is,
       .labels = {"expired"},
       .since = "vmMigPhaseTime",
       .detail = "vmMigPhaseError",
       .summary = "No manager ended the hold of the VM in time",
       .remedy = "is vmmig serve running, and do this host's INFORMs reach it? vmmig doctor tells"},
  };
  return all;
}

std::span<const NotificationRule> notificationRules() {
  static const std::vector<NotificationRule> all{
      {.name = "vmMigPhaseChanged",
       .severity = Severity::information,
       .exceptions = {{"vmMigPhaseHoldStatus", "expired", Severity::critical, "No manager ended the hold of a VM in time"},
                      {"vmMigPhase", "failed", Severity::warning, "The hypervisor gave the migration of a VM up"}},
       .detail = "vmMigPhaseError",
       .summary = "The migration of a VM has entered another phase"},
      {.name = "vmMigTransferFinished",
       .severity = Severity::ok,
       .clears = "vmMigTransferFailed",
       .detail = "vmMigTransferError",
       .summary = "A step of a VM's transfer is done"},
      {.name = "vmMigTransferFailed",
       .severity = Severity::warning,
       .exceptions = {{"vmMigTransferOperStatus", "aborted", Severity::information,
                       "The transfer of a VM was taken back on request"}},
       .detail = "vmMigTransferError",
       .summary = "The state of a VM did not follow it"},
      {.name = "vmMigCapacityExceeded",
       .severity = Severity::critical,
       .detail = "vmMigHealthText",
       .summary = "The device is full and refused rows of a VM"},
  };
  return all;
}

std::span<const BadState> badStates() {
  static constexpr BadState all[] = {
      {"vmMigHealth", "degraded", Severity::warning},
      {"vmMigHealth", "down", Severity::critical},
      {"vmMigCheckHealth", "degraded", Severity::warning},
      {"vmMigCheckHealth", "down", Severity::critical},
      {"vmMigNotificationsEnable", "false", Severity::warning},
      {"vmMigVmBlocked", "true", Severity::warning},
      {"vmMigTransferOperStatus", "aborted", Severity::information},
      {"vmMigTransferOperStatus", "failed", Severity::warning},
      {"vmMigTransferOperStatus", "expired", Severity::warning},
      {"vmMigPhase", "failed", Severity::warning},
      {"vmMigPhase", "cancelled", Severity::information},
      {"vmMigPhaseHoldStatus", "cancelled", Severity::warning},
      {"vmMigPhaseHoldStatus", "expired", Severity::critical},
  };
  return all;
}

}  // namespace vmmig::nms

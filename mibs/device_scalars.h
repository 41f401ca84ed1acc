// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigDevice: what this agent can do, its limits, totals and health. One row, instance .0.
#pragma once

#include "mibs/row.h"

namespace vmmig {

/// What this agent has; a table that is not named here is empty.
enum class Capability {
  tcpConn = 0,
  flow = 1,
  acl = 2,
  counter = 3,
  dhcpBinding = 4,
  multicast = 5,
  policy = 6,
  image = 7,       // transfers by chunks; without it: row by row
  block = 8,       // can stop a VM's traffic ahead of connection tracking
  windowRead = 9,  // knows sequence numbers
  windowWrite = 10,
  phase = 11,  // hypervisor role
  hold = 12,   // can hold a VM stopped
  expect = 13,
};
template <>
struct Labels<Capability> {
  static constexpr Label labels[] = {{0, "tcpConn"},   {1, "flow"},       {2, "acl"},          {3, "counter"}, {4, "dhcpBinding"},
                                     {5, "multicast"}, {6, "policy"},     {7, "image"},        {8, "block"},   {9, "windowRead"},
                                     {10, "windowWrite"}, {11, "phase"},  {12, "hold"},
                                     {13, "expect"}};
};

enum class Health : std::int32_t { up = 1, degraded = 2, down = 3 };
template <>
struct Labels<Health> {
  static constexpr Label labels[] = {{1, "up"}, {2, "degraded"}, {3, "down"}};
};

struct DeviceScalars {
  Text<255> descr;                    // product, version, kernel
  Text<32> backEnd;                   // "linux", "memory"; empty without device role
  Bits<Capability> capabilities;
  Health health = Health::up;         // of the back end
  Text<255> healthText;               // what is wrong and what to do; empty when up
  std::uint32_t maxRows = 0;          // capacity: rows of all tables together
  std::uint32_t maxChunkSize = 0;     // octets
  std::uint32_t maxTransfers = 0;     // at a time
  Ranged<1, 3600> maxDeadline{3600};  // seconds
  std::uint32_t vms = 0;
  std::uint32_t transfers = 0;        // not in a final OperStatus
  Counter32 transfersFinished;
  Counter32 transfersFailed;          // failed, aborted or expired
  Counter32 agentXReconnects;
  bool notificationsEnable = true;
  MicrosecondsUtc clock;              // this agent's, now
};

inline constexpr std::array deviceScalarColumns{
    column<&DeviceScalars::descr>(1, "vmMigDescr", Access::readOnly, Carry::local),
    column<&DeviceScalars::backEnd>(2, "vmMigBackEnd", Access::readOnly, Carry::local),
    column<&DeviceScalars::capabilities>(3, "vmMigCapabilities", Access::readOnly, Carry::local),
    column<&DeviceScalars::health>(4, "vmMigHealth", Access::readOnly, Carry::local),
    column<&DeviceScalars::healthText>(5, "vmMigHealthText", Access::readOnly, Carry::local),
    column<&DeviceScalars::maxRows>(6, "vmMigMaxRows", Access::readOnly, Carry::local),
    column<&DeviceScalars::maxChunkSize>(7, "vmMigMaxChunkSize", Access::readOnly, Carry::local),
    column<&DeviceScalars::maxTransfers>(8, "vmMigMaxTransfers", Access::readOnly, Carry::local),
    column<&DeviceScalars::maxDeadline>(9, "vmMigMaxDeadline", Access::readOnly, Carry::local),
    column<&DeviceScalars::vms>(10, "vmMigVms", Access::readOnly, Carry::local),
    column<&DeviceScalars::transfers>(11, "vmMigTransfers", Access::readOnly, Carry::local),
    column<&DeviceScalars::transfersFinished>(12, "vmMigTransfersFinished", Access::readOnly, Carry::local),
    column<&DeviceScalars::transfersFailed>(13, "vmMigTransfersFailed", Access::readOnly, Carry::local),
    column<&DeviceScalars::agentXReconnects>(14, "vmMigAgentXReconnects", Access::readOnly, Carry::local),
    column<&DeviceScalars::notificationsEnable>(15, "vmMigNotificationsEnable", Access::readWrite, Carry::local),
    column<&DeviceScalars::clock>(16, "vmMigClock", Access::readOnly, Carry::local),
};

template <>
struct TableOf<DeviceScalars> {
  static constexpr TableInfo info = describeTable<DeviceScalars>(1, "vmMigDevice", "", deviceScalarColumns, 0, false);
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Notifications of VM-MIGRATION-MIB, handed to snmpd over AgentX; snmpd sends them on by its own target tables.
#pragma once

#include <functional>

#include "common/event_loop.h"
#include "common/smi_value.h"
#include "subagent/notifier.h"

namespace vmmig {

/// snmpTrapOID.0 and the OBJECTS with their instances (RFC 3416 section 4.2.6; sysUpTime.0 is snmpd's to add).
std::vector<smi::VarBind> notificationVarBinds(const mib::NotificationInfo& info, const AnyRow& row);

class AgentxNotifier final : public Notifier {
 public:
  /// `isEnabled` is asked for each notification: the global switch, and that of the row's VM.
  using IsEnabled = std::function<bool(const AnyRow&)>;
  AgentxNotifier(EventLoop& loop, IsEnabled isEnabled) : loop_(loop), isEnabled_(std::move(isEnabled)) {}

  void send(mib::Notification notification, const AnyRow& row) override;

 private:
  EventLoop& loop_;
  IsEnabled isEnabled_;
};

}  // namespace vmmig

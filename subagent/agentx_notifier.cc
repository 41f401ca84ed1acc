// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/agentx_notifier.h"

// Net-SNMP's headers need this order, which the empty lines keep.
#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <net-snmp/agent/net-snmp-agent-includes.h>

#include <algorithm>

#include "common/net_snmp.h"

namespace vmmig {

namespace {

const Oid snmpTrapOid = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};

void sendNow(const std::vector<smi::VarBind>& varbinds) {
  netsnmp_variable_list* list = nullptr;
  for (const auto& each : varbinds) net_snmp::appendVariable(&list, each);
  // Does not wait for snmpd's answer; without a session it goes nowhere.
  send_v2trap(list);
  snmp_free_varbind(list);
}

}  // namespace

std::vector<smi::VarBind> notificationVarBinds(const mib::NotificationInfo& info, const AnyRow& row) {
  std::vector<smi::VarBind> varbinds;
  varbinds.push_back({snmpTrapOid, smi::Value::objectId(mib::notifications() + static_cast<std::uint32_t>(info.number))});
  auto index = row.index();
  for (auto name : info.objects) {
    const auto* column = info.table->column(name);
    assert(column);
    varbinds.push_back({mib::oidOf(*info.table, *column, index), row.get(*column)});
  }
  return varbinds;
}

void AgentxNotifier::send(mib::Notification notification, const AnyRow& row) {
  auto all = mib::allNotifications();
  auto info = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.number == notification; });
  if (info == all.end() || !isEnabled_(row)) return;
  // Not from inside a request's callback: the library's session is in use there.
  loop_.post([varbinds = notificationVarBinds(*info, row)] { sendNow(varbinds); });
}

}  // namespace vmmig

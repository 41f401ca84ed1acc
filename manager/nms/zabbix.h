// SPDX-License-Identifier: GPL-2.0-or-later
// The parts of the Zabbix template, and what they have in common.
#pragma once

#include "manager/nms/pack.h"

namespace vmmig::nms {

inline constexpr const char* zabbixTemplate = "VM-MIGRATION-MIB by SNMP";

/// Zabbix tells objects of a template apart by UUIDs (version 4): from their names, so that an import updates what is there.
std::string zabbixUuid(std::string_view kind, std::string_view name);
std::string zabbixPriority(Severity severity);
/// The key of an item: the object's name, with the row's macro if it has one.
std::string zabbixKey(const Model& model, const Object& object);
/// "{#VMUUID}" or "{#NAME}": what tells a table's rows apart; empty for scalars.
std::string zabbixRowMacro(const Table* table);

/// "{$VMMIG_CLOCK_OFF.MAX}" and the like, which an operator can set for one host.
Json zabbixMacros();
/// The trigger (prototype) of an alert; `isSimple`: of one item, which then holds it.
struct ZabbixTrigger {
  const Alert* alert;
  bool isSimple;
  Json json;
};
std::vector<ZabbixTrigger> zabbixTriggers(const Model& model, const Table* table);
/// Items of type SNMP_TRAP with their triggers.
Json zabbixTrapItems(const Model& model);
/// The traphandle that writes the file which the Zabbix server reads.
PackFile zabbixTrapHandler(const Model& model);

}  // namespace vmmig::nms

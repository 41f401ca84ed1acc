// SPDX-License-Identifier: GPL-2.0-or-later
// The Zabbix template: items, discovery rules, value maps.
#include "manager/nms/zabbix.h"

#include <algorithm>

#include "common/digest.h"
#include "common/hex.h"
#include "manager/nms/access.h"

namespace vmmig::nms {

namespace {

constexpr const char* group = "Templates/VM migration";

/// {#SNMPINDEX} is the index in dotted decimal: this makes of it what people know a row by, and leaves out the rows of other
/// tables.
constexpr const char* uuidScript = R"js(var rows = JSON.parse(value), found = [];
rows.forEach(function (row) {
  var octets = row['{#SNMPINDEX}'].split('.');
  if (!row['{#PRESENT}'] || octets.length !== 16) return;
  var hex = octets.map(function (octet) { return ('0' + Number(octet).toString(16)).slice(-2); }).join('');
  row['{#VMUUID}'] = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  row['{#VMNAME}'] = row['{#VMNAME}'] || row['{#VMUUID}'];
  found.push(row);
});
return JSON.stringify(found);)js";

constexpr const char* textScript = R"js(var rows = JSON.parse(value), found = [];
rows.forEach(function (row) {
  var octets = row['{#SNMPINDEX}'].split('.').slice(1);
  if (!row['{#PRESENT}'] || octets.length === 0) return;
  row['{#NAME}'] = octets.map(function (octet) { return String.fromCharCode(Number(octet)); }).join('');
  found.push(row);
});
return JSON.stringify(found);)js";

bool isShown(const Object& object) { return object.kind != Kind::bits; }

std::string valueMapOf(const Object& object) { return object.labels.empty() ? "" : object.name; }

Json itemOf(const Model& model, const Object& object, const Table* table) {
  auto row = zabbixRowMacro(table);
  std::string title = object.name;
  if (table) {
    const auto* known = watched(*table);
    title = std::string{known->title} + " " + (known->vmName.empty() ? row : "{#VMNAME}") + ": " + object.name;
  }
  Json item{{"uuid", zabbixUuid("item", object.name)},
            {"name", title},
            {"type", "SNMP_AGENT"},
            {"snmp_oid", object.oid + (table ? ".{#SNMPINDEX}" : ".0")},
            {"key", zabbixKey(model, object)}};
  // What Zabbix takes for granted (1m, 365d, UNSIGNED) it leaves out itself; an import would find a difference for ever.
  if (object.kind == Kind::text) item.update({{"delay", "5m"}, {"trends", "0"}, {"value_type", "CHAR"}});
  if (object.kind == Kind::time) {
    item["units"] = "unixtime";
    item["trends"] = "0";
    item["preprocessing"] = Json::array({{{"type", "MULTIPLIER"}, {"parameters", {"0.000001"}}}});
  } else if (object.units == "seconds") {
    item["units"] = "s";
  } else if (object.units == "octets") {
    item["units"] = "B";
  }
  item["description"] = firstSentence(object.description);
  if (auto map = valueMapOf(object); !map.empty()) item["valuemap"] = {{"name", map}};
  item["tags"] = Json::array({{{"tag", "component"}, {"value", table ? table->name : "vmMigDevice"}}});
  return item;
}

/// Items with the triggers of one item in them; the others are left for the caller.
Json itemsOf(const Model& model, const Table* table, Json& otherTriggers) {
  auto triggers = zabbixTriggers(model, table);
  auto items = Json::array();
  for (const auto* object : watchedObjects(model, table)) {
    if (!isShown(*object)) continue;
    auto item = itemOf(model, *object, table);
    for (const auto& trigger : triggers)
      if (trigger.isSimple && trigger.alert->object == object->name)
        item[table ? "trigger_prototypes" : "triggers"].push_back(trigger.json);
    items.push_back(item);
  }
  for (auto& trigger : triggers)
    if (!trigger.isSimple) otherTriggers.push_back(trigger.json);
  return items;
}

Json discoveryOf(const Model& model, const Table& table) {
  const auto* known = watched(table);
  auto present = watchedObjects(model, &table);
  // A state is there in every row, and never an empty text.
  const auto* always = *std::find_if(present.begin(), present.end(), [](const auto* each) { return each->kind == Kind::state; });
  std::string oids = "discovery[{#PRESENT}," + always->oid;
  if (!known->vmName.empty()) oids += ",{#VMNAME}," + model.object(known->vmName)->oid;
  auto triggers = Json::array();
  Json rule{{"uuid", zabbixUuid("discovery", table.name)},
            {"name", std::string{known->title} + " discovery"},
            {"type", "SNMP_AGENT"},
            {"snmp_oid", oids + "]"},
            {"key", table.name},
            {"delay", "5m"},
            {"lifetime", "1d"},
            {"description", firstSentence(table.columns.front().description)}};
  rule["item_prototypes"] = itemsOf(model, &table, triggers);
  if (!triggers.empty()) rule["trigger_prototypes"] = triggers;
  bool isText = table.index.front().kind == Kind::text;
  rule["preprocessing"] = Json::array({{{"type", "JAVASCRIPT"}, {"parameters", {isText ? textScript : uuidScript}}}});
  return rule;
}

Json valueMaps(const Model& model) {
  auto maps = Json::array();
  auto add = [&](const Table* table) {
    for (const auto* object : watchedObjects(model, table)) {
      if (!isShown(*object) || object->labels.empty()) continue;
      auto mappings = Json::array();
      for (const auto& label : object->labels)
        mappings.push_back({{"value", std::to_string(label.number)}, {"newvalue", label.name}});
      maps.push_back({{"uuid", zabbixUuid("valuemap", object->name)}, {"name", object->name}, {"mappings", mappings}});
    }
  };
  add(nullptr);
  for (const auto& table : model.tables)
    if (watched(table)) add(&table);
  return maps;
}

std::string templateOf(const Model& model) {
  auto triggers = Json::array();
  auto items = itemsOf(model, nullptr, triggers);
  for (auto& item : zabbixTrapItems(model)) items.push_back(item);
  auto discovery = Json::array();
  for (const auto& table : model.tables)
    if (watched(table)) discovery.push_back(discoveryOf(model, table));
  Json made{{"uuid", zabbixUuid("template", zabbixTemplate)},
            {"template", zabbixTemplate},
            {"name", zabbixTemplate},
            {"description", "VM migrations on devices and hosts that implement " + model.module + "."},
            {"groups", Json::array({{{"name", group}}})},
            {"items", items},
            {"discovery_rules", discovery},
            {"tags", Json::array({{{"tag", "class"}, {"value", "network"}}, {{"tag", "target"}, {"value", "vm-migration"}}})},
            {"macros", zabbixMacros()},
            {"valuemaps", valueMaps(model)}};
  Json exported{{"version", "6.0"},
                {"date", model.lastUpdated},
                {"groups", Json::array({{{"uuid", zabbixUuid("group", group)}, {"name", group}}})},
                {"templates", Json::array({made})}};
  if (!triggers.empty()) exported["triggers"] = triggers;
  return heading(model, "# ", "Zabbix 6.0 template. The host needs an SNMP interface (SNMPv3, authPriv, SHA256, AES128).") +
         toYaml({{"zabbix_export", exported}});
}

}  // namespace

std::string zabbixUuid(std::string_view kind, std::string_view name) {
  Sha256 digest;
  digest.update("vmmig zabbix ");
  digest.update(kind);
  digest.update(" ");
  digest.update(name);
  auto hex = toHex(digest.finish()).substr(0, 32);
  hex[12] = '4';  // version 4, which is all that Zabbix takes,
  hex[16] = '8';  // of the variant of RFC 4122
  return hex;
}

std::string zabbixRowMacro(const Table* table) {
  if (!table) return "";
  return table->index.front().kind == Kind::text ? "{#NAME}" : "{#VMUUID}";
}

std::string zabbixKey(const Model& model, const Object& object) {
  const auto* table = model.tableOf(object.name);
  return table ? object.name + "[\"" + zabbixRowMacro(table) + "\"]" : object.name;
}

std::vector<PackFile> zabbixPack(const Model& model) {
  return {
      {"vmmig.yaml", "Zabbix 6.0: Configuration, Templates, Import", templateOf(model)},
      zabbixTrapHandler(model),
      accessFile(model),
  };
}

}  // namespace vmmig::nms

// SPDX-License-Identifier: GPL-2.0-or-later
// The alerts of the overlay as Zabbix triggers, and notifications as items with triggers of their own.
#include <algorithm>

#include "manager/nms/trap_decoder.h"
#include "manager/nms/zabbix.h"

namespace vmmig::nms {

namespace {

std::string macroOf(const Alert& alert, std::string_view what) {
  return "{$" + upperWords(alert.name, '_') + "." + std::string{what} + "}";
}
constexpr const char* recentMacro = "{$VMMIG.RECENT}";

/// What matches in the first item's value: Zabbix cuts a value behind 20 characters, and not what a function makes of it.
std::string whole(const std::string& pattern) { return "{{ITEM.LASTVALUE1}.regsub(\"" + pattern + "\", \"\\1\")}"; }

std::string item(const Model& model, std::string_view object) {
  return std::string{"/"} + zabbixTemplate + "/" + zabbixKey(model, *model.object(object));
}

std::string last(const Model& model, std::string_view object) { return "last(" + item(model, object) + ")"; }

std::string condition(const Model& model, const Alert& alert) {
  auto of = item(model, alert.object);
  switch (alert.when) {
    case Alert::When::is: {
      std::string any;
      for (auto label : alert.labels) {
        auto number = std::to_string(numberOf(*model.object(alert.object), label));
        any += (any.empty() ? "" : " or ") + last(model, alert.object) + "=" + number;
        if (alert.seconds != 0) any += " and count(" + of + "," + macroOf(alert, "TIME") + ",\"ne\",\"" + number + "\")=0";
      }
      return alert.labels.size() == 1 ? any : "(" + any + ")";
    }
    case Alert::When::above: return last(model, alert.object) + ">" + macroOf(alert, "MAX");
    case Alert::When::increased: return "changecount(" + of + "," + macroOf(alert, "TIME") + ",\"inc\")>" + macroOf(alert, "MAX");
    case Alert::When::silent: return "nodata(" + of + "," + macroOf(alert, "TIME") + ")=1";
    case Alert::When::clockOff: return "fuzzytime(" + of + "," + macroOf(alert, "MAX") + ")=0";
  }
  return of;
}

/// The tag by which the templates of Zabbix tell what a problem is about.
Json scopeOf(Severity severity) {
  return {{"tag", "scope"}, {"value", severity == Severity::critical ? "availability" : "notice"}};
}

Json triggerOf(const Model& model, const Alert& alert, const Table* table) {
  auto expression = condition(model, alert);
  // In front, so that {ITEM.LASTVALUE1} is the reason.
  if (!alert.detail.empty()) expression = "length(" + last(model, alert.detail) + ")>=0 and " + expression;
  if (!alert.since.empty()) expression += " and now()-" + last(model, alert.since) + "<" + recentMacro;
  std::string title{alert.summary};
  if (table && !watched(*table)->vmName.empty()) title = "VM {#VMNAME}: " + title;
  Json trigger{{"uuid", zabbixUuid("trigger", alert.name)}, {"expression", expression}, {"name", title}};
  if (!alert.detail.empty()) trigger["opdata"] = whole("(.+)");
  trigger["priority"] = zabbixPriority(alert.severity);
  trigger["description"] = "What to do: " + std::string{alert.remedy} + ".";
  trigger["manual_close"] = "YES";
  trigger["tags"] = Json::array({scopeOf(alert.severity)});
  return trigger;
}

/// "[.]1[.]3": no backslash, which a key and an expression would each want in another number.
std::string pattern(const std::string& oid) { return replaced("." + oid, ".", "[.]"); }

const Notification* clearedBy(const Model& model, const NotificationRule& rule) {
  return rule.clears.empty() ? nullptr : model.notification(rule.clears);
}

const Notification* clearerOf(const Model& model, const Notification& notification) {
  for (const auto& each : model.notifications)
    if (ruleOf(each).clears == notification.name) return &each;
  return nullptr;
}

bool isOfVm(const Model& model, const Notification& notification) {
  return model.tableOf(notification.objects.front()) != nullptr;
}

Json trapTrigger(const Model& model, const Notification& notification, const std::string& key, Severity severity) {
  const auto& rule = ruleOf(notification);
  std::string of = std::string{"/"} + zabbixTemplate + "/" + key;
  auto find = [&](const std::string& text) { return "find(" + of + ",,\"regexp\",\"" + text + "\")=1"; };
  auto expression = find("notification=" + notification.name + " severity=" + std::string{name(severity)} + " ");
  const auto* clearer = clearerOf(model, notification);
  bool calmsDown = rule.severity < Severity::warning;
  // What nothing ends ends by itself.
  if (!clearer && !calmsDown) expression += " and nodata(" + of + "," + recentMacro + ")=0";
  Json trigger{{"uuid", zabbixUuid("trap trigger", notification.name + " " + std::string{name(severity)})},
               {"expression", expression}};
  if (clearer || calmsDown) {
    trigger["recovery_mode"] = "RECOVERY_EXPRESSION";
    trigger["recovery_expression"] = clearer ? find("notification=" + clearer->name + " ")
                                             : find("notification=" + notification.name + " severity=(ok|information) ");
  }
  if (isOfVm(model, notification)) {
    trigger["correlation_mode"] = "TAG_VALUE";
    trigger["correlation_tag"] = "vm";
  }
  trigger["name"] = std::string{summaryOf(rule, severity)} + " (" + notification.name + ")";
  trigger["opdata"] = whole("vm=(.+)");
  trigger["priority"] = zabbixPriority(severity);
  trigger["tags"] = Json::array({scopeOf(severity)});
  if (isOfVm(model, notification)) {
    trigger["type"] = "MULTIPLE";
    trigger["tags"].push_back({{"tag", "vm"}, {"value", R"zabbix({{ITEM.VALUE}.regsub("vm=([0-9a-f-]+)", "\1")})zabbix"}});
  }
  trigger["manual_close"] = "YES";
  return trigger;
}

std::vector<Severity> problemsOf(const NotificationRule& rule) {
  std::vector<Severity> found;
  for (auto severity : {Severity::warning, Severity::critical}) {
    bool has = rule.severity == severity;
    for (const auto& each : rule.exceptions) has |= each.severity == severity;
    if (has) found.push_back(severity);
  }
  return found;
}

}  // namespace

std::string zabbixPriority(Severity severity) {
  switch (severity) {
    case Severity::ok: return "NOT_CLASSIFIED";
    case Severity::information: return "INFO";
    case Severity::warning: return "WARNING";
    case Severity::critical: return "HIGH";
  }
  return "HIGH";
}

Json zabbixMacros() {
  auto macros = Json::array();
  auto add = [&](const std::string& macro, const std::string& value, std::string_view meaning) {
    macros.push_back({{"macro", macro}, {"value", value}, {"description", meaning}});
  };
  add(recentMacro, std::to_string(recentSeconds), "For how many seconds a failed transfer or migration is a problem.");
  for (const auto& alert : alerts()) {
    using When = Alert::When;
    if (alert.when == When::above || alert.when == When::increased || alert.when == When::clockOff)
      add(macroOf(alert, "MAX"), std::to_string(alert.threshold), alert.summary);
    if (alert.seconds != 0 && alert.when != When::clockOff)
      add(macroOf(alert, "TIME"), std::to_string(alert.seconds) + "s", alert.summary);
  }
  // As Zabbix lists them: in another order an import would find a difference for ever.
  std::sort(macros.begin(), macros.end(), [](const Json& one, const Json& other) { return one["macro"] < other["macro"]; });
  return macros;
}

std::vector<ZabbixTrigger> zabbixTriggers(const Model& model, const Table* table) {
  std::vector<ZabbixTrigger> triggers;
  for (const auto& alert : alerts())
    if (model.tableOf(alert.object) == table)
      triggers.push_back({&alert, alert.detail.empty() && alert.since.empty(), triggerOf(model, alert, table)});
  return triggers;
}

Json zabbixTrapItems(const Model& model) {
  auto items = Json::array();
  for (const auto& notification : model.notifications) {
    const auto& rule = ruleOf(notification);
    // It comes as a value of the item whose problem it ends.
    if (clearedBy(model, rule)) continue;
    auto oids = pattern(notification.oid);
    if (const auto* clearer = clearerOf(model, notification)) oids = "(" + oids + "|" + pattern(clearer->oid) + ")";
    auto key = "snmptrap[\"" + oids + "([^0-9.]|$)\"]";
    Json item{{"uuid", zabbixUuid("trap item", notification.name)},
              {"name", "Notification " + notification.name},
              {"type", "SNMP_TRAP"},
              {"key", key},
              {"delay", "0"},
              {"trends", "0"},
              {"value_type", "LOG"},
              {"description", firstSentence(notification.description)},
              {"tags", Json::array({{{"tag", "component"}, {"value", "notifications"}}})}};
    for (auto severity : problemsOf(rule)) item["triggers"].push_back(trapTrigger(model, notification, key, severity));
    items.push_back(item);
  }
  return items;
}

PackFile zabbixTrapHandler(const Model& model) {
  std::string names = "BEGIN { split(\"ok information warning critical\", word, \" \") }\n";
  for (const auto& each : model.notifications) names += "BEGIN { oid[\"" + each.name + "\"] = \"." + each.oid + "\" }\n";
  auto text =
      "#!/bin/sh\n" +
      heading(model, "# ", "traphandle of snmptrapd for Zabbix: appends to SNMPTrapperFile of zabbix_server.conf.") +
      "# Zabbix finds the host by the address behind ZBXTRAP, and the item by the notification's OID.\n"
      "file=${VMMIG_ZABBIX_TRAPS:-/var/log/snmptrap/snmptrap.log}\n"
      "now=$(date -d \"@${VMMIG_RECEIVED:-$(date +%s)}\" +%Y%m%d.%H%M%S)\n"
      "awk '" +
      trapDecoder(model) + "' | awk -F '\t' -v now=\"$now\" '\n" + names +
      "{ printf \"%s ZBXTRAP %s\\n%s notification=%s severity=%s vm=%s %s\\n\", now, $3, oid[$2], $2, word[$1 + 1], $4, $5 }\n"
      "' >> \"$file\"\n";
  return {"vmmig-zabbix-trap", "the receiver: in place of vmmig-trap in snmptrapd-vmmig.conf of the pack snmptrapd, mode 755",
          text, true};
}

}  // namespace vmmig::nms

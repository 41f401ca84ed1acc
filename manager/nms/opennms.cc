// SPDX-License-Identifier: GPL-2.0-or-later
// OpenNMS: events from notifications, and data collection. The elements stand in the order of eventconf.xsd and
// datacollection-config.xsd.
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <sstream>

#include "manager/nms/access.h"

namespace vmmig::nms {

namespace {

using Tree = boost::property_tree::ptree;

constexpr std::size_t longestAlias = 19;  // OpenNMS cuts what is longer, and then two may be one

std::string xml(const Model& model, std::string_view what, const Tree& root) {
  std::ostringstream out;
  boost::property_tree::xml_writer_settings<std::string> settings{' ', 2};
  boost::property_tree::write_xml(out, root, settings);
  auto text = out.str();
  auto comment = "<!--\n" + heading(model, "", what) + "-->\n";
  return text.insert(text.find('\n') + 1, comment);
}

std::string severityName(Severity severity) {
  switch (severity) {
    case Severity::ok: return "Normal";
    case Severity::information: return "Normal";
    case Severity::warning: return "Minor";
    case Severity::critical: return "Critical";
  }
  return "Critical";
}

std::string ueiOf(std::string_view notification, std::string_view label = "") {
  return "uei.opennms.org/vmmig/" + std::string{notification} + (label.empty() ? "" : "/" + std::string{label});
}

void addMask(Tree& mask, const char* name, const std::string& value) {
  auto& element = mask.add("maskelement", "");
  element.put("mename", name);
  element.put("mevalue", value);
}

/// "vmMigPhase=%parm[#1]%": OpenNMS fills it in, with the labels of varbindsdecode.
std::string parameters(const Notification& notification) {
  std::string text;
  std::size_t number = 1;
  for (const auto& name : notification.objects) text += " " + name + "=%parm[#" + std::to_string(number++) + "]%";
  return text;
}

void addDecodes(const Model& model, const Notification& notification, Tree& event) {
  std::size_t number = 0;
  for (const auto& name : notification.objects) {
    ++number;
    const auto* object = model.object(name);
    if (object->labels.empty()) continue;
    Tree decode;
    decode.put("parmid", "parm[#" + std::to_string(number) + "]");
    for (const auto& label : object->labels) {
      auto& each = decode.add("decode", "");
      each.put("<xmlattr>.varbindvalue", label.number);
      each.put("<xmlattr>.varbinddecodedstring", label.name);
    }
    event.add_child("varbindsdecode", decode);
  }
}

Tree eventOf(const Model& model, const Notification& notification, Severity severity,
             const NotificationRule::Exception* exception) {
  const auto& rule = ruleOf(notification);
  Tree event, mask;
  // A notification of SMIv2 is under an arc 0, which is no part of what RFC 3584 makes the enterprise.
  addMask(mask, "id", "." + notification.oid.substr(0, notification.oid.size() - lastSubid(notification.oid).size() - 3));
  addMask(mask, "generic", "6");
  addMask(mask, "specific", lastSubid(notification.oid));
  if (exception) {
    Tree varbind;
    varbind.put("vbnumber", positionOf(notification, exception->object));
    varbind.put("vbvalue", numberOf(*model.object(exception->object), exception->label));
    mask.add_child("varbind", varbind);
  }
  event.add_child("mask", mask);
  event.put("uei", ueiOf(notification.name, exception ? exception->label : ""));
  event.put("event-label", model.module + ": " + notification.name + (exception ? " " + std::string{exception->label} : ""));
  event.put("descr", notification.description + parameters(notification));
  auto& message = event.add("logmsg", std::string{summaryOf(rule, severity)} + ":" + parameters(notification));
  message.put("<xmlattr>.dest", "logndisplay");
  event.put("severity", severityName(severity));
  addDecodes(model, notification, event);
  // The name of a varbind ends in the VM's UUID: one alarm a VM. parm[name-#1] is its OID with the instance.
  bool isOfVm = model.tableOf(notification.objects.front()) != nullptr;
  std::string vm = isOfVm ? ":%parm[name-#1]%" : "";
  if (severity >= Severity::warning || !rule.clears.empty()) {
    auto& alarm = event.add("alarm-data", "");
    alarm.put("<xmlattr>.reduction-key", "%uei%:%dpname%:%nodeid%" + vm);
    alarm.put("<xmlattr>.alarm-type", rule.clears.empty() ? (severity >= Severity::warning ? "1" : "3") : "2");
    if (!rule.clears.empty()) alarm.put("<xmlattr>.clear-key", ueiOf(rule.clears) + ":%dpname%:%nodeid%" + vm);
  }
  return event;
}

std::string events(const Model& model) {
  Tree root;
  auto& all = root.add("events", "");
  all.put("<xmlattr>.xmlns", "http://xmlns.opennms.org/xsd/eventconf");
  for (const auto& notification : model.notifications) {
    const auto& rule = ruleOf(notification);
    // The first that matches counts.
    for (const auto& exception : rule.exceptions)
      all.add_child("event", eventOf(model, notification, exception.severity, &exception));
    all.add_child("event", eventOf(model, notification, rule.severity, nullptr));
  }
  return xml(model, "OpenNMS events. Schema-checked (eventconf.xsd), not run in OpenNMS.", root);
}

bool isCollected(const Object& object) {
  return object.kind == Kind::state || object.kind == Kind::gauge || object.kind == Kind::counter || object.kind == Kind::text;
}

std::string typeOf(const Object& object) {
  return object.kind == Kind::counter ? "Counter32" : object.kind == Kind::text ? "string" : "Gauge32";
}

void addObjects(const Model& model, const Table* table, const std::string& instance, Tree& group) {
  for (const auto* object : watchedObjects(model, table)) {
    if (!isCollected(*object)) continue;
    auto& each = group.add("mibObj", "");
    each.put("<xmlattr>.oid", "." + object->oid);
    each.put("<xmlattr>.instance", instance);
    each.put("<xmlattr>.alias", openNmsAlias(object->name));
    each.put("<xmlattr>.type", typeOf(*object));
  }
}

Tree resourceType(const Table& table) {
  Tree type;
  type.put("<xmlattr>.name", table.name);
  type.put("<xmlattr>.label", std::string{watched(table)->title} + " (" + table.name + ")");
  type.put("<xmlattr>.resourceLabel", "${index}");
  type.put("persistenceSelectorStrategy.<xmlattr>.class", "org.opennms.netmgt.collection.support.PersistAllSelectorStrategy");
  type.put("storageStrategy.<xmlattr>.class", "org.opennms.netmgt.collection.support.IndexStorageStrategy");
  return type;
}

std::string collection(const Model& model) {
  Tree root, groups, collect;
  auto& all = root.add("datacollection-group", "");
  all.put("<xmlattr>.xmlns", "http://xmlns.opennms.org/xsd/config/datacollection");
  all.put("<xmlattr>.name", model.module);
  for (const auto& table : model.tables)
    if (watched(table)) all.add_child("resourceType", resourceType(table));
  auto addGroup = [&](const std::string& name, const std::string& ifType, const Table* table) {
    auto& group = all.add("group", "");
    group.put("<xmlattr>.name", name);
    group.put("<xmlattr>.ifType", ifType);
    addObjects(model, table, table ? name : "0", group);
    collect.add("includeGroup", name);
  };
  addGroup("vmMigDevice", "ignore", nullptr);
  for (const auto& table : model.tables)
    if (watched(table)) addGroup(table.name, "all", &table);
  auto& system = all.add("systemDef", "");
  system.put("<xmlattr>.name", model.module + " under Net-SNMP");
  system.put("sysoidMask", ".1.3.6.1.4.1.8072.3.2.");
  system.add_child("collect", collect);
  return xml(model, "OpenNMS data collection. Schema-checked (datacollection-config.xsd), not run in OpenNMS.", root);
}

}  // namespace

std::string openNmsAlias(std::string_view name) {
  constexpr std::string_view prefix = "vmMig";
  constexpr std::pair<std::string_view, std::string_view> shorter[] = {
      {"Transfer", "Xfer"}, {"Notifications", "Notif"}, {"Destination", "Dest"}, {"Deadline", "Dline"}, {"Reconnects", "Reconn"}};
  std::string alias{name.starts_with(prefix) ? name.substr(prefix.size()) : name};
  for (auto [word, with] : shorter) alias = replaced(alias, word, with);
  return "vm" + alias.substr(0, longestAlias - 2);
}

std::vector<PackFile> opennmsPack(const Model& model) {
  return {
      {"vmmig.events.xml", "OpenNMS: etc/events/, and an event-file in etc/eventconf.xml", events(model)},
      {"vmmig.xml", "OpenNMS: etc/datacollection/, and an include-collection in etc/datacollection-config.xml",
       collection(model)},
      accessFile(model),
  };
}

}  // namespace vmmig::nms

// SPDX-License-Identifier: GPL-2.0-or-later
// SNMPTT: an EVENT for each notification and severity that it can have. snmpttconvertmib would call all of them Normal.
#include "manager/nms/pack.h"

namespace vmmig::nms {

namespace {

std::string severityName(Severity severity) {
  switch (severity) {
    case Severity::ok: return "OK";
    case Severity::information: return "INFORMATIONAL";
    case Severity::warning: return "WARNING";
    case Severity::critical: return "CRITICAL";
  }
  return "CRITICAL";
}

/// The number, or the label where SNMPTT has translated it.
std::string match(const Model& model, const Notification& notification, const NotificationRule::Exception& exception,
                  bool isNot) {
  auto number = std::to_string(numberOf(*model.object(exception.object), exception.label));
  return "MATCH $" + std::to_string(positionOf(notification, exception.object)) + ": " + (isNot ? "!" : "") + "(^(" + number +
         "|" + std::string{exception.label} + ")(\\(" + number + "\\))?$)\n";
}

std::string format(const Model& model, const Notification& notification, Severity severity) {
  std::string text{summaryOf(ruleOf(notification), severity)};
  std::size_t number = 1;
  for (const auto& name : notification.objects) {
    const auto* object = model.object(name);
    if (object && object->kind != Kind::octets) text += "; " + name + "=$" + std::to_string(number);
    ++number;
  }
  // The UUID of the VM is the instance of every object.
  return text + " ($v1)";
}

std::string event(const Model& model, const Notification& notification, Severity severity, const std::string& matches) {
  std::string text =
      "EVENT " + notification.name + " ." + notification.oid + " \"VM migration\" " + severityName(severity) + "\n";
  text += "FORMAT " + format(model, notification, severity) + "\n" + matches + "SDESC\n" + notification.description +
          "\nVariables:\n";
  std::size_t number = 1;
  for (const auto& name : notification.objects) {
    const auto* object = model.object(name);
    text += "  " + std::to_string(number++) + ": " + name;
    for (const auto& label : object->labels)
      text += (&label == &object->labels.front() ? ": " : ", ") + label.name + "(" + std::to_string(label.number) + ")";
    text += "\n";
  }
  return text + "EDESC\n#\n";
}

/// SNMPTT takes every EVENT that matches: so that one does, an exception excludes those before it, and the rule all of them.
std::string events(const Model& model, const Notification& notification) {
  const auto& rule = ruleOf(notification);
  std::string text, others;
  for (const auto& exception : rule.exceptions) {
    auto matches = others + match(model, notification, exception, false);
    text += event(model, notification, exception.severity, "MATCH MODE=and\n" + matches);
    others += match(model, notification, exception, true);
  }
  return text + event(model, notification, rule.severity, others.empty() ? "" : "MATCH MODE=and\n" + others);
}

}  // namespace

std::vector<PackFile> snmpttPack(const Model& model) {
  auto text =
      heading(model, "# ", "SNMPTT: add this file's name to snmptt_conf_files of snmptt.ini.") +
      "# snmptrapd acknowledges an INFORM only when its handler has ended, and one that takes as long as snmptt alone is sent "
      "again.\n"
      "# Run it as a daemon behind snmptthandler, or by vmmig-enqueue of the pack snmptrapd:\n"
      "#   traphandle default /usr/local/sbin/vmmig-enqueue /usr/sbin/snmptt\n#\n";
  for (const auto& each : model.notifications) text += events(model, each);
  return {{"snmptt-vmmig.conf", "SNMPTT: /etc/snmp/, and under [TrapFiles] of /etc/snmp/snmptt.ini", text}};
}

}  // namespace vmmig::nms

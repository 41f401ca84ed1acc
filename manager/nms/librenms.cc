// SPDX-License-Identifier: GPL-2.0-or-later
// LibreNMS: how it finds the agent, state and count sensors, and a handler for the notifications.
#include "manager/nms/access.h"

namespace vmmig::nms {

namespace {

constexpr const char* osName = "vmmig";

/// LibreNMS: 0 ok, 1 warning, 2 critical, 3 unknown.
int genericOf(Severity severity) { return severity == Severity::critical ? 2 : severity == Severity::warning ? 1 : 0; }

std::string osFile(const Model& model) {
  const auto& health = *model.object("vmMigHealth");
  Json discovery{{"sysObjectID", {".1.3.6.1.4.1.8072.3.2."}},
                 {"snmpget", {{"oid", "." + health.oid + ".0"}, {"op", "!="}, {"value", false}}}};
  Json os{{"os", osName},
          {"text", "VM migration (vmmig)"},
          {"type", "network"},
          {"icon", "linux"},
          {"over", Json::array({{{"graph", "device_bits"}, {"text", "Traffic"}}})},
          {"discovery", Json::array({discovery})}};
  return heading(model, "# ", "LibreNMS: detection. Schema-checked (os_schema.json), not run in LibreNMS.") + toYaml(os);
}

std::string descriptionOf(const Model& model, const Object& object, const Table* table) {
  if (!table) return object.name;
  const auto* known = watched(*table);
  std::string row = known->vmName.empty() ? "{{ $index }}" : "{{ $" + std::string{model.object(known->vmName)->name} + " }}";
  return std::string{known->title} + " " + row + " " + object.name;
}

Json sensor(const Model& model, const Object& object, const Table* table) {
  std::string qualified = model.module + "::" + object.name;
  return {{"oid", table ? model.module + "::" + table->name : qualified},
          {"value", qualified},
          {"num_oid", "." + object.oid + ".{{ $index }}"},
          {"index", object.name + ".{{ $index }}"},
          {"group", table ? watched(*table)->title : "Device"},
          {"descr", descriptionOf(model, object, table)}};
}

Json stateSensor(const Model& model, const Object& object, const Table* table) {
  auto made = sensor(model, object, table);
  made["state_name"] = object.name;
  for (const auto& label : object.labels)
    made["states"].push_back(
        {{"descr", label.name}, {"graph", 1}, {"value", label.number}, {"generic", genericOf(severityOf(object, label.name))}});
  return made;
}

std::string discoveryFile(const Model& model) {
  auto states = Json::array();
  auto counts = Json::array();
  auto add = [&](const Table* table) {
    for (const auto* object : watchedObjects(model, table)) {
      if (object->kind == Kind::state) states.push_back(stateSensor(model, *object, table));
      if (object->kind == Kind::gauge || object->kind == Kind::counter) counts.push_back(sensor(model, *object, table));
    }
  };
  add(nullptr);
  for (const auto& table : model.tables)
    if (watched(table)) add(&table);
  Json file{{"mib", model.module}, {"modules", {{"sensors", {{"state", {{"data", states}}}, {"count", {{"data", counts}}}}}}}};
  return heading(model, "# ", "LibreNMS: sensors. Schema-checked (discovery_schema.json), not run in LibreNMS.") + toYaml(file);
}

std::string severityName(Severity severity) {
  switch (severity) {
    case Severity::ok: return "Severity::Ok";
    case Severity::information: return "Severity::Info";
    case Severity::warning: return "Severity::Warning";
    case Severity::critical: return "Severity::Error";
  }
  return "Severity::Error";
}

std::string phpRules(const Model& model) {
  std::string text;
  for (const auto& notification : model.notifications) {
    const auto& rule = ruleOf(notification);
    text += "        '" + model.module + "::" + notification.name + "' => [\n            'oid' => '." + notification.oid +
            "',\n            'summary' => '" + replaced(std::string{rule.summary}, "'", "\\'") +
            "',\n            'severity' => " + severityName(rule.severity) + ",\n            'objects' => [";
    for (const auto& name : notification.objects) text += (&name == &notification.objects.front() ? "'" : ", '") + name + "'";
    text += "],\n            'exceptions' => [\n";
    for (const auto& each : rule.exceptions)
      text += "                ['" + std::string{each.object} + "', ['" + std::string{each.label} + "', '" +
              std::to_string(numberOf(*model.object(each.object), each.label)) + "'], " + severityName(each.severity) + ", '" +
              replaced(std::string{each.summary}, "'", "\\'") + "'],\n";
    text += "            ],\n        ],\n";
  }
  return text;
}

std::string handler(const Model& model) {
  return "<?php\n" +
         heading(model, "// ",
                 "LibreNMS: what the notifications say, as events of the device. Checked by php -l, not run in LibreNMS.") +
         R"(
namespace LibreNMS\Snmptrap\Handlers;

use App\Models\Device;
use LibreNMS\Enum\Severity;
use LibreNMS\Interfaces\SnmptrapHandler;
use LibreNMS\Snmptrap\Trap;

class VmMigration implements SnmptrapHandler
{
    private const NOTIFICATIONS = [
)" + phpRules(model) +
         R"(    ];

    public function handle(Device $device, Trap $trap): void
    {
        $rule = self::NOTIFICATIONS[$trap->getTrapOid()] ?? null;
        if ($rule === null) {
            return;
        }
        $values = [];
        foreach ($rule['objects'] as $object) {
            $values[$object] = trim((string) $trap->getOidData($trap->findOid(')" +
         model.module + R"(::' . $object)));
        }
        $severity = $rule['severity'];
        $summary = $rule['summary'];
        foreach ($rule['exceptions'] as [$object, $labels, $exception, $because]) {
            if (in_array($values[$object], $labels, true)) {
                $severity = $exception;
                $summary = $because;
                break;
            }
        }
        $words = array_map(fn ($object, $value) => "$object=$value", array_keys($values), $values);
        $trap->log($summary . ': ' . implode('; ', $words), $severity);
    }
}
)";
}

std::string registration(const Model& model) {
  auto text = "<?php\n" +
              heading(model, "// ",
                      "LibreNMS: lines for 'trap_handlers' of config/snmptraps.php. Checked by php -l, not run in LibreNMS.") +
              "return [\n";
  for (const auto& each : model.notifications)
    text += "    '" + model.module + "::" + each.name + "' => \\LibreNMS\\Snmptrap\\Handlers\\VmMigration::class,\n";
  return text + "];\n";
}

}  // namespace

std::vector<PackFile> librenmsPack(const Model& model) {
  return {
      {"os_detection-vmmig.yaml", "LibreNMS: resources/definitions/os_detection/vmmig.yaml", osFile(model)},
      {"os_discovery-vmmig.yaml", "LibreNMS: resources/definitions/os_discovery/vmmig.yaml; VM-MIGRATION-MIB into mibs/vmmig/",
       discoveryFile(model)},
      {"VmMigration.php", "LibreNMS: LibreNMS/Snmptrap/Handlers/VmMigration.php", handler(model)},
      {"snmptraps.php", "LibreNMS: its lines into config/snmptraps.php", registration(model)},
      accessFile(model),
  };
}

}  // namespace vmmig::nms

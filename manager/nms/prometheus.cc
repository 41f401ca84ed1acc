// SPDX-License-Identifier: GPL-2.0-or-later
// snmp_exporter's module. The traps that shape it: of two metrics on one OID the last wins silently, so each OID has one; a
// lookup on an EnumAsStateSet fails the whole scrape, so enumerations are numbers; 0.21 has the users in the module, 0.23 and
// later beside it.
#include "manager/nms/prometheus.h"
#include "manager/nms/access.h"

namespace vmmig::nms {

namespace {

std::string typeOf(const Object& object) {
  switch (object.kind) {
    case Kind::counter: return "counter";
    case Kind::text: return "DisplayString";
    case Kind::bits: return "Bits";
    default: return "gauge";
  }
}

std::string helpOf(const Object& object) {
  auto help = firstSentence(object.description);
  if (!object.units.empty()) help += " Unit: " + object.units + ".";
  for (const auto& label : object.labels)
    help += (&label == &object.labels.front() ? " " : ", ") + std::to_string(label.number) + " = " + label.name;
  return help + " - " + object.oid;
}

Json indexesOf(const Table& table) {
  auto indexes = Json::array();
  for (const auto& part : table.index) {
    Json index{{"labelname", part.name}, {"type", part.kind == Kind::text ? "DisplayString" : "OctetString"}};
    if (part.fixedSize != 0) index["fixed_size"] = part.fixedSize;
    indexes.push_back(index);
  }
  return indexes;
}

Json metricOf(const Model& model, const Object& object, const Table* table) {
  Json metric{{"name", object.name}, {"oid", object.oid}, {"type", typeOf(object)}, {"help", helpOf(object)}};
  if (table) metric["indexes"] = indexesOf(*table);
  if (auto* known = table ? watched(*table) : nullptr; known && !known->vmName.empty()) {
    auto labels = Json::array();
    for (const auto& part : table->index) labels.push_back(part.name);
    metric["lookups"] = Json::array(
        {{{"labels", labels}, {"labelname", vmNameLabel}, {"oid", model.object(known->vmName)->oid}, {"type", "DisplayString"}}});
  }
  if (object.kind == Kind::bits)
    for (const auto& label : object.labels) metric["enum_values"][std::to_string(label.number)] = label.name;
  return metric;
}

Json moduleOf(const Model& model) {
  auto walk = Json::array();
  auto get = Json::array();
  auto metrics = Json::array();
  for (const auto* object : watchedObjects(model, nullptr)) {
    get.push_back(object->oid + ".0");
    metrics.push_back(metricOf(model, *object, nullptr));
  }
  for (const auto& table : model.tables) {
    if (!watched(table)) continue;
    walk.push_back(table.oid);
    for (const auto* object : watchedObjects(model, &table)) metrics.push_back(metricOf(model, *object, &table));
  }
  return {{"walk", walk}, {"get", get}, {"metrics", metrics}};
}

Json authOf() {
  return {{"security_level", "authPriv"}, {"username", exampleUser}, {"password", "AUTHENTICATION-PASSPHRASE"},
          {"auth_protocol", "SHA256"},    {"priv_protocol", "AES"},  {"priv_password", "PRIVACY-PASSPHRASE"}};
}

std::string oneFile(const Model& model) {
  auto module = moduleOf(model);
  module["version"] = 3;
  module["auth"] = authOf();
  return heading(model, "# ", "snmp_exporter up to 0.22. Set username, password and priv_password.") +
         toYaml({{"vmmig", module}});
}

std::string splitFile(const Model& model) {
  auto auth = authOf();
  auth["version"] = 3;
  return heading(model, "# ", "snmp_exporter 0.23 and later. Set username, password and priv_password.") +
         toYaml({{"auths", {{"vmmig", auth}}}, {"modules", {{"vmmig", moduleOf(model)}}}});
}

/// The exporter shows a UUID as 0x6BA7B8109DAD11D180B400C04FD430C8.
Json uuidRelabeling(const std::string& label) {
  return Json::array({{{"source_labels", {label}},
                       {"regex", "0x(.{8})(.{4})(.{4})(.{4})(.{12})"},
                       {"target_label", label},
                       {"replacement", "$1-$2-$3-$4-$5"}},
                      {{"source_labels", {label}}, {"regex", "(.+)"}, {"target_label", label}, {"action", "lowercase"}}});
}

std::string scrapeFile(const Model& model) {
  Json relabel = Json::array({{{"source_labels", {"__address__"}}, {"target_label", "__param_target"}},
                              {{"source_labels", {"__param_target"}}, {"target_label", "instance"}},
                              {{"target_label", "__address__"}, {"replacement", "127.0.0.1:9116"}}});
  Json job{{"job_name", jobName},
           {"scrape_interval", "30s"},
           {"metrics_path", "/snmp"},
           {"params", {{"module", {"vmmig"}}, {"auth", {"vmmig"}}}},
           {"static_configs", Json::array({{{"targets", {"192.0.2.1"}}}})},
           {"relabel_configs", relabel},
           {"metric_relabel_configs", uuidRelabeling(uuidLabel)}};
  return heading(model, "# ", "For prometheus.yml: name your devices and hosts under targets, and where snmp_exporter listens.") +
         toYaml({{"rule_files", {"vmmig.rules.yml"}}, {"scrape_configs", Json::array({job})}});
}

}  // namespace

std::vector<PackFile> prometheusPack(const Model& model) {
  return {
      {"snmp.yml", "snmp_exporter up to 0.22 (Debian 12): merge into /etc/prometheus/snmp.yml", oneFile(model)},
      {"snmp-split.yml", "snmp_exporter 0.23 and later: merge into /etc/prometheus/snmp.yml", splitFile(model)},
      {"scrape.yml", "Prometheus: merge into /etc/prometheus/prometheus.yml", scrapeFile(model)},
      {"vmmig.rules.yml", "Prometheus: /etc/prometheus/vmmig.rules.yml", alertRules(model)},
      accessFile(model),
  };
}

}  // namespace vmmig::nms

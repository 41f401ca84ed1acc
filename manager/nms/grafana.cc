// SPDX-License-Identifier: GPL-2.0-or-later
// A dashboard of what the prometheus pack scrapes. Every expression is one metric of the module, or a rate of one.
#include "manager/nms/prometheus.h"

namespace vmmig::nms {

namespace {

constexpr int dashboardWidth = 24;

Json source() { return {{"type", "prometheus"}, {"uid", "${datasource}"}}; }

std::string selected(std::string_view metric) { return std::string{metric} + "{instance=~\"$instance\"}"; }

Json target(const std::string& expression, const std::string& legend) {
  return {{"datasource", source()}, {"expr", expression}, {"legendFormat", legend}, {"refId", "A"}};
}

std::string colorOf(Severity severity) {
  switch (severity) {
    case Severity::ok: return "green";
    case Severity::information: return "blue";
    case Severity::warning: return "orange";
    case Severity::critical: return "red";
  }
  return "green";
}

Json mappingsOf(const Object& object) {
  auto options = Json::object();
  for (const auto& label : object.labels)
    options[std::to_string(label.number)] = {{"text", label.name}, {"color", colorOf(severityOf(object, label.name))}};
  return Json::array({{{"type", "value"}, {"options", options}}});
}

std::string legendOf(const Table* table) {
  if (!table) return "{{instance}}";
  std::string legend = "{{instance}}";
  if (!watched(*table)->vmName.empty()) return legend + std::string{" {{"} + vmNameLabel + "}} {{" + uuidLabel + "}}";
  for (const auto& part : table->index) legend += " {{" + part.name + "}}";
  return legend;
}

std::string grafanaUnit(const Object& object) {
  if (object.units == "seconds") return "s";
  if (object.units == "milliseconds") return "ms";
  if (object.units == "octets") return "bytes";
  return "none";
}

struct Grid {
  int x = 0, y = 0, number = 1;
};

/// The next place in lines of panels; a heading has a line of its own.
Json place(Grid& grid, int width, int height) {
  if (grid.x + width > dashboardWidth) {
    grid.x = 0;
    grid.y += height;
  }
  Json at{{"x", grid.x}, {"y", grid.y}, {"w", width}, {"h", height}};
  grid.x += width;
  return at;
}

Json panel(Grid& grid, const Object& object, const Table* table) {
  constexpr int panelWidth = 8, panelHeight = 7;
  bool isState = object.kind == Kind::state, isText = object.kind == Kind::text || object.kind == Kind::bits;
  auto expression = selected(object.name);
  auto legend = legendOf(table);
  if (object.kind == Kind::counter) expression = "rate(" + expression + "[5m])";
  if (object.kind == Kind::time) expression = expression + " / 1e3";  // Grafana's times are milliseconds
  if (isText) legend += " {{" + object.name + "}}";
  Json defaults{{"unit", object.kind == Kind::time      ? "dateTimeAsIso"
                         : object.kind == Kind::counter ? "cps"
                                                        : grafanaUnit(object)}};
  if (isState) defaults["mappings"] = mappingsOf(object);
  Json options = Json::object();
  if (isText || object.kind == Kind::time || (isState && !table))
    options = {{"textMode", isText ? "name" : "value_and_name"},
               {"colorMode", isState ? "background" : "none"},
               {"reduceOptions", {{"calcs", {"lastNotNull"}}}}};
  bool isStat = !options.empty();
  return {{"id", grid.number++},
          {"type", isStat    ? "stat"
                   : isState ? "state-timeline"
                             : "timeseries"},
          {"title", object.name},
          {"description", firstSentence(object.description)},
          {"datasource", source()},
          {"gridPos", place(grid, panelWidth, panelHeight)},
          {"fieldConfig", {{"defaults", defaults}, {"overrides", Json::array()}}},
          {"options", options},
          {"targets", Json::array({target(expression, legend)})}};
}

void newLine(Grid& grid, int height) {
  if (grid.x != 0) grid.y += height;
  grid.x = 0;
}

Json row(Grid& grid, const std::string& title) {
  newLine(grid, 7);
  Json made{{"id", grid.number++}, {"type", "row"},           {"title", title},
            {"collapsed", false},  {"panels", Json::array()}, {"gridPos", place(grid, dashboardWidth, 1)}};
  newLine(grid, 1);
  return made;
}

Json variables() {
  Json datasource{{"name", "datasource"}, {"type", "datasource"}, {"query", "prometheus"}, {"label", "Prometheus"}};
  Json instance{{"name", "instance"},
                {"type", "query"},
                {"label", "Device"},
                {"datasource", source()},
                {"query", "label_values(vmMigHealth, instance)"},
                {"refresh", 2},
                {"multi", true},
                {"includeAll", true},
                {"allValue", ".*"},
                {"current", {{"text", "All"}, {"value", "$__all"}}}};
  return Json::array({datasource, instance});
}

}  // namespace

std::vector<PackFile> grafanaPack(const Model& model) {
  Grid grid;
  auto panels = Json::array({row(grid, "Device")});
  for (const auto* object : watchedObjects(model, nullptr)) panels.push_back(panel(grid, *object, nullptr));
  for (const auto& table : model.tables) {
    const auto* known = watched(table);
    if (!known) continue;
    panels.push_back(row(grid, std::string{known->title}));
    for (const auto* object : watchedObjects(model, &table)) panels.push_back(panel(grid, *object, &table));
  }
  Json dashboard{{"title", "VM migration"},
                 {"uid", "vmmig"},
                 {"description", "SPDX-License-Identifier: BSD-3-Clause. Generated by vmmig nms from " + model.module + " of " +
                                     model.lastUpdated + "."},
                 {"tags", {"vmmig", "snmp"}},
                 {"schemaVersion", 36},
                 {"editable", true},
                 {"time", {{"from", "now-1h"}, {"to", "now"}}},
                 {"refresh", "30s"},
                 {"templating", {{"list", variables()}}},
                 {"annotations", {{"list", Json::array()}}},
                 {"panels", panels}};
  return {{"vmmig.json", "Grafana 9 or later: Dashboards, Import; or /etc/grafana/provisioning/dashboards/",
           dashboard.dump(2) + "\n"}};
}

}  // namespace vmmig::nms

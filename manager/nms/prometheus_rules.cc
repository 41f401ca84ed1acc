// SPDX-License-Identifier: GPL-2.0-or-later
// The alerts of the overlay as Prometheus rules.
#include "manager/nms/prometheus.h"

namespace vmmig::nms {

namespace {

/// "on (instance, vmMigVmUuid)": what a row's series have in common.
std::string matching(const Model& model, std::string_view object) {
  std::string labels = "instance";
  if (const auto* table = model.tableOf(object))
    for (const auto& part : table->index) labels += ", " + part.name;
  return " on (" + labels + ") ";
}

std::string inSeconds(std::string_view time) { return std::string{time} + " / 1e6"; }

std::string condition(const Model& model, const Alert& alert) {
  std::string object{alert.object};
  auto threshold = std::to_string(alert.threshold);
  switch (alert.when) {
    case Alert::When::is: {
      std::string any;
      for (auto label : alert.labels)
        any += (any.empty() ? "" : " or ") + object + " == " + std::to_string(numberOf(*model.object(object), label));
      return any;
    }
    case Alert::When::above: return object + " > " + threshold;
    case Alert::When::increased: return "increase(" + object + "[" + std::to_string(alert.seconds) + "s]) > " + threshold;
    case Alert::When::silent: return std::string{"up{job=\""} + jobName + "\"} unless on (instance) " + object;
    case Alert::When::clockOff: return "abs(timestamp(" + object + ") - " + inSeconds(object) + ") > " + threshold;
  }
  return object;
}

std::string expression(const Model& model, const Alert& alert) {
  auto text = condition(model, alert);
  if (!alert.since.empty())
    text = "(" + text + ") and" + matching(model, alert.object) + "(time() - " + inSeconds(alert.since) + " < " +
           std::to_string(recentSeconds) + ")";
  return text;
}

/// The text is a label of a series that is always 1. It is looked up when the alert is told, and is no part of the alert: a text
/// that changes would begin a new one each time.
std::string lookUp(const Model& model, const Alert& alert) {
  std::string detail{alert.detail}, selector = "instance='%s'", arguments = " $labels.instance";
  if (const auto* table = model.tableOf(alert.object))
    for (const auto& part : table->index) {
      selector += "," + part.name + "='%s'";
      arguments += " $labels." + part.name;
    }
  return "{{ with printf \"" + detail + "{" + selector + "}\"" + arguments + " | query }}{{ . | first | label \"" + detail +
         "\" }}. {{ end }}";
}

std::string descriptionOf(const Model& model, const Alert& alert) {
  std::string text;
  if (const auto* table = model.tableOf(alert.object); table && !watched(*table)->vmName.empty())
    text = std::string{"VM {{ with $labels."} + vmNameLabel + " }}{{ . }} {{ end }}({{ $labels." + uuidLabel + " }}). ";
  if (!alert.detail.empty()) text += lookUp(model, alert);
  return text + "What to do: " + std::string{alert.remedy} + ".";
}

}  // namespace

std::string alertRules(const Model& model) {
  auto rules = Json::array();
  for (const auto& alert : alerts()) {
    Json rule{{"alert", alert.name}, {"expr", expression(model, alert)}};
    if (alert.seconds != 0 && alert.when != Alert::When::increased) rule["for"] = std::to_string(alert.seconds) + "s";
    rule["labels"] = {{"severity", name(alert.severity)}};
    rule["annotations"] = {{"summary", "{{ $labels.instance }}: " + std::string{alert.summary}},
                           {"description", descriptionOf(model, alert)}};
    rules.push_back(rule);
  }
  return heading(model, "# ", "Alert rules; promtool check rules FILE after a change.") +
         toYaml({{"groups", Json::array({{{"name", "vmmig"}, {"rules", rules}}})}});
}

}  // namespace vmmig::nms

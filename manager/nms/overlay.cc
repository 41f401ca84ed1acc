// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/nms/overlay.h"

#include <algorithm>

namespace vmmig::nms {

namespace {

/// Told apart by claims, bit patterns, or values that only a manager writes: nothing to watch.
constexpr std::string_view forManagers[] = {"vmMigTransferEpoch", "vmMigTransferAdminStatus", "vmMigPhaseAction"};

Status missing(std::string_view what, std::string_view where) {
  return failure(SnmpStatus::badValue, "the packs need " + std::string{what} + " (" + std::string{where} +
                                           "), which this VM-MIGRATION-MIB does not have: is it of another version of vmmig?");
}

Status checkLabel(const Object& object, std::string_view label, std::string_view where) {
  for (const auto& each : object.labels)
    if (each.name == label) return {};
  return missing(std::string{label} + " of " + object.name, where);
}

Status checkObject(const Model& model, std::string_view name, std::string_view where) {
  if (name.empty() || model.object(name)) return {};
  return missing(name, where);
}

Status checkAlert(const Model& model, const Alert& alert) {
  for (auto each : {alert.object, alert.since, alert.detail})
    if (auto status = checkObject(model, each, alert.name); !status) return status;
  for (auto label : alert.labels)
    if (auto status = checkLabel(*model.object(alert.object), label, alert.name); !status) return status;
  return {};
}

Status checkTable(const Model& model, const WatchedTable& watched) {
  const auto* table = model.table(watched.table);
  if (!table) return missing(watched.table, "a table");
  auto isState = [&](const auto* object) { return object->kind == Kind::state; };
  auto objects = watchedObjects(model, table);
  if (std::none_of(objects.begin(), objects.end(), isState)) return missing("a state in each row", watched.table);
  return checkObject(model, watched.vmName, watched.table);
}

/// A state that is named here and not in the module would be shown as if it were well.
Status checkBadState(const Model& model, const BadState& bad) {
  if (auto status = checkObject(model, bad.object, "a state that is not well"); !status) return status;
  return checkLabel(*model.object(bad.object), bad.label, "a state that is not well");
}

/// The packs name each object of a notification, with its labels.
Status checkObjects(const Model& model, const Notification& notification) {
  for (const auto& each : notification.objects)
    if (!model.object(each))
      return failure(SnmpStatus::badValue, "the packs cannot show " + each + " of the notification " + notification.name +
                                               ", which is an object of another module");
  return {};
}

Status checkRule(const Model& model, const NotificationRule& rule) {
  const auto* notification = model.notification(rule.name);
  if (!notification) return missing(rule.name, "a notification");
  if (!rule.clears.empty() && !model.notification(rule.clears)) return missing(rule.clears, rule.name);
  auto has = [&](std::string_view object) {
    return std::find(notification->objects.begin(), notification->objects.end(), object) != notification->objects.end();
  };
  if (!has(rule.detail)) return missing(rule.detail, rule.name);
  for (const auto& each : rule.exceptions) {
    if (!has(each.object) || !model.object(each.object)) return missing(each.object, rule.name);
    if (auto status = checkLabel(*model.object(each.object), each.label, rule.name); !status) return status;
  }
  return {};
}

}  // namespace

std::string_view name(Severity severity) {
  constexpr std::string_view names[] = {"ok", "information", "warning", "critical"};
  return names[static_cast<std::size_t>(severity)];
}

const WatchedTable* watched(const Table& table) {
  for (const auto& each : watchedTables())
    if (each.table == table.name) return &each;
  return nullptr;
}

const NotificationRule& ruleOf(const Notification& notification) {
  auto all = notificationRules();
  return *std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == notification.name; });
}

std::string_view summaryOf(const NotificationRule& rule, Severity severity) {
  for (const auto& each : rule.exceptions)
    if (each.severity == severity) return each.summary;
  return rule.summary;
}

bool isWatched(const Model& model, const Object& object) {
  const auto* table = model.tableOf(object.name);
  if (!object.readable || (table && !watched(*table))) return false;
  if (object.kind == Kind::row || object.kind == Kind::octets) return false;
  return std::find(std::begin(forManagers), std::end(forManagers), object.name) == std::end(forManagers);
}

Severity severityOf(const Object& object, std::string_view label) {
  for (const auto& each : badStates())
    if (each.object == object.name && each.label == label) return each.severity;
  return Severity::ok;
}

std::vector<const Object*> watchedObjects(const Model& model, const Table* table) {
  std::vector<const Object*> objects;
  for (const auto& each : table ? table->columns : model.scalars)
    if (isWatched(model, each)) objects.push_back(&each);
  return objects;
}

Status check(const Model& model) {
  for (const auto& each : watchedTables())
    if (auto status = checkTable(model, each); !status) return status;
  for (auto each : forManagers)
    if (auto status = checkObject(model, each, "what is not watched"); !status) return status;
  for (const auto& each : alerts())
    if (auto status = checkAlert(model, each); !status) return status;
  for (const auto& each : notificationRules())
    if (auto status = checkRule(model, each); !status) return status;
  for (const auto& each : badStates())
    if (auto status = checkBadState(model, each); !status) return status;
  auto rules = notificationRules();
  for (const auto& notification : model.notifications) {
    if (std::none_of(rules.begin(), rules.end(), [&](const auto& rule) { return rule.name == notification.name; }))
      return failure(SnmpStatus::badValue, "no severity has been decided for the notification " + notification.name);
    if (auto status = checkObjects(model, notification); !status) return status;
  }
  return {};
}

}  // namespace vmmig::nms

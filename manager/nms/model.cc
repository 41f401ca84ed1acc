// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/nms/model.h"

#include <algorithm>
#include <stdexcept>

namespace vmmig::nms {

namespace {

template <class T>
const T* named(const std::vector<T>& all, std::string_view name) {
  auto found = std::find_if(all.begin(), all.end(), [name](const T& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

const Table* Model::table(std::string_view name) const { return named(tables, name); }

const Notification* Model::notification(std::string_view name) const { return named(notifications, name); }

const Table* Model::tableOf(std::string_view column) const {
  for (const auto& each : tables)
    if (named(each.columns, column)) return &each;
  return nullptr;
}

const Object* Model::object(std::string_view name) const {
  if (const auto* scalar = named(scalars, name)) return scalar;
  const auto* table = tableOf(name);
  return table ? named(table->columns, name) : nullptr;
}

std::string lastSubid(const std::string& oid) { return oid.substr(oid.rfind('.') + 1); }

std::size_t positionOf(const Notification& notification, std::string_view object) {
  const auto& all = notification.objects;
  auto found = std::find(all.begin(), all.end(), object);
  return found == all.end() ? 0 : static_cast<std::size_t>(found - all.begin()) + 1;
}

std::int64_t numberOf(const Object& object, std::string_view label) {
  const auto* found = named(object.labels, label);
  if (!found) throw std::logic_error("no label " + std::string{label} + " in " + object.name);
  return found->number;
}

}  // namespace vmmig::nms

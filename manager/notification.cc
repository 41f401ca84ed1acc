// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/notification.h"

#include <algorithm>
#include <optional>

namespace vmmig {

namespace {

const Oid snmpTrapOid{1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
// sysUpTime.0 and snmpTrapOID.0
constexpr std::size_t leadingVarbinds = 2;

const mib::NotificationInfo* find(const Oid& oid) {
  for (const auto& info : mib::allNotifications())
    if (oid == mib::notifications() + static_cast<std::uint32_t>(info.number)) return &info;
  return nullptr;
}

}  // namespace

Result<std::pair<mib::Notification, AnyRow>> parseNotification(const std::vector<smi::VarBind>& varbinds) {
  if (varbinds.size() < leadingVarbinds || varbinds[1].name != snmpTrapOid) return failure("it has no snmpTrapOID.0");
  const auto* info = find(varbinds[1].value.oid);
  if (!info) return failure("it is foreign (" + toString(varbinds[1].value.oid) + ")");
  if (varbinds.size() < leadingVarbinds + info->objects.size())
    return failure(std::string{info->name} + " lacks some of its objects");
  std::optional<AnyRow> row;
  Oid instance;
  for (std::size_t i = 0; i < info->objects.size(); ++i) {
    const auto& [name, value] = varbinds[leadingVarbinds + i];
    auto object = mib::resolve(name);
    if (object.table != info->table || !object.column || object.column->name != info->objects[i])
      return failure(std::string{info->name} + " has " + toString(name) + " where " + std::string{info->objects[i]} + " belongs");
    if (!row) {
      row = rowFromIndex(*info->table, object.instance);
      instance.assign(object.instance.begin(), object.instance.end());
    }
    if (!row || !std::equal(instance.begin(), instance.end(), object.instance.begin(), object.instance.end()))
      return failure(std::string{info->name} + " has objects whose instances are no row");
    if (row->set(*object.column, value) != SnmpStatus::noError)
      return failure(std::string{info->name} + " has the value " + smi::toString(value) + " for " +
                     std::string{info->objects[i]});
  }
  return std::pair{info->number, std::move(*row)};
}

}  // namespace vmmig

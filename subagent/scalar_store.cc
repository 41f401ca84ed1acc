// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/scalar_store.h"

namespace vmmig {

AnyRow ScalarStore::row() const {
  auto scalars = gather_();
  scalars.notificationsEnable = notificationsEnabled_;
  return scalars;
}

Result<std::optional<AnyRow>> ScalarStore::find(const AnyRow&) { return row(); }

Result<std::optional<AnyRow>> ScalarStore::next(OidSpan after) {
  // The only instance is .0.
  if (!after.empty()) return std::nullopt;
  return row();
}

Status ScalarStore::check(const Change&) { return {}; }

Status ScalarStore::apply(const Change& change) {
  notificationsEnabled_ = change.after.as<DeviceScalars>().notificationsEnable;
  return {};
}

}  // namespace vmmig

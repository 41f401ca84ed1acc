// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigDevice, the scalars: gathered from the rest of the agent whenever they are read.
#pragma once

#include <functional>

#include "mibs/device_scalars.h"
#include "subagent/row_store.h"

namespace vmmig {

class ScalarStore final : public RowStore {
 public:
  /// Answers everything but notificationsEnable, which is kept here.
  using Gather = std::function<DeviceScalars()>;
  explicit ScalarStore(Gather gather) : gather_(std::move(gather)) {}

  const TableInfo& table() const override { return TableOf<DeviceScalars>::info; }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override;
  Result<std::optional<AnyRow>> next(OidSpan after) override;
  Status check(const Change& change) override;
  Status apply(const Change& change) override;

  bool notificationsEnabled() const { return notificationsEnabled_; }

 private:
  AnyRow row() const;
  Gather gather_;
  bool notificationsEnabled_ = true;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigImageTable over the engine's transfers: the chunks that a source wrote, and those that a destination is sent.
#pragma once

#include "mibs/image_table.h"
#include "subagent/transfer_engine.h"

namespace vmmig {

class ImageStore final : public RowStore {
 public:
  explicit ImageStore(TransferEngine& engine) : engine_(engine) {}

  const TableInfo& table() const override { return TableOf<ImageRow>::info; }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override;
  Result<std::optional<AnyRow>> next(OidSpan after) override;
  Status check(const Change& change) override;
  Status apply(const Change&) override { return {}; }
  void settle(const Change& change) override;

 private:
  /// The transfer of this VM and epoch, or null.
  Transfer* transferOf(const ImageRow& row) const;

  TransferEngine& engine_;
};

}  // namespace vmmig

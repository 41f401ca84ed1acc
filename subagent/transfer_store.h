// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigTransferTable over the engine's transfers: the rules of epochs and of what a SET may want.
#pragma once

#include "subagent/transfer_engine.h"

namespace vmmig {

class TransferStore final : public RowStore {
 public:
  explicit TransferStore(TransferEngine& engine) : engine_(engine) {}

  const TableInfo& table() const override { return TableOf<TransferRow>::info; }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override;
  Result<std::optional<AnyRow>> next(OidSpan after) override;
  Status check(const Change& change) override;
  Status apply(const Change&) override { return {}; }
  void settle(const Change& change) override;

 private:
  Status checkClaim(const TransferRow& wanted, const Transfer* before) const;
  Status checkWish(const Change& change, const Transfer& transfer) const;
  std::string label(const Uuid& vm) const;

  TransferEngine& engine_;
};

}  // namespace vmmig

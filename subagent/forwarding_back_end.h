// SPDX-License-Identifier: GPL-2.0-or-later
// A back end, and a table of one, that pass everything on. Who stands in front of a device derives from these and says only what
// it does otherwise: an operation with a default, which such a one did not know of, would end there without a word.
#pragma once

#include "subagent/back_end.h"

namespace vmmig {

class ForwardingTable : public TableBackEnd {
 public:
  explicit ForwardingTable(TableBackEnd& table) : table_(table) {}

  const TableInfo& table() const override { return table_.table(); }
  std::unique_ptr<RowCursor> read(const Vm& vm) override { return table_.read(vm); }
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override { return table_.find(vm, key); }
  Result<std::vector<std::optional<AnyRow>>> findAll(const Vm& vm, std::span<const AnyRow> keys) override {
    return table_.findAll(vm, keys);
  }
  Result<std::vector<std::uint32_t>> count(std::span<const Vm> vms) override { return table_.count(vms); }
  std::unique_ptr<RowFollower> follow(const Vm& vm, KnownRows known) override { return table_.follow(vm, std::move(known)); }
  Status check(const Vm& vm, const AnyRow& row) override { return table_.check(vm, row); }
  bool moves(const AnyRow& row) const override { return table_.moves(row); }
  InetAddress peerOf(const AnyRow& row) const override { return table_.peerOf(row); }
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override { return table_.create(vm, rows); }
  Status replace(const Vm& vm, const AnyRow& row) override { return table_.replace(vm, row); }
  std::vector<bool> renew(const Vm& vm, std::span<AnyRow> rows) override { return table_.renew(vm, rows); }
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override { return table_.remove(vm, keys); }
  void forget(const Uuid& vm) override { table_.forget(vm); }
  bool isExchanged() const override { return table_.isExchanged(); }
  std::vector<CheckRow> checks() override { return table_.checks(); }

 protected:
  TableBackEnd& table_;
};

/// Its tables are those of whoever derives.
class ForwardingBackEnd : public BackEnd {
 public:
  explicit ForwardingBackEnd(std::unique_ptr<BackEnd> backEnd) : backEnd_(std::move(backEnd)) {}

  std::string_view name() const override { return backEnd_->name(); }
  Bits<Capability> capabilities() const override { return backEnd_->capabilities(); }
  std::vector<CheckRow> checks() override { return backEnd_->checks(); }
  std::uint32_t maxRows() override { return backEnd_->maxRows(); }
  std::uint32_t rows() override { return backEnd_->rows(); }
  std::unique_ptr<RowCursor> read(const Vm& vm, std::span<const TableInfo* const> tables) override {
    return backEnd_->read(vm, tables);
  }
  std::optional<Refusal> exchange(const Vm& vm, const Exchange& exchange) override { return backEnd_->exchange(vm, exchange); }
  std::optional<Refusal> rehearse(const Vm& vm, const Exchange& exchange) override { return backEnd_->rehearse(vm, exchange); }
  void prepareBlock(const Vm& vm) override { backEnd_->prepareBlock(vm); }
  Status block(const Vm& vm) override { return backEnd_->block(vm); }
  bool isSettled(const Uuid& vm) override { return backEnd_->isSettled(vm); }
  void unblock(const Uuid& vm) override { backEnd_->unblock(vm); }
  bool isBlocked(const Uuid& vm) const override { return backEnd_->isBlocked(vm); }

 protected:
  std::unique_ptr<BackEnd> backEnd_;
};

}  // namespace vmmig

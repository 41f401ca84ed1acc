// SPDX-License-Identifier: GPL-2.0-or-later
// A back end that passes everything on to another, and tells when that one is full (vmMigCapacityExceeded): once when it begins,
// and again only after a row was taken in between.
#pragma once

#include <functional>
#include <memory>

#include "subagent/back_end.h"

namespace vmmig {

class CapacityWatch final : public BackEnd {
 public:
  CapacityWatch(std::unique_ptr<BackEnd> backEnd, std::function<void()> exceeded);
  ~CapacityWatch() override;

  std::string_view name() const override { return backEnd_->name(); }
  Bits<Capability> capabilities() const override { return backEnd_->capabilities(); }
  std::vector<CheckRow> checks() override { return backEnd_->checks(); }
  std::uint32_t maxRows() override { return backEnd_->maxRows(); }
  std::uint32_t rows() override { return backEnd_->rows(); }
  std::span<TableBackEnd* const> tables() override { return tables_; }
  std::optional<Refusal> exchange(const Vm& vm, const Exchange& exchange) override;
  std::optional<Refusal> rehearse(const Vm& vm, const Exchange& exchange) override { return backEnd_->rehearse(vm, exchange); }
  void prepareBlock(const Vm& vm) override { backEnd_->prepareBlock(vm); }
  Status block(const Vm& vm) override { return backEnd_->block(vm); }
  bool isSettled(const Uuid& vm) override { return backEnd_->isSettled(vm); }
  void unblock(const Uuid& vm) override { backEnd_->unblock(vm); }
  bool isBlocked(const Uuid& vm) const override { return backEnd_->isBlocked(vm); }

 private:
  class Table;
  void observe(bool hasTaken, const std::optional<Error>& error);

  std::unique_ptr<BackEnd> backEnd_;
  std::function<void()> exceeded_;
  bool full_ = false;
  std::vector<std::unique_ptr<Table>> owned_;
  std::vector<TableBackEnd*> tables_;
};

}  // namespace vmmig

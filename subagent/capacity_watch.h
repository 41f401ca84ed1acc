// SPDX-License-Identifier: GPL-2.0-or-later
// A back end that passes everything on to another, and tells when that one is full (vmMigCapacityExceeded): once when it begins,
// and again only after a row was taken in between.
#pragma once

#include <functional>
#include <memory>

#include "subagent/forwarding_back_end.h"

namespace vmmig {

class CapacityWatch final : public ForwardingBackEnd {
 public:
  CapacityWatch(std::unique_ptr<BackEnd> backEnd, std::function<void()> exceeded);
  ~CapacityWatch() override;

  std::span<TableBackEnd* const> tables() override { return tables_; }
  std::optional<Refusal> exchange(const Vm& vm, const Exchange& exchange) override;

 private:
  class Table;
  void observe(bool hasTaken, const std::optional<Error>& error);

  std::function<void()> exceeded_;
  bool full_ = false;
  std::vector<std::unique_ptr<Table>> owned_;
  std::vector<TableBackEnd*> tables_;
};

}  // namespace vmmig

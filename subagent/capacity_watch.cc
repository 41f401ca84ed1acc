// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/capacity_watch.h"

namespace vmmig {

class CapacityWatch::Table final : public ForwardingTable {
 public:
  Table(CapacityWatch& watch, TableBackEnd& table) : ForwardingTable(table), watch_(watch) {}

  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override {
    auto result = table_.create(vm, rows);
    watch_.observe(result.done > 0, result.error);
    return result;
  }

 private:
  CapacityWatch& watch_;
};

CapacityWatch::CapacityWatch(std::unique_ptr<BackEnd> backEnd, std::function<void()> exceeded)
    : ForwardingBackEnd(std::move(backEnd)), exceeded_(std::move(exceeded)) {
  for (auto* table : backEnd_->tables()) tables_.push_back(owned_.emplace_back(std::make_unique<Table>(*this, *table)).get());
}

CapacityWatch::~CapacityWatch() = default;

std::optional<Refusal> CapacityWatch::exchange(const Vm& vm, const Exchange& exchange) {
  auto refusal = backEnd_->exchange(vm, exchange);
  observe(!refusal && !exchange.create.empty(), refusal ? std::optional{refusal->error} : std::nullopt);
  return refusal;
}

void CapacityWatch::observe(bool hasTaken, const std::optional<Error>& error) {
  if (hasTaken) full_ = false;
  // The same status also stands for a missing right or memory.
  bool refused = error && error->status == SnmpStatus::resourceUnavailable && rows() >= maxRows();
  if (refused && !std::exchange(full_, true)) exceeded_();
}

}  // namespace vmmig

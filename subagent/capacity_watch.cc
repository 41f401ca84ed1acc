// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/capacity_watch.h"

namespace vmmig {

class CapacityWatch::Table final : public TableBackEnd {
 public:
  Table(CapacityWatch& watch, TableBackEnd& table) : watch_(watch), table_(table) {}

  const TableInfo& table() const override { return table_.table(); }
  std::unique_ptr<RowCursor> read(const Vm& vm) override { return table_.read(vm); }
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override { return table_.find(vm, key); }
  std::unique_ptr<RowFollower> follow(const Vm& vm) override { return table_.follow(vm); }
  Status check(const Vm& vm, const AnyRow& row) override { return table_.check(vm, row); }
  bool moves(const AnyRow& row) const override { return table_.moves(row); }
  InetAddress peerOf(const AnyRow& row) const override { return table_.peerOf(row); }
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override {
    auto result = table_.create(vm, rows);
    watch_.observe(result.done > 0, result.error);
    return result;
  }
  Status replace(const Vm& vm, const AnyRow& row) override { return table_.replace(vm, row); }
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override { return table_.remove(vm, keys); }
  void forget(const Uuid& vm) override { table_.forget(vm); }
  bool isExchanged() const override { return table_.isExchanged(); }
  std::vector<CheckRow> checks() override { return table_.checks(); }

 private:
  CapacityWatch& watch_;
  TableBackEnd& table_;
};

CapacityWatch::CapacityWatch(std::unique_ptr<BackEnd> backEnd, std::function<void()> exceeded)
    : backEnd_(std::move(backEnd)), exceeded_(std::move(exceeded)) {
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

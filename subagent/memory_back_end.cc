// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/memory_back_end.h"

#include <algorithm>

#include "mibs/acl_table.h"
#include "mibs/dhcp_binding_table.h"
#include "mibs/policy_table.h"
#include "mibs/registry.h"
#include "subagent/finding.h"
#include "subagent/memory_counter_table.h"
#include "subagent/memory_tcp_table.h"

namespace vmmig {

namespace {

/// What stands in one ruleset on a real device.
bool isExchanged(const TableInfo& table) {
  const auto exchanged = {&TableOf<AclRow>::info, &TableOf<CounterRow>::info, &TableOf<DhcpBindingRow>::info,
                          &TableOf<PolicyRow>::info};
  return std::find(exchanged.begin(), exchanged.end(), &table) != exchanged.end();
}

/// A policy is one unit, whose pieces may come one by one.
class MemoryPolicyTable final : public MemoryTable {
 public:
  explicit MemoryPolicyTable(MemoryDevice device) : MemoryTable(TableOf<PolicyRow>::info, std::move(device), true) {}
  bool moves(const AnyRow& row) const override { return static_cast<bool>(isComplete(row.as<PolicyRow>())); }

  /// The policy that this is a piece of.
  Status isComplete(const PolicyRow& piece) const {
    std::vector<PolicyRow> pieces;
    for (const auto& item : rows())
      if (const auto& row = item.second.row.as<PolicyRow>(); row.uuid == piece.uuid && row.name == piece.name)
        pieces.push_back(row);
    return checkComplete(pieces);
  }
};

/// A binding is the VM's by its address, or by its MAC: that can be leased addresses that vmMigVmAddressTable does not have.
class MemoryDhcpBindingTable final : public MemoryTable {
 public:
  explicit MemoryDhcpBindingTable(MemoryDevice device) : MemoryTable(TableOf<DhcpBindingRow>::info, std::move(device), true) {}
  Status check(const Vm& vm, const AnyRow& any) override {
    if (auto status = MemoryTable::check(vm, any); !status) return status;
    const auto& row = any.as<DhcpBindingRow>();
    const auto& macs = vm.macAddresses;
    if (vm.owns(row.address) || std::find(macs.begin(), macs.end(), row.macAddress.value) != macs.end()) return {};
    return failure(SnmpStatus::inconsistentName, "neither vmMigDhcpBindingAddress " + toString(row.address) +
                                                     " nor vmMigDhcpBindingMac is one of VM " + vm.label() +
                                                     " here: add it to vmMigVmAddressTable first");
  }
};

std::unique_ptr<MemoryTable> makeTable(const TableInfo& table, MemoryDevice device) {
  if (&table == &TableOf<CounterRow>::info) return std::make_unique<MemoryCounterTable>(std::move(device));
  if (&table == &TableOf<DhcpBindingRow>::info) return std::make_unique<MemoryDhcpBindingTable>(std::move(device));
  if (&table == &TableOf<PolicyRow>::info) return std::make_unique<MemoryPolicyTable>(std::move(device));
  return std::make_unique<MemoryTable>(table, std::move(device), isExchanged(table));
}

}  // namespace

/// Takes all changes of the tables back, unless they are to stay.
class MemoryBackEnd::Undo {
 public:
  explicit Undo(MemoryBackEnd& device) : device_(device) {
    for (auto& table : device.tables_) before_.push_back(table->copy());
  }
  ~Undo() {
    if (stays_) return;
    for (std::size_t i = 0; i < before_.size(); ++i) device_.tables_[i]->restore(std::move(before_[i]));
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  void keepChanges() { stays_ = true; }

 private:
  MemoryBackEnd& device_;
  std::vector<MemoryTable::Rows> before_;
  bool stays_ = false;
};

MemoryBackEnd::MemoryBackEnd(std::uint32_t maxRows, MemoryFirewall::Now now) : firewall_(maxRows, now) {
  MemoryDevice device{std::move(now), [this] { return isFull(); }};
  tcpTable_ = std::make_unique<MemoryTcpTable>(firewall_, device);
  all_.push_back(tcpTable_.get());
  for (const auto* table : mib::tables()) {
    if (!table->moves || table == &tcpTable_->table()) continue;
    tables_.push_back(makeTable(*table, device));
    all_.push_back(tables_.back().get());
  }
}

MemoryBackEnd::~MemoryBackEnd() = default;

Bits<Capability> MemoryBackEnd::capabilities() const {
  Bits<Capability> result;
  for (auto each : {Capability::block, Capability::windowRead, Capability::windowWrite}) result.set(each);
  for (const auto* table : all_) result.set(capabilityOf(table->table()));
  return result;
}

std::uint32_t MemoryBackEnd::rows() {
  auto count = firewall_.size();
  for (auto& table : tables_) count += table->size();
  return static_cast<std::uint32_t>(count);
}

bool MemoryBackEnd::isFull() {
  // Counting what has not ended costs a look at every row, which a device with room to spare need not take.
  auto most = firewall_.held();
  for (auto& table : tables_) most += table->held();
  return most >= maxRows() && rows() >= maxRows();
}

std::vector<CheckRow> MemoryBackEnd::checks() {
  auto use = std::to_string(rows()) + " of " + std::to_string(maxRows()) + " rows are in use";
  if (!isFull()) return {finding("rows", Health::up, use)};
  return {finding("rows", Health::degraded, use, "new connections are refused until others end")};
}

std::optional<Refusal> MemoryBackEnd::change(const Vm& vm, const Exchange& exchange) {
  for (const auto& row : exchange.remove) tableFor(row.table())->remove(vm, {&row, 1});
  // The head of a counter says how many members it takes: it comes first, wherever it stands.
  for (bool heads : {true, false})
    for (std::size_t i = 0; i < exchange.create.size(); ++i) {
      const auto& row = exchange.create[i];
      bool isHead = &row.table() != &TableOf<CounterRow>::info || row.as<CounterRow>().isHead();
      if (isHead != heads) continue;
      if (auto made = tableFor(row.table())->create(vm, {&row, 1}); made.error) return Refusal{*made.error, i};
    }
  return std::nullopt;
}

std::optional<Refusal> MemoryBackEnd::findIncompletePolicy(std::span<const AnyRow> created) {
  const auto& policies = dynamic_cast<const MemoryPolicyTable&>(*tableFor(TableOf<PolicyRow>::info));
  for (std::size_t i = 0; i < created.size(); ++i) {
    if (&created[i].table() != &policies.table()) continue;
    if (auto status = policies.isComplete(created[i].as<PolicyRow>()); !status) return Refusal{status.error(), i};
  }
  return std::nullopt;
}

std::optional<Refusal> MemoryBackEnd::exchange(const Vm& vm, const Exchange& exchange) {
  Undo undo{*this};
  auto refusal = change(vm, exchange);
  if (!refusal && !exchange.isUndo) refusal = findIncompletePolicy(exchange.create);
  if (!refusal) undo.keepChanges();
  return refusal;
}

std::optional<Refusal> MemoryBackEnd::rehearse(const Vm& vm, const Exchange& exchange) {
  Undo undo{*this};
  return change(vm, exchange);
}

Status MemoryBackEnd::block(const Vm& vm) {
  unblock(vm.uuid);  // its addresses may have changed
  for (const auto& address : vm.addresses) firewall_.block(address);
  blocked_[vm.uuid] = vm.addresses;
  return {};
}

void MemoryBackEnd::unblock(const Uuid& vm) {
  auto found = blocked_.find(vm);
  if (found == blocked_.end()) return;
  for (const auto& address : found->second) firewall_.unblock(address);
  blocked_.erase(found);
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_exchanged_table.h"

#include <utility>

namespace vmmig {

namespace {

using Tables = std::span<LinuxExchangedTable* const>;
using Parts = std::vector<std::pair<LinuxExchangedTable*, ExchangePart>>;

Parts divide(Tables tables, const Exchange& exchange, bool rehearsal) {
  Parts parts;
  for (auto* table : tables) {
    ExchangePart part;
    part.rehearsal = rehearsal;
    part.isUndo = exchange.isUndo;
    for (const auto& row : exchange.remove)
      if (&row.table() == &table->table()) part.remove.push_back(&row);
    for (std::size_t i = 0; i < exchange.create.size(); ++i)
      if (&exchange.create[i].table() == &table->table()) part.create.push_back({&exchange.create[i], i});
    if (!part.remove.empty() || !part.create.empty()) parts.emplace_back(table, std::move(part));
  }
  return parts;
}

std::optional<Refusal> stageAll(NftTransaction& transaction, const Parts& parts, const Vm& vm) {
  for (const auto& [table, part] : parts)
    if (auto refusal = table->stage(transaction, vm, part)) return refusal;
  return std::nullopt;
}

std::optional<Refusal> runAll(Nft& nft, const Parts& parts, const Vm& vm) {
  NftTransaction transaction;
  if (auto refusal = stageAll(transaction, parts, vm)) return refusal;
  std::vector<LinuxExchangedTable*> begun;
  std::optional<Refusal> refusal;
  for (const auto& [table, part] : parts) {
    refusal = table->beginOther(vm, part);
    if (refusal) break;
    begun.push_back(table);
  }
  if (!refusal) refusal = transaction.run(nft);
  if (refusal)
    for (auto table = begun.rbegin(); table != begun.rend(); ++table) (*table)->undoOther(vm);
  return refusal;
}

}  // namespace

std::optional<Refusal> exchange(Nft& nft, Tables tables, const Vm& vm, const Exchange& exchange) {
  return runAll(nft, divide(tables, exchange, false), vm);
}

std::optional<Refusal> rehearse(Nft& nft, Tables tables, const Vm& vm, const Exchange& exchange) {
  auto parts = divide(tables, exchange, true);
  NftTransaction transaction;
  if (auto refusal = stageAll(transaction, parts, vm)) return refusal;
  for (const auto& [table, part] : parts)
    if (auto refusal = table->rehearseOther(vm, part)) return refusal;
  return transaction.run(nft, Nft::Mode::check);
}

BatchResult LinuxExchangedTable::create(const Vm& vm, std::span<const AnyRow> rows) {
  LinuxExchangedTable* self = this;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (auto refusal = vmmig::exchange(nft_, {&self, 1}, vm, {{}, rows.subspan(i, 1)})) return {i, refusal->error};
  return {rows.size(), std::nullopt};
}

Status LinuxExchangedTable::replace(const Vm& vm, const AnyRow& row) {
  auto before = find(vm, row);
  if (!before) return failure(before.error());
  if (!*before)
    return failure(SnmpStatus::inconsistentName,
                   std::string{row.table().entry} + " " + toString(row.index()) + " of VM " + vm.label() + " does not exist");
  LinuxExchangedTable* self = this;
  if (auto refusal = vmmig::exchange(nft_, {&self, 1}, vm, {{&**before, 1}, {&row, 1}})) return failure(refusal->error);
  return {};
}

BatchResult LinuxExchangedTable::remove(const Vm& vm, std::span<const AnyRow> keys) {
  LinuxExchangedTable* self = this;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto row = find(vm, keys[i]);
    if (!row) return {i, row.error()};
    if (!*row) continue;
    if (auto refusal = vmmig::exchange(nft_, {&self, 1}, vm, {{&**row, 1}, {}})) return {i, refusal->error};
  }
  return {keys.size(), std::nullopt};
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_counter_table.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "mibs/labels.h"

namespace vmmig {

namespace {

std::unique_ptr<LinuxCounter> makeCounter(Nft& nft, const CounterSource& source) {
  switch (source.kind) {
    case CounterKind::halfOpen: return makeHalfOpenCounter(nft, source);
    case CounterKind::element: return makeElementCounter(nft, source);
    default: return makeNamedCounter(nft, source);
  }
}

}  // namespace

// --- what all kinds share ---------------------------------------------------------------------------------------------

CounterRow LinuxCounter::rowOf(const Vm& vm) const {
  CounterRow row;
  row.uuid = vm.uuid;
  row.name.value = source_.name;
  row.kind = source_.kind;
  return row;
}

std::string LinuxCounter::subject(const CounterRow& row) const {
  return "counter " + row.name.value + (row.isHead() ? "" : ", member " + row.member.value);
}

tl::unexpected<Error> LinuxCounter::refused(const CounterRow& row, SnmpStatus status, const std::string& why) const {
  return failure(status, subject(row) + ": " + why);
}

CheckRow LinuxCounter::checkTable() {
  auto name = "counter " + source_.name;
  auto table = source_.object.family + " " + source_.object.table;
  Nft::Listing listing;
  listing.hasElements = false;
  auto found = nft_.list("list table " + table, listing);
  if (found) return finding(name, Health::up, "each VM has an object of its own: " + table + " " + source_.object.name);
  return finding(name, Health::degraded, "the table " + table + " does not exist",
                 "nft add table " + table + ", or mend counter = in vmmigd.conf");
}

// --- the table --------------------------------------------------------------------------------------------------------

LinuxCounterTable::LinuxCounterTable(Nft& nft, const std::vector<CounterSource>& sources) : LinuxExchangedTable(nft) {
  for (const auto& source : sources) counters_.push_back(makeCounter(nft, source));
}

LinuxCounter* LinuxCounterTable::counterOf(const CounterRow& row) const {
  auto found =
      std::find_if(counters_.begin(), counters_.end(), [&](const auto& each) { return each->source().name == row.name.value; });
  return found == counters_.end() ? nullptr : found->get();
}

std::unique_ptr<RowCursor> LinuxCounterTable::read(const Vm& vm) {
  return readAtOnce([this, vm]() -> Result<std::vector<AnyRow>> {
    std::vector<AnyRow> all;
    for (const auto& counter : counters_) {
      auto rows = counter->rows(vm);
      if (!rows) return failure(rows.error());
      std::move(rows->begin(), rows->end(), std::back_inserter(all));
    }
    return all;
  });
}

Result<std::optional<AnyRow>> LinuxCounterTable::find(const Vm& vm, const AnyRow& key) {
  auto* counter = counterOf(key.as<CounterRow>());
  if (!counter || vmOf(key) != vm.uuid) return std::optional<AnyRow>{};
  auto rows = counter->rows(vm);
  if (!rows) return failure(rows.error());
  for (auto& row : *rows)
    if (row.member == key.as<CounterRow>().member) return std::optional<AnyRow>{std::move(row)};
  return std::optional<AnyRow>{};
}

Status LinuxCounterTable::checkName(const Vm& vm, const CounterRow& row) const {
  if (row.uuid != vm.uuid) return failure(SnmpStatus::inconsistentName, "vmMigVmUuid is not that of VM " + vm.label());
  if (auto status = checkCounter(&row, vm.addresses); !status) return status;
  auto* counter = counterOf(row);
  auto name = "counter " + row.name.value + ": ";
  if (!counter)
    return failure(SnmpStatus::inconsistentName,
                   name + "this device has no counter of that name; name it with counter = in vmmigd.conf");
  const auto& source = counter->source();
  if (row.kind != source.kind)
    return failure(SnmpStatus::inconsistentValue,
                   name + "vmMigCounterKind is " + labelOf(source.kind) + " on this device, and not " + labelOf(row.kind));
  if (source.object.isPerVm() && vm.name.empty())
    return failure(SnmpStatus::inconsistentValue,
                   name + "VM " + vm.label() + " has no name, of which that of the object is made: set vmMigVmName");
  return {};
}

Status LinuxCounterTable::check(const Vm& vm, const AnyRow& any) {
  auto row = completed(any.as<CounterRow>());
  auto status = checkName(vm, row);
  return status ? counterOf(row)->check(vm, row) : status;
}

std::optional<Refusal> LinuxCounterTable::stage(NftTransaction& transaction, const Vm& vm, const ExchangePart& part) {
  std::map<LinuxCounter*, CounterPart> parts;
  for (const auto* any : part.remove) {
    const auto& row = any->as<CounterRow>();
    if (auto* counter = counterOf(row)) parts[counter].remove.push_back(&row);
  }
  for (const auto& created : part.create) {
    auto row = completed(created.row->as<CounterRow>());
    if (auto status = checkName(vm, row); !status) return Refusal{status.error(), created.number};
    parts[counterOf(row)].create.push_back({std::move(row), created.number});
  }
  for (const auto& counter : counters_)
    if (auto found = parts.find(counter.get()); found != parts.end())
      if (auto refusal = counter->stage(transaction, vm, found->second)) return refusal;
  return std::nullopt;
}

std::vector<CheckRow> LinuxCounterTable::checks() {
  std::vector<CheckRow> rows;
  for (const auto& counter : counters_) rows.push_back(counter->check());
  return rows;
}

}  // namespace vmmig

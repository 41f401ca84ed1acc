// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/memory_table.h"

#include "mibs/acl_table.h"
#include "mibs/counter_table.h"
#include "subagent/memory_follower.h"
#include "subagent/transfer_clock.h"

namespace vmmig {

namespace {

constexpr std::size_t rowsPerBatch = 256;
/// Of a row that leaves its timeout to the device (written 0).
constexpr std::uint32_t ownTimeout = 120;

class SnapshotCursor final : public RowCursor {
 public:
  explicit SnapshotCursor(std::vector<AnyRow> rows) : rows_(std::move(rows)) {}
  Result<bool> next(std::vector<AnyRow>& rows) override {
    if (at_ == rows_.size()) return false;
    for (auto end = std::min(rows_.size(), at_ + rowsPerBatch); at_ < end; ++at_) rows.emplace_back(std::move(rows_[at_]));
    return true;
  }

 private:
  std::vector<AnyRow> rows_;
  std::size_t at_ = 0;
};

AnyRow completed(AnyRow row) {
  if (&row.table() == &TableOf<AclRow>::info) return completed(row.as<AclRow>());
  if (&row.table() == &TableOf<CounterRow>::info) return completed(row.as<CounterRow>());
  return row;
}

/// The row as the device keeps it: what is left out is filled in, what only the device can say is not taken from others.
AnyRow kept(const AnyRow& given) {
  auto row = completed(given);
  const AnyRow defaults{row.table()};
  for (const auto& column : row.table().values()) {
    bool isOwn = column.access == Access::readOnly;
    if (isOwn) row.set(column, defaults.get(column));
    // A default of 0 says that the device has a timeout of its own (0 elsewhere: that nothing is left).
    bool isLeftOut = column.carry == Carry::clock && defaults.get(column).number == 0 && row.get(column).number == 0;
    if (isLeftOut) row.set(column, smi::Value::gauge(ownTimeout));
  }
  return row;
}

}  // namespace

std::unique_ptr<RowCursor> cursorOver(std::vector<AnyRow> rows) { return std::make_unique<SnapshotCursor>(std::move(rows)); }

std::string MemoryTable::describe(const Vm& vm, const AnyRow& row) const {
  return std::string{table_.entry} + " " + toString(row.index()) + " of VM " + vm.label();
}

MemoryTable::Entry MemoryTable::entryFor(const AnyRow& row) const {
  Entry entry{kept(row), device_.now(), std::nullopt};
  if (auto life = remainingLifeSeconds(entry.row)) entry.ends = entry.changed + std::chrono::seconds{*life};
  return entry;
}

AnyRow MemoryTable::shown(const Entry& entry) {
  auto row = entry.row;
  age(row, device_.now() - entry.changed);
  show(row);
  return row;
}

void MemoryTable::expire() {
  std::erase_if(rows_, [this](const auto& item) { return hasEnded(item.second); });
}

std::size_t MemoryTable::size() {
  expire();
  return rows_.size();
}

std::vector<AnyRow> MemoryTable::rowsOf(const Uuid& vm) {
  expire();
  Oid prefix;
  Codec<Uuid>::appendIndex(prefix, vm);
  std::vector<AnyRow> rows;
  for (auto item = rows_.lower_bound(prefix); item != rows_.end() && vmOf(item->second.row) == vm; ++item)
    rows.push_back(shown(item->second));
  return rows;
}

std::unique_ptr<RowCursor> MemoryTable::read(const Vm& vm) { return cursorOver(rowsOf(vm.uuid)); }

std::unique_ptr<RowFollower> MemoryTable::follow(const Vm& vm, KnownRows) {
  // What packets change here, as on a real device, nothing tells.
  if (isExchanged_) return nullptr;
  return followerOver([this, uuid = vm.uuid] { return rowsOf(uuid); }, device_.now);
}

Result<std::optional<AnyRow>> MemoryTable::find(const Vm& vm, const AnyRow& key) {
  auto found = rows_.find(key.index());
  if (found == rows_.end() || vmOf(found->second.row) != vm.uuid) return std::nullopt;
  if (hasEnded(found->second)) {
    rows_.erase(found);
    return std::nullopt;
  }
  return std::optional{shown(found->second)};
}

Status MemoryTable::check(const Vm& vm, const AnyRow& row) {
  if (vmOf(row) != vm.uuid) return failure(SnmpStatus::inconsistentName, describe(vm, row) + " is the row of another VM");
  if (!table_.check) return {};
  if (auto status = table_.check(row.data(), vm.addresses); !status)
    return failure(status.error().status, describe(vm, row) + ": " + status.error().text);
  return {};
}

Status MemoryTable::createOne(const Vm& vm, const AnyRow& row) {
  if (auto status = check(vm, row); !status) return status;
  if (find(vm, row).value()) return failure(SnmpStatus::inconsistentName, describe(vm, row) + " exists already: remove it first");
  if (device_.isFull())
    return failure(SnmpStatus::resourceUnavailable, "no room for " + describe(vm, row) + ": all rows of this device are in use");
  if (auto status = admit(vm, row); !status) return status;
  rows_.emplace(row.index(), entryFor(row));
  return {};
}

BatchResult MemoryTable::create(const Vm& vm, std::span<const AnyRow> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (auto status = createOne(vm, rows[i]); !status) return {i, status.error()};
  return {rows.size(), std::nullopt};
}

Status MemoryTable::replace(const Vm& vm, const AnyRow& row) {
  if (auto status = check(vm, row); !status) return status;
  if (!find(vm, row).value()) return failure(SnmpStatus::inconsistentName, describe(vm, row) + " does not exist");
  rows_.insert_or_assign(row.index(), entryFor(row));
  return {};
}

BatchResult MemoryTable::remove(const Vm& vm, std::span<const AnyRow> keys) {
  for (const auto& key : keys)
    if (find(vm, key).value()) rows_.erase(key.index());
  return {keys.size(), std::nullopt};
}

}  // namespace vmmig

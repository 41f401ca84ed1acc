// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/device_table_store.h"

#include <algorithm>

#include "common/log.h"

namespace vmmig {

namespace {

using namespace std::chrono_literals;

// A walk sees rows of this age at most, or its copies would cost more than a tenth of the time.
constexpr auto leastLife = 500ms;
constexpr int lifePerCost = 10;
// A count rides along with every read of the VM's row, and may cost a hundredth.
constexpr int countLifePerCost = 100;
constexpr auto dropAfter = 10s;

}  // namespace

DeviceTableStore::~DeviceTableStore() {
  if (dropTimer_) loop_.cancel(*dropTimer_);
}

const VmRow* DeviceTableStore::tracked(const Uuid& vm) const {
  const auto* row = registry_.find(vm);
  return row && row->tracked ? row : nullptr;
}

Result<std::optional<AnyRow>> DeviceTableStore::find(const AnyRow& key) {
  auto uuid = vmOf(key);
  if (!tracked(uuid)) return std::nullopt;
  return backEnd_.find(registry_.get(uuid), key);
}

Result<std::optional<AnyRow>> DeviceTableStore::next(OidSpan after) {
  for (const auto& [uuid, row] : registry_.vms()) {
    Oid prefix;
    Codec<Uuid>::appendIndex(prefix, uuid);
    if (!row.tracked || compare(prefix, after.first(std::min(after.size(), prefix.size()))) < 0) continue;
    auto copy = copyOf(registry_.get(uuid));
    if (!copy) return failure(copy.error());
    const auto& rows = (*copy)->rows;
    auto found = std::upper_bound(rows.begin(), rows.end(), after,
                                  [](OidSpan oid, const auto& entry) { return compare(oid, entry.first) < 0; });
    if (found != rows.end()) return found->second;
  }
  return std::nullopt;
}

Result<const DeviceTableStore::Copy*> DeviceTableStore::copyOf(const Vm& vm) {
  walked_ = true;
  if (!dropTimer_) dropLater();
  auto found = copies_.find(vm.uuid);
  // After the last read of a transfer, or its commit, an older copy would be a lie.
  bool isGood =
      found != copies_.end() && now_() < found->second.goodUntil && found->second.generation == registry_.generation(vm.uuid);
  if (isGood) return &found->second;
  auto copy = readRows(vm);
  if (!copy) return failure(copy.error());
  return &copies_.insert_or_assign(vm.uuid, std::move(*copy)).first->second;
}

Result<DeviceTableStore::Copy> DeviceTableStore::readRows(const Vm& vm) {
  auto started = now_();
  auto cursor = backEnd_.read(vm);
  std::vector<AnyRow> rows;
  while (true) {
    auto more = cursor->next(rows);
    if (!more) return failure(more.error());
    if (!*more) break;
  }
  Copy copy;
  copy.generation = registry_.generation(vm.uuid);
  copy.rows.reserve(rows.size());
  for (auto& row : rows) {
    auto index = row.index();
    copy.rows.emplace_back(std::move(index), std::move(row));
  }
  const auto byIndex = [](const auto& a, const auto& b) { return a.first < b.first; };
  const auto sameIndex = [](const auto& a, const auto& b) { return a.first == b.first; };
  std::sort(copy.rows.begin(), copy.rows.end(), byIndex);
  // A device that is read while it changes may show a row twice.
  copy.rows.erase(std::unique(copy.rows.begin(), copy.rows.end(), sameIndex), copy.rows.end());
  copy.made = now_();
  auto cost = copy.made - started;
  copy.goodUntil = copy.made + std::max<Clock::duration>(leastLife, lifePerCost * cost);
  noteCount(vm.uuid, static_cast<std::uint32_t>(copy.rows.size()), cost);
  return copy;
}

/// Of all VMs, as it costs hardly more than of one.
Status DeviceTableStore::countAll() {
  std::vector<Vm> vms;
  for (const auto& [uuid, row] : registry_.vms())
    if (row.tracked) vms.push_back(registry_.get(uuid));
  auto started = now_();
  auto counted = backEnd_.count(vms);
  if (!counted) return failure(counted.error());
  auto cost = now_() - started;
  for (std::size_t i = 0; i < vms.size(); ++i) noteCount(vms[i].uuid, (*counted)[i], cost);
  return {};
}

void DeviceTableStore::noteCount(const Uuid& vm, std::uint32_t rows, Clock::duration cost) {
  counts_[vm] = {rows, now_() + std::max<Clock::duration>(leastLife, countLifePerCost * cost), registry_.generation(vm)};
}

void DeviceTableStore::dropLater() {
  dropTimer_ = loop_.after(dropAfter, [this] {
    dropTimer_.reset();
    if (std::exchange(walked_, false)) return dropLater();
    copies_.clear();
    std::erase_if(counts_, [this](const auto& entry) { return !registry_.find(entry.first); });
  });
}

std::uint32_t DeviceTableStore::count(const Vm& vm) {
  if (!tracked(vm.uuid)) return 0;
  auto found = counts_.find(vm.uuid);
  bool isGood =
      found != counts_.end() && now_() < found->second.goodUntil && found->second.generation == registry_.generation(vm.uuid);
  if (isGood) return found->second.rows;
  auto counted = countAll();
  if (counted) return counts_[vm.uuid].rows;
  log::warning("the rows of VM " + vm.label() + " cannot be counted: " + counted.error().text);
  return 0;
}

Status DeviceTableStore::check(const Change& change) {
  auto uuid = vmOf(change.after);
  const auto* row = registry_.find(uuid);
  if (!row)
    return failure(SnmpStatus::inconsistentName,
                   "VM " + toString(uuid) + " is not known here; create its row in vmMigVmTable first");
  if (!row->tracked)
    return failure(SnmpStatus::inconsistentName, "VM " + toString(uuid) + " is not tracked here; set vmMigVmTracked first");
  if (change.kind == Change::Kind::remove) return {};
  if (change.before)
    for (const auto& column : table().values())
      if (column.isFixed && !column.equal(change.before->data(), change.after.data()))
        return failure(SnmpStatus::inconsistentValue, std::string{column.name} +
                                                          " cannot change once the row is active: destroy the row, and create it "
                                                          "with the other value");
  return backEnd_.check(registry_.get(uuid), change.after);
}

Status DeviceTableStore::apply(const Change& change) {
  auto vm = registry_.get(vmOf(change.after));
  copies_.erase(vm.uuid);
  counts_.erase(vm.uuid);
  const auto checked = [](const BatchResult& result) -> Status {
    return result.error ? Status{failure(*result.error)} : Status{};
  };
  switch (change.kind) {
    case Change::Kind::create: return checked(backEnd_.create(vm, {&change.after, 1}));
    case Change::Kind::replace: return backEnd_.replace(vm, change.after);
    case Change::Kind::remove: break;
  }
  return checked(backEnd_.remove(vm, {&change.after, 1}));
}

}  // namespace vmmig

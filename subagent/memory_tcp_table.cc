// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/memory_tcp_table.h"

#include "subagent/memory_follower.h"

namespace vmmig {

namespace {

std::string describe(const TcpConnRow& row) {
  return "TCP connection " + toString(row.localAddress) + " port " + std::to_string(row.localPort) + " with " +
         toString(row.remAddress) + " port " + std::to_string(row.remPort);
}

}  // namespace

std::vector<AnyRow> MemoryTcpTable::rowsOf(const Vm& vm) {
  std::vector<AnyRow> rows;
  for (auto& row : firewall_.rowsOf(vm)) rows.emplace_back(std::move(row));
  return rows;
}

std::unique_ptr<RowCursor> MemoryTcpTable::read(const Vm& vm) { return cursorOver(rowsOf(vm)); }

std::unique_ptr<RowFollower> MemoryTcpTable::follow(const Vm& vm, KnownRows) {
  return followerOver([this, vm] { return rowsOf(vm); }, device_.now);
}

Result<std::optional<AnyRow>> MemoryTcpTable::find(const Vm& vm, const AnyRow& key) {
  auto row = firewall_.find(vm, key.as<TcpConnRow>());
  return row ? std::optional<AnyRow>{std::move(*row)} : std::nullopt;
}

Status MemoryTcpTable::check(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<TcpConnRow>();
  if (auto status = checkTcpConn(vm, row); !status) return status;
  if (row.storageType != StorageType::volatile_)
    return failure(SnmpStatus::wrongValue, "vmMigTcpConnStorageType can only be volatile: this device forgets when it restarts");
  return {};
}

Status MemoryTcpTable::createOne(const Vm& vm, const AnyRow& any) {
  if (auto status = check(vm, any); !status) return status;
  const auto& row = any.as<TcpConnRow>();
  if (device_.isFull())
    return failure(SnmpStatus::resourceUnavailable,
                   "no room for " + describe(row) + " of VM " + vm.label() + ": all rows of this device are in use");
  if (!firewall_.insert(row))
    return failure(SnmpStatus::inconsistentName, describe(row) + " of VM " + vm.label() + " is tracked already: remove it first");
  return {};
}

BatchResult MemoryTcpTable::create(const Vm& vm, std::span<const AnyRow> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (auto status = createOne(vm, rows[i]); !status) return {i, status.error()};
  return {rows.size(), std::nullopt};
}

Status MemoryTcpTable::replace(const Vm& vm, const AnyRow& row) {
  if (auto status = check(vm, row); !status) return status;
  auto before = find(vm, row).value();
  if (!before)
    return failure(SnmpStatus::inconsistentName, describe(row.as<TcpConnRow>()) + " of VM " + vm.label() + " is not tracked");
  firewall_.erase(row.as<TcpConnRow>());
  if (firewall_.insert(row.as<TcpConnRow>())) return {};
  firewall_.insert(before->as<TcpConnRow>());
  return failure(SnmpStatus::inconsistentValue, "the translation of " + describe(row.as<TcpConnRow>()) + " of VM " + vm.label() +
                                                    " belongs to another connection: change vmMigTcpConnNatLocalPort");
}

BatchResult MemoryTcpTable::remove(const Vm& vm, std::span<const AnyRow> keys) {
  for (const auto& key : keys)
    if (find(vm, key).value()) firewall_.erase(key.as<TcpConnRow>());
  return {keys.size(), std::nullopt};
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/memory_back_end.h"

namespace vmmig {

namespace {

constexpr std::size_t rowsPerBatch = 256;

/// Over the rows as they were when it was made: a model has no need for more.
class SnapshotCursor final : public RowCursor {
 public:
  explicit SnapshotCursor(std::vector<TcpConnRow> rows) : rows_(std::move(rows)) {}
  Result<bool> next(std::vector<AnyRow>& rows) override {
    if (at_ == rows_.size()) return false;
    for (auto end = std::min(rows_.size(), at_ + rowsPerBatch); at_ < end; ++at_) rows.emplace_back(std::move(rows_[at_]));
    return true;
  }

 private:
  std::vector<TcpConnRow> rows_;
  std::size_t at_ = 0;
};

std::string describe(const TcpConnRow& row) {
  return "TCP connection " + toString(row.localAddress) + " port " + std::to_string(row.localPort) + " with " +
         toString(row.remAddress) + " port " + std::to_string(row.remPort);
}

}  // namespace

class MemoryBackEnd::TcpTable final : public TableBackEnd {
 public:
  explicit TcpTable(MemoryBackEnd& device) : device_(device) {}
  const TableInfo& table() const override { return TableOf<TcpConnRow>::info; }

  InetAddress peerOf(const AnyRow& row) const override { return row.as<TcpConnRow>().remAddress; }

  std::unique_ptr<RowCursor> read(const Vm& vm) override {
    return std::make_unique<SnapshotCursor>(device_.firewall_.rowsOf(vm));
  }

  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override {
    auto row = device_.firewall_.find(vm, key.as<TcpConnRow>());
    return row ? std::optional<AnyRow>{std::move(*row)} : std::nullopt;
  }

  Status check(const Vm& vm, const AnyRow& row) override;
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override;
  Status replace(const Vm& vm, const AnyRow& row) override;

  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override {
    for (const auto& key : keys)
      if (find(vm, key).value()) device_.firewall_.erase(key.as<TcpConnRow>());
    return {keys.size(), std::nullopt};
  }

 private:
  Status createOne(const Vm& vm, const AnyRow& row);
  MemoryBackEnd& device_;
};

Status MemoryBackEnd::TcpTable::check(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<TcpConnRow>();
  if (auto status = checkTcpConn(vm, row); !status) return status;
  if (row.storageType != StorageType::volatile_)
    return failure(SnmpStatus::wrongValue, "vmMigTcpConnStorageType can only be volatile: this device forgets when it restarts");
  bool isZero = !(row.seqNumber | row.ackNumber | row.remSeqNumber | row.remAckNumber | row.localMaxEnd | row.remMaxEnd |
                  row.localMaxWindow | row.remMaxWindow);
  if (!row.windowKnown && !isZero)
    return failure(SnmpStatus::inconsistentValue,
                   "vmMigTcpConnWindowKnown is false, but sequence numbers or windows are given: set it to true with them");
  return {};
}

Status MemoryBackEnd::TcpTable::createOne(const Vm& vm, const AnyRow& any) {
  if (auto status = check(vm, any); !status) return status;
  const auto& row = any.as<TcpConnRow>();
  if (device_.firewall_.isFull())
    return failure(SnmpStatus::resourceUnavailable, "no room for " + describe(row) + " of VM " + vm.label() + ": all " +
                                                        std::to_string(device_.maxRows()) + " rows of this device are in use");
  if (!device_.firewall_.insert(row))
    return failure(SnmpStatus::inconsistentName, describe(row) + " of VM " + vm.label() + " is tracked already: remove it first");
  return {};
}

BatchResult MemoryBackEnd::TcpTable::create(const Vm& vm, std::span<const AnyRow> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (auto status = createOne(vm, rows[i]); !status) return {i, status.error()};
  return {rows.size(), std::nullopt};
}

Status MemoryBackEnd::TcpTable::replace(const Vm& vm, const AnyRow& row) {
  if (auto status = check(vm, row); !status) return status;
  auto before = find(vm, row).value();
  if (!before)
    return failure(SnmpStatus::inconsistentName, describe(row.as<TcpConnRow>()) + " of VM " + vm.label() + " is not tracked");
  device_.firewall_.erase(row.as<TcpConnRow>());
  if (device_.firewall_.insert(row.as<TcpConnRow>())) return {};
  device_.firewall_.insert(before->as<TcpConnRow>());
  return failure(SnmpStatus::inconsistentValue, "the translation of " + describe(row.as<TcpConnRow>()) + " of VM " + vm.label() +
                                                    " belongs to another connection: change vmMigTcpConnNatLocalPort");
}

MemoryBackEnd::MemoryBackEnd(std::uint32_t maxRows, MemoryFirewall::Now now)
    : firewall_(maxRows, std::move(now)), tcpTable_(std::make_unique<TcpTable>(*this)), tables_{tcpTable_.get()} {}

MemoryBackEnd::~MemoryBackEnd() = default;

Bits<Capability> MemoryBackEnd::capabilities() const {
  Bits<Capability> result;
  for (auto each : {Capability::tcpConn, Capability::block, Capability::windowRead, Capability::windowWrite}) result.set(each);
  return result;
}

HealthReport MemoryBackEnd::health() {
  if (!firewall_.isFull()) return {};
  return {Health::degraded, "all " + std::to_string(maxRows()) + " rows are in use: new connections are refused"};
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

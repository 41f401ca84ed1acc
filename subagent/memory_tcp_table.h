// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigTcpConnTable of the back end `memory`: the connections of its model firewall.
#pragma once

#include "subagent/memory_firewall.h"
#include "subagent/memory_table.h"

namespace vmmig {

class MemoryTcpTable final : public TableBackEnd {
 public:
  MemoryTcpTable(MemoryFirewall& firewall, MemoryDevice device) : firewall_(firewall), device_(std::move(device)) {}
  const TableInfo& table() const override { return TableOf<TcpConnRow>::info; }
  InetAddress peerOf(const AnyRow& row) const override { return row.as<TcpConnRow>().remAddress; }

  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  std::unique_ptr<RowFollower> follow(const Vm& vm, KnownRows) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override;
  Status replace(const Vm& vm, const AnyRow& row) override;
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override;

 private:
  std::vector<AnyRow> rowsOf(const Vm& vm);
  Status createOne(const Vm& vm, const AnyRow& row);
  MemoryFirewall& firewall_;
  MemoryDevice device_;
};

}  // namespace vmmig

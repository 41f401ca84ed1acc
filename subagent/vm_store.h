// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigVmTable and vmMigVmAddressTable: VmRegistry as SNMP sees and changes it.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "subagent/row_store.h"
#include "subagent/vm_registry.h"

namespace vmmig {

/// What the two tables need to know of the rest of the agent. Every function is set.
struct VmContext {
  /// A transfer of this VM is under way: neither what tells its state from that of others nor its addresses may change.
  std::function<bool(const Uuid&)> isBusy;
  std::function<bool(const Uuid&)> isBlocked;
  std::function<std::uint32_t(const Vm&)> tcpConns;
  /// The registry has changed, and the PDU that changed it has succeeded.
  std::function<void()> changed;
  /// Objects of the device are called by the names of VMs (resources.h), so no two VMs can have the same.
  bool areNamesKeys = false;
};

class VmStore final : public RowStore {
 public:
  static constexpr std::size_t maxVms = 4096;

  VmStore(VmRegistry& registry, VmContext context) : registry_(registry), context_(std::move(context)) {}

  const TableInfo& table() const override { return TableOf<VmRow>::info; }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override;
  Result<std::optional<AnyRow>> next(OidSpan after) override;
  Status check(const Change& change) override;
  Status apply(const Change& change) override;
  void settle(const Change& change) override;
  smi::Value value(const AnyRow& row, const ColumnInfo& column) override;

 private:
  VmRow complete(VmRow row) const;
  Status checkName(const VmRow& row) const;
  void remove(const Uuid& vm);

  VmRegistry& registry_;
  VmContext context_;
  // What went with a VM's row, for the undo.
  std::map<Uuid, std::vector<VmAddressRow>> removedAddresses_;
};

class VmAddressStore final : public RowStore {
 public:
  static constexpr std::size_t maxAddressesPerVm = 256;

  VmAddressStore(VmRegistry& registry, VmContext context) : registry_(registry), context_(std::move(context)) {}

  const TableInfo& table() const override { return TableOf<VmAddressRow>::info; }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override;
  Result<std::optional<AnyRow>> next(OidSpan after) override;
  Status check(const Change& change) override;
  Status apply(const Change& change) override;
  void settle(const Change&) override { context_.changed(); }

 private:
  Status checkOwner(const VmAddressRow& row) const;

  VmRegistry& registry_;
  VmContext context_;
};

/// What any row of vmMigVmAddressTable must fulfil, wherever it comes from.
Status checkAddressRow(const VmAddressRow& row);

}  // namespace vmmig

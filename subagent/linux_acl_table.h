// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigAclTable: the elements of the operator's nftables sets and maps that concern a VM.
#pragma once

#include <map>

#include "subagent/linux_exchanged_table.h"
#include "subagent/linux_nft_elements.h"
#include "subagent/resources.h"

namespace vmmig {

class LinuxAclTable final : public LinuxExchangedTable {
 public:
  LinuxAclTable(Nft& nft, std::vector<AclList> lists) : LinuxExchangedTable(nft), lists_(std::move(lists)), sets_(nft) {}

  const TableInfo& table() const override { return TableOf<AclRow>::info; }
  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  /// Another address in the match, which may be another VM's.
  InetAddress peerOf(const AnyRow& row) const override;
  std::optional<Refusal> stage(NftTransaction& transaction, const Vm& vm, const ExchangePart& part) override;
  std::vector<CheckRow> checks() override;

 private:
  const AclList* listOf(const AclRow& row) const;
  Result<NftSet> setOf(const Vm& vm, const AclRow& row);
  Result<std::string> createCommand(const Vm& vm, const AclRow& row);
  Result<std::vector<AnyRow>> rowsOf(const Vm& vm, const AclList& list);
  CheckRow checkList(const AclList& list);

  std::vector<AclList> lists_;
  NftSets sets_;
  std::map<Uuid, std::vector<InetAddress>> addresses_;  // of the VMs whose rows were read, for peerOf()
};

}  // namespace vmmig

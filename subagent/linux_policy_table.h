// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigPolicyTable on Linux: what the configuration's policy lines name. A policy is in force, which means in the kernel, while
// all its pieces are there; the pieces of one that is not complete are kept here.
#pragma once

#include "subagent/linux_exchanged_table.h"
#include "subagent/linux_policy_chain.h"
#include "subagent/linux_policy_pieces.h"
#include "subagent/linux_tc.h"

namespace vmmig {

class LinuxPolicyTable final : public LinuxExchangedTable {
 public:
  LinuxPolicyTable(Nft& nft, std::vector<PolicySource> sources);

  const TableInfo& table() const override { return TableOf<PolicyRow>::info; }
  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  /// PolicyPieces of a policy that is not in force stay where they are.
  bool moves(const AnyRow& row) const override;
  std::vector<CheckRow> checks() override;

  std::optional<Refusal> stage(NftTransaction& transaction, const Vm& vm, const ExchangePart& part) override;
  std::optional<Refusal> beginOther(const Vm& vm, const ExchangePart& part) override;
  void undoOther(const Vm& vm) override;
  std::optional<Refusal> rehearseOther(const Vm& vm, const ExchangePart& part) override;

  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override;
  Status replace(const Vm& vm, const AnyRow& row) override;
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override;

  Result<std::vector<AnyRow>> rowsOf(const Vm& vm);

 private:
  using Key = std::pair<Uuid, std::string>;
  struct Source {
    PolicySource line;
    std::uint32_t order;
    LinuxPolicyChain chain;
    Source(Nft& nft, PolicySource policy, std::uint32_t place) : line(std::move(policy)), order(place), chain(nft, line) {}
  };
  /// What becomes of one policy of a VM.
  struct Plan {
    Source* source;
    std::optional<std::string> before;  // its text in the kernel
    std::optional<std::string> after;
    PolicyPieces pending;  // what is kept here afterwards
    std::size_t row = 0;
  };
  class RowByRow;

  Source* sourceOf(const std::string& name);
  std::string subjectOf(const Source& source, const Vm& vm) const;
  Result<std::optional<std::string>> textOf(Source& source, const Vm& vm) const;
  Result<PolicyPieces> piecesOf(Source& source, const Vm& vm);
  Result<std::vector<Plan>> plan(const Vm& vm, const ExchangePart& part, std::size_t& row);
  static Status changePieces(PolicyPieces& pieces, const Source& source, const ExchangePart& part, std::size_t& row);
  Status settle(Plan& plan, const Vm& vm, const PolicyPieces& pieces, const ExchangePart& part) const;
  Status stageOne(NftTransaction& transaction, const Vm& vm, Plan& plan);
  void keep(const Key& key, PolicyPieces pieces);
  void checkMaps(Source& source, std::vector<CheckRow>& rows);

  std::vector<std::unique_ptr<Source>> sources_;
  std::map<Key, PolicyPieces> pending_;
  std::vector<Plan> plans_;                                                   // of the exchange that is under way
  std::map<Key, PolicyPieces> undoPending_;                                   // what undoOther() brings back...
  std::vector<std::pair<std::string, std::pair<TcLines, TcLines>>> undoQos_;  // ...and at which port, from what, to what
  bool isRowByRow_ = false;  // SNMP writes pieces one by one, so that a policy can be without some
};

}  // namespace vmmig

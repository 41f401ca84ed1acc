// SPDX-License-Identifier: GPL-2.0-or-later
// Tables whose rows stand in nftables. Whoever changes them says what it takes as commands of one transaction; single rows that
// SNMP writes, and whole exchanges of a transfer over several tables, go the same way.
#pragma once

#include "subagent/finding.h"
#include "subagent/linux_nft.h"

namespace vmmig {

/// The part of an exchange that is one table's.
struct ExchangePart {
  struct Created {
    const AnyRow* row;
    std::size_t number;  // in Exchange::create, for Refusal and NftTransaction
  };
  std::vector<const AnyRow*> remove;
  std::vector<Created> create;
  bool rehearsal = false;
  bool isUndo = false;  // Exchange::isUndo
};

class LinuxExchangedTable : public TableBackEnd {
 public:
  explicit LinuxExchangedTable(Nft& nft) : nft_(nft) {}
  bool isExchanged() const final { return true; }

  /// Adds what the part takes to the transaction. Changes nothing yet.
  virtual std::optional<Refusal> stage(NftTransaction& transaction, const Vm& vm, const ExchangePart& part) = 0;

  /// A medium besides nftables (tc): done before the transaction is run, and taken back when that fails. Does all or nothing.
  virtual std::optional<Refusal> beginOther(const Vm&, const ExchangePart&) { return std::nullopt; }
  virtual void undoOther(const Vm&) {}
  virtual std::optional<Refusal> rehearseOther(const Vm&, const ExchangePart&) { return std::nullopt; }

  /// By stage(): an exchange of this table alone. create() stops at the first row that fails.
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override;
  Status replace(const Vm& vm, const AnyRow& row) override;
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override;

 protected:
  Nft& nft() const { return nft_; }

 private:
  Nft& nft_;
};

/// BackEnd::exchange() and rehearse() over the tables that are exchanged.
std::optional<Refusal> exchange(Nft& nft, std::span<LinuxExchangedTable* const> tables, const Vm& vm, const Exchange& exchange);
std::optional<Refusal> rehearse(Nft& nft, std::span<LinuxExchangedTable* const> tables, const Vm& vm, const Exchange& exchange);

}  // namespace vmmig

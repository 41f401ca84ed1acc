// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigExpectTable over the expectations of the kernel's connection tracking. They are few: FTP has one for each transfer that
// begins, SIP some for each call.
#pragma once

#include "mibs/expect_table.h"
#include "subagent/linux_conntrack_requests.h"

namespace vmmig {

struct ToldExpectation;

class LinuxExpectTable final : public ConntrackTable {
 public:
  const TableInfo& table() const override { return TableOf<ExpectRow>::info; }
  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override;
  Status replace(const Vm& vm, const AnyRow& row) override;

 private:
  class Cursor;
  void addCreation(NetlinkBatch& batch, const AnyRow& row) override;
  void addRemoval(NetlinkBatch& batch, const AnyRow& key) override;
  Result<bool> standsAsMade(const Vm& vm, const AnyRow& row) override;
  std::string describeRow(const Vm& vm, const AnyRow& row) const override;
  Error createError(const Vm& vm, const AnyRow& row, int code) const override;

  Status setLives(const Vm& vm, std::span<const AnyRow> rows);
  /// The expectation under this tuple in this zone, or nothing.
  Result<std::optional<ToldExpectation>> look(const ExpectRow& key);
  Result<std::optional<std::uint16_t>> zoneOf(const ToldExpectation& told);
  Result<std::vector<std::uint16_t>> zonesOfMaster(const ExpectRow& row);
  /// By the addresses that it names, or else by those of its master as they are translated.
  Result<bool> isOf(const Vm& vm, const ExpectRow& row);

  std::vector<std::uint16_t> knownZones_{0};
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Tables of a device that are exchanged (BackEnd::exchange), in memory, and what can go wrong with them.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "mibs/acl_table.h"
#include "mibs/dhcp_binding_table.h"
#include "mibs/policy_table.h"
#include "subagent/back_end.h"
#include "subagent/transfer_text.h"

namespace vmmig::test {

class FakeExchangedTables {
 public:
  /// What goes wrong from now on. Rows by what describe() calls them.
  struct Faults {
    std::set<std::string> refused;  // rows that check(), a rehearsal and an exchange refuse
    std::set<std::string> late;     // rows that only an exchange refuses
    std::string all;                // why nothing can be exchanged or rehearsed
    int gone = 0;                   // so many exchanges and rehearsals: a row to be removed has ended
    bool read = false;
    std::function<void()> before;        // each exchange
    std::function<void(AnyRow&)> alter;  // what is made comes out otherwise
  };

  FakeExchangedTables() {
    for (const auto* info : {&TableOf<AclRow>::info, &TableOf<DhcpBindingRow>::info, &TableOf<PolicyRow>::info})
      tables_.push_back(std::make_unique<Table>(*this, *info));
  }

  Faults faults;
  int exchanges = 0;  // that were done
  int rehearsals = 0;
  std::map<std::pair<std::uint32_t, Oid>, AnyRow> rows;

  void add(AnyRow row) { rows.insert_or_assign(keyOf(row), row); }
  void remove(const AnyRow& row) { rows.erase(keyOf(row)); }
  std::vector<TableBackEnd*> tables() const {
    std::vector<TableBackEnd*> result;
    for (const auto& table : tables_) result.push_back(table.get());
    return result;
  }

  std::optional<Refusal> exchange(const Exchange& exchange) {
    if (faults.before) faults.before();
    auto wanted = rows;
    if (auto refusal = change(wanted, exchange, true)) return refusal;
    rows = std::move(wanted);
    ++exchanges;
    return std::nullopt;
  }
  std::optional<Refusal> rehearse(const Exchange& exchange) {
    ++rehearsals;
    auto wanted = rows;
    return change(wanted, exchange, false);
  }

 private:
  using Rows = decltype(rows);
  static std::pair<std::uint32_t, Oid> keyOf(const AnyRow& row) { return {row.table().subid, row.index()}; }
  static Error error(const AnyRow& row, const std::string& why) { return {SnmpStatus::inconsistentValue, describe(row) + why}; }

  std::optional<Refusal> change(Rows& wanted, const Exchange& exchange, bool isReal) {
    if (!faults.all.empty()) return Refusal{{SnmpStatus::genErr, faults.all}};
    if (faults.gone > 0 && faults.gone--) return Refusal{{SnmpStatus::genErr, "a row has ended meanwhile"}};
    for (const auto& row : exchange.remove)
      if (wanted.erase(keyOf(row)) == 0) return Refusal{error(row, " is not there")};
    for (std::size_t i = 0; i < exchange.create.size(); ++i) {
      auto row = exchange.create[i];
      if (faults.refused.contains(describe(row)) || (isReal && faults.late.contains(describe(row))))
        return Refusal{error(row, " cannot be made: the set is full"), i};
      if (isReal && faults.alter) faults.alter(row);
      if (!wanted.emplace(keyOf(row), row).second) return Refusal{error(row, " is there already"), i};
    }
    for (std::size_t i = 0; isReal && i < exchange.create.size(); ++i)
      if (!isWhole(wanted, exchange.create[i])) return Refusal{error(exchange.create[i], " is not all of its policy"), i};
    return std::nullopt;
  }

  static bool isWhole(const Rows& rows, const AnyRow& any) {
    if (&any.table() != &TableOf<PolicyRow>::info) return true;
    auto piece = any.as<PolicyRow>();
    for (piece.piece.value = 1; piece.piece <= any.as<PolicyRow>().pieces; ++piece.piece.value)
      if (!rows.contains(keyOf(AnyRow{piece}))) return false;
    return true;
  }

  struct Cursor final : RowCursor {
    std::vector<AnyRow> rest;
    bool isBroken = false;
    Result<bool> next(std::vector<AnyRow>& into) override {
      if (isBroken) return failure("the device does not answer");
      for (auto& row : rest) into.push_back(std::move(row));
      return !std::exchange(rest, {}).empty();
    }
  };

  class Table final : public TableBackEnd {
   public:
    Table(FakeExchangedTables& device, const TableInfo& info) : device_(device), info_(info) {}
    const TableInfo& table() const override { return info_; }
    bool isExchanged() const override { return true; }
    std::unique_ptr<RowCursor> read(const Vm& vm) override {
      auto cursor = std::make_unique<Cursor>();
      cursor->isBroken = device_.faults.read;
      for (const auto& [key, row] : device_.rows)
        if (&row.table() == &info_ && vmOf(row) == vm.uuid) cursor->rest.push_back(row);
      return cursor;
    }
    Result<std::optional<AnyRow>> find(const Vm&, const AnyRow& key) override {
      auto found = device_.rows.find(keyOf(key));
      return found == device_.rows.end() ? std::nullopt : std::optional{found->second};
    }
    Status check(const Vm&, const AnyRow& row) override {
      if (device_.faults.refused.contains(describe(row))) return failure(SnmpStatus::inconsistentValue, "there is no such set");
      return {};
    }
    BatchResult create(const Vm&, std::span<const AnyRow>) override {
      return {0, Error{SnmpStatus::genErr, "not by a transfer"}};
    }
    Status replace(const Vm&, const AnyRow&) override { return failure("not by a transfer"); }
    BatchResult remove(const Vm&, std::span<const AnyRow>) override {
      return {0, Error{SnmpStatus::genErr, "not by a transfer"}};
    }

   private:
    FakeExchangedTables& device_;
    const TableInfo& info_;
  };

  std::vector<std::unique_ptr<Table>> tables_;
};

}  // namespace vmmig::test

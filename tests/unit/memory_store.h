// SPDX-License-Identifier: GPL-2.0-or-later
// A RowStore in memory for tests: counts its reads, records what is done to it, and fails when it is told to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "mibs/registry.h"
#include "subagent/row_store.h"

namespace vmmig {

/// What happened in all stores of one test, in order: "create 3", "remove 7"; the number is the last of the row's index.
struct Journal {
  std::vector<std::string> lines;
  /// apply() fails at these steps, counted from 0 over all stores.
  std::vector<std::size_t> failures;
  std::size_t applied = 0;
};

class MemoryStore final : public RowStore {
 public:
  explicit MemoryStore(const TableInfo& table, Journal* journal = nullptr) : table_(table), journal_(journal) {}

  const TableInfo& table() const override { return table_; }

  Result<std::optional<AnyRow>> find(const AnyRow& key) override {
    ++reads;
    if (broken) return failure("the store is broken");
    auto found = rows.find(key.index());
    if (found == rows.end()) return std::nullopt;
    return found->second;
  }

  Result<std::optional<AnyRow>> next(OidSpan after) override {
    ++reads;
    if (broken) return failure("the store is broken");
    auto found = rows.upper_bound(Oid(after.begin(), after.end()));
    if (found == rows.end()) return std::nullopt;
    return found->second;
  }

  Status check(const Change& change) override {
    checked.push_back(change);
    if (refusal) return failure(*refusal);
    return {};
  }

  Status apply(const Change& change) override {
    static constexpr const char* words[] = {"create ", "replace ", "remove "};
    auto index = change.after.index();
    if (journal_) {
      auto step = journal_->applied++;
      journal_->lines.push_back(words[static_cast<int>(change.kind)] + std::to_string(index.back()));
      for (auto each : journal_->failures)
        if (each == step) return failure(SnmpStatus::commitFailed, "told to fail");
    }
    if (change.kind == Change::Kind::remove)
      rows.erase(index);
    else
      rows.insert_or_assign(index, change.after);
    return {};
  }

  void settle(const Change& change) override { settled.push_back(change); }

  void put(AnyRow row) {
    auto index = row.index();
    rows.insert_or_assign(std::move(index), std::move(row));
  }

  std::map<Oid, AnyRow> rows;
  std::vector<Change> checked;
  std::vector<Change> settled;
  std::optional<Error> refusal;
  bool broken = false;
  int reads = 0;

 private:
  const TableInfo& table_;
  Journal* journal_;
};

/// A UUID of zeroes but for its last octet, so that it is short in expectations.
inline Uuid uuidOf(std::uint8_t last) {
  Uuid uuid;
  uuid.octets[15] = last;
  return uuid;
}

/// The OID of a column's instance; empty for an unknown column.
inline Oid nameOf(std::string_view column, OidSpan index) {
  for (const auto* table : mib::tables())
    if (const auto* found = table->column(column)) return mib::oidOf(*table, *found, index);
  return {};
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A table of the back end `memory`: rows by their index, which age and end as their clock columns say. It knows nothing of what
// they mean beyond their table's description; a table with rules of its own derives from it.
#pragma once

#include <functional>
#include <map>

#include "common/event_loop.h"
#include "subagent/back_end.h"

namespace vmmig {

/// What all tables of one device share.
struct MemoryDevice {
  std::function<Clock::time_point()> now = Clock::now;
  std::function<bool()> isFull = [] { return false; };  // all rows that the device has room for are in use
};

class MemoryTable : public TableBackEnd {
 public:
  MemoryTable(const TableInfo& table, MemoryDevice device, bool isExchanged)
      : table_(table), device_(std::move(device)), isExchanged_(isExchanged) {}

  const TableInfo& table() const final { return table_; }
  bool isExchanged() const final { return isExchanged_; }

  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  std::unique_ptr<RowFollower> follow(const Vm& vm, KnownRows) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override;
  Status replace(const Vm& vm, const AnyRow& row) override;
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override;

  /// Rows that have not ended.
  std::size_t size();
  /// The same, or more: counts those that have ended and that nobody has looked for since. Costs nothing.
  std::size_t held() const { return rows_.size(); }

  /// An exchange changes several tables, and takes all back when one refuses.
  struct Entry {
    AnyRow row;
    Clock::time_point changed;
    std::optional<Clock::time_point> ends;
  };
  using Rows = std::map<Oid, Entry>;  // by index: a VM's rows stand together
  Rows copy() const { return rows_; }
  void restore(Rows rows) { rows_ = std::move(rows); }

  /// All rows of the VM.
  std::vector<AnyRow> rowsOf(const Uuid& vm);

 protected:
  /// Does a table's own rule forbid this new row? Its table has the others.
  virtual Status admit(const Vm&, const AnyRow&) { return {}; }
  /// Fills in what the device computes.
  virtual void show(AnyRow&) {}
  /// Those that have ended are still among them.
  const Rows& rows() const { return rows_; }
  bool hasEnded(const Entry& entry) const { return entry.ends && *entry.ends <= device_.now(); }

 private:
  /// Forgets the rows that have ended.
  void expire();
  Status createOne(const Vm& vm, const AnyRow& row);
  Entry entryFor(const AnyRow& row) const;
  AnyRow shown(const Entry& entry);
  std::string describe(const Vm& vm, const AnyRow& row) const;

  const TableInfo& table_;
  MemoryDevice device_;
  bool isExchanged_;
  Rows rows_;
};

/// Over rows as they were when it was made: a model has no need for more.
std::unique_ptr<RowCursor> cursorOver(std::vector<AnyRow> rows);

}  // namespace vmmig

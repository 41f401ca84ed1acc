// SPDX-License-Identifier: GPL-2.0-or-later
// The narrow interface to the real thing behind the MIB: `memory` (the draft's model firewall) and `linux` (the kernel)
// implement it and pass one contract suite. Calls do one bounded piece of work; whoever has much to do makes many calls and lets
// the event loop turn between them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mibs/check_table.h"
#include "mibs/row.h"
#include "subagent/vm_registry.h"

namespace vmmig {

/// Reads the rows of one VM, a batch a call.
class RowCursor {
 public:
  virtual ~RowCursor() = default;
  /// Appends the next batch; false when there is no more (and nothing was appended).
  virtual Result<bool> next(std::vector<AnyRow>& rows) = 0;
};

/// All rows in one batch: for tables that are read as a whole. `read` is called when the first batch is asked for.
std::unique_ptr<RowCursor> readAtOnce(std::function<Result<std::vector<AnyRow>>()> read);

/// One behind the other.
std::unique_ptr<RowCursor> readInTurn(std::vector<std::unique_ptr<RowCursor>> cursors);

/// Tells what became different in a VM's rows since it was made, without reading all of them. Rows that change by the passing of
/// time alone are not told.
class RowFollower {
 public:
  virtual ~RowFollower() = default;
  /// A bounded piece of work: appends rows that are new or may have changed, as they are now, and the keys of rows that have gone
  /// (only their index counts). False when nothing is left that had happened before the call. An Error: changes were lost;
  /// whoever follows reads all rows anew and goes on with this follower.
  virtual Result<bool> next(std::vector<AnyRow>& rows, std::vector<AnyRow>& gone) = 0;
};

/// What whoever follows knows of a row, by its key: as it was told last. Empty: of none.
using KnownRows = std::function<std::optional<AnyRow>(const AnyRow& key)>;

/// How far a batch came: the first `done` rows are made; `error` says why row `done` was not.
struct BatchResult {
  std::size_t done = 0;
  std::optional<Error> error;
};

/// One moving table (TableInfo::moves) on this device.
class TableBackEnd {
 public:
  virtual ~TableBackEnd() = default;
  virtual const TableInfo& table() const = 0;

  /// The VM's rows as they are now, in no particular order.
  virtual std::unique_ptr<RowCursor> read(const Vm& vm) = 0;
  virtual Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) = 0;
  /// find() of each. No more than a slice of them: it is one piece of work.
  virtual Result<std::vector<std::optional<AnyRow>>> findAll(const Vm& vm, std::span<const AnyRow> keys);
  /// How many rows each of them has, by one reading of the device for all.
  virtual Result<std::vector<std::uint32_t>> count(std::span<const Vm> vms);
  /// Follows the VM's rows as long as the follower lives, which is no longer than the table; nullptr: this table cannot (now),
  /// and whoever wants to know what changed reads all of it. `known` spares the device a look at what packets do not change.
  virtual std::unique_ptr<RowFollower> follow(const Vm&, KnownRows) { return nullptr; }

  /// Could the device hold this row? Changes nothing. Errors: inconsistentName (not this VM's), inconsistentValue, wrongValue;
  /// the text names the column and the reason.
  virtual Status check(const Vm& vm, const AnyRow& row) = 0;
  /// Does this row move with its VM? (A bare SYN_SENT does not: the SYN is sent again, and a copied row hangs.)
  virtual bool moves(const AnyRow&) const { return true; }

  /// The address at the row's other end, unset when it has none: where that is another VM of this device, the row is that VM's as
  /// well, and stays when only one of them leaves.
  virtual InetAddress peerOf(const AnyRow&) const { return {}; }

  /// Makes rows; one that exists already under the same index is an error (inconsistentName) for that row.
  virtual BatchResult create(const Vm& vm, std::span<const AnyRow> rows) = 0;
  /// Changes a row that exists in place where the device can; else deletes and creates it. Errors: inconsistentName.
  virtual Status replace(const Vm& vm, const AnyRow& row) = 0;
  /// Rows that stand here as they were made, but for what a clock and packets change: gives them what `rows` have of that,
  /// without making them anew. True: the row has it, and is now as the device tells it. False: nobody knows how it stands;
  /// whoever wants it removes and creates it.
  virtual std::vector<bool> renew(const Vm& vm, std::span<AnyRow> rows);
  /// Removes rows; one that is gone already is no error.
  virtual BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) = 0;
  /// The VM has left, or no transfer brings it any more: nothing that was made for it will have to be told from what is others'.
  virtual void forget(const Uuid&) {}

  /// A transfer changes the rows of all tables that say so by BackEnd::exchange(), in one transaction of the device, instead of
  /// by create() and remove(), which stay for single rows that SNMP writes.
  virtual bool isExchanged() const { return false; }

  /// What the table needs of the device, and what is not so; for vmMigCheckTable.
  virtual std::vector<CheckRow> checks() { return {}; }
};

/// What becomes of a VM's rows of the tables that are exchanged: `remove`, as they are now, goes, and `create` comes.
struct Exchange {
  std::span<const AnyRow> remove;
  std::span<const AnyRow> create;
  bool isUndo = false;  // `create` is what was there before: also policies of which pieces are missing come back as they were
};

/// Why an exchange cannot be; nothing of it has happened.
struct Refusal {
  Error error;                              // its text names the row and the reason
  std::optional<std::size_t> created = {};  // the row of `create` that is at fault, when it is one of them
};

class BackEnd {
 public:
  virtual ~BackEnd() = default;
  virtual std::string_view name() const = 0;
  virtual Bits<Capability> capabilities() const = 0;
  /// What this device has looked at of itself, the well-being too; vmMigCheckTable shows it.
  virtual std::vector<CheckRow> checks() = 0;
  /// Capacity and use of rows, all tables and all VMs of the device together.
  virtual std::uint32_t maxRows() = 0;
  virtual std::uint32_t rows() = 0;
  virtual std::span<TableBackEnd* const> tables() = 0;
  /// The VM's rows of several of these tables, by as few readings of the device as it can. Each row tells whose it is.
  virtual std::unique_ptr<RowCursor> read(const Vm& vm, std::span<const TableInfo* const> tables);

  /// All of it or nothing, also when the process is killed in the middle. A row that exists under an index of `create` and is not
  /// among `remove` is an error (inconsistentName), as is a policy of which pieces are missing (unless it is an undo).
  virtual std::optional<Refusal> exchange(const Vm& vm, const Exchange& exchange) = 0;
  /// Could it be, as far as the device can tell without doing it? A policy of which pieces are missing is left out. Changes
  /// nothing.
  virtual std::optional<Refusal> rehearse(const Vm& vm, const Exchange& exchange) = 0;

  /// The VM will be blocked soon: what takes long is done now, while it runs. Undone by unblock().
  virtual void prepareBlock(const Vm&) {}
  /// Stops the VM's traffic ahead of connection tracking: once isSettled(), no packet of the VM changes any row until unblock(),
  /// on its translated addresses neither. Ends by itself with this process, however it ends. Blocking twice is blocking once.
  virtual Status block(const Vm& vm) = 0;
  /// Are the packets through that were under way when block() came? Some milliseconds later they are.
  virtual bool isSettled(const Uuid&) { return true; }
  virtual void unblock(const Uuid& vm) = 0;
  virtual bool isBlocked(const Uuid& vm) const = 0;

  TableBackEnd* tableFor(const TableInfo& table) {
    for (auto* each : tables())
      if (&each->table() == &table) return each;
    return nullptr;
  }
};

/// The worst of all checks in one: vmMigHealth and vmMigHealthText ("what was found: what to do").
CheckRow summaryOf(std::span<const CheckRow> checks);

/// The bit of vmMigCapabilities that stands for a table that moves: tcpConn for vmMigTcpConnTable.
Capability capabilityOf(const TableInfo& table);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The one interface between the AgentX handler and whatever holds a table's rows: the kernel, the transfers, the phases.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "mibs/row.h"

namespace vmmig {

/// What one SET does to one row. The handler has checked types, ranges, access and RowStatus already.
struct Change {
  enum class Kind { create, replace, remove };
  Kind kind;
  std::optional<AnyRow> before;                 // as it is now: replace and remove
  AnyRow after;                                 // as wanted: create and replace; for remove the row as it was
  std::vector<const ColumnInfo*> written = {};  // the columns that the PDU names

  bool wrote(std::string_view column) const;
  /// What takes it back.
  Change inverse() const;
};

/// Rows as SNMP sees them, in the order of their index OIDs. All of it runs in the event loop's thread.
///
/// A SET calls check() for every change of the PDU, then apply() for each, then settle() for each. When an apply() fails, those
/// before it get apply(inverse) in reverse order, which must not rely on anything that has changed meanwhile.
class RowStore {
 public:
  virtual ~RowStore() = default;
  virtual const TableInfo& table() const = 0;

  /// The row with this index, or none. An error is the agent's own failure (genErr).
  virtual Result<std::optional<AnyRow>> find(const AnyRow& key) = 0;
  /// The first row whose index is greater than `after`; empty `after`: the first of all.
  virtual Result<std::optional<AnyRow>> next(OidSpan after) = 0;

  /// Of a row that find() or next() gave. For a column that costs too much to be in each of them.
  virtual smi::Value value(const AnyRow& row, const ColumnInfo& column) { return row.get(column); }

  /// Can this change be made, as far as one can know without making it? Changes nothing.
  /// Errors: inconsistentName, inconsistentValue, wrongValue, resourceUnavailable, noCreation (RFC 3416 section 4.2.5).
  virtual Status check(const Change& change) = 0;
  /// Makes it, briefly: snmpd waits. Errors: commitFailed, or as check().
  virtual Status apply(const Change& change) = 0;
  /// The PDU has succeeded as a whole: start what takes long. Cannot fail.
  virtual void settle(const Change&) {}
};

}  // namespace vmmig

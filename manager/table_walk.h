// SPDX-License-Identifier: GPL-2.0-or-later
// Reads a table by GETBULK: its columns in groups, each group a walk of its own, so that several requests are under way; then the
// groups' parts are put together to rows.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "manager/snmp_session.h"
#include "mibs/registry.h"

namespace vmmig {

class TableWalk {
 public:
  /// The rows under `prefix` (a part of the INDEX, or empty). `device` is for error texts.
  TableWalk(SnmpSession& session, std::string device, const TableInfo& table, Oid prefix);

  /// Called with the number of rows that were seen so far.
  void onProgress(std::function<void(std::size_t)> progress) { progress_ = std::move(progress); }

  Task<Status> run();

  struct Found {
    std::vector<AnyRow> rows;
    /// Rows that came or went while the walk passed: seen by some groups only.
    std::vector<AnyRow> partial;
  };
  Found take();

 private:
  struct Partial {
    AnyRow row;
    std::size_t columns = 0;
  };
  struct Group {
    std::vector<const ColumnInfo*> columns;  // those not at their end
    std::vector<Oid> last;                   // of each: the OID to go on from
    int repetitions;
  };
  Task<> walk(Group& group);
  /// Takes the varbinds of one answer, and forgets the columns that are at their end.
  Status digest(Group& group, const Response& response);
  Status accept(const ColumnInfo& column, OidSpan instance, const smi::Value& value);
  Oid start(const ColumnInfo& column) const { return mib::oidOf(*table_, column, prefix_); }

  SnmpSession& session_;
  std::string device_;
  const TableInfo* table_;
  Oid prefix_;
  std::function<void(std::size_t)> progress_;
  std::vector<Group> groups_;
  std::size_t columnCount_ = 0;
  std::map<Oid, Partial> rows_;
  std::optional<Error> error_;
};

}  // namespace vmmig

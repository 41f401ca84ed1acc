// SPDX-License-Identifier: GPL-2.0-or-later
// What SNMP asks of any table, answered from the tables' descriptions and stores: GET, GETNEXT and the phases of SET (RFC 3416
// section 4.2), without a line for any single table and free of any SNMP library.
#pragma once

#include <memory>
#include <vector>

#include "common/smi_value.h"
#include "subagent/row_source.h"
#include "subagent/set_transaction.h"

namespace vmmig {

/// GETNEXT of one varbind (AgentX's SearchRange, RFC 2741 section 5.2).
struct SearchRange {
  Oid start;
  bool include = false;  // start itself may be the answer
  Oid end = {};          // the answer is before it; empty: no bound
};

class RequestHandler {
 public:
  /// What answers of one request may add up to: an AgentX PDU above 65,536 octets is dropped by snmpd without a word.
  static constexpr std::size_t maxAnswerSize = 60'000;
  using Answers = tl::expected<std::vector<smi::VarBind>, RequestError>;

  /// One store for each table that this agent has; they outlive the handler.
  explicit RequestHandler(std::vector<RowStore*> stores, StagedRows::Now now = Clock::now);

  /// A value or an exception for each name.
  Answers get(const std::vector<Oid>& names);
  /// The next instance of each range, or endOfMibView under the range's start.
  Answers getNext(const std::vector<SearchRange>& ranges);
  /// Where the tables stand that are not under vmMigObjects.
  std::vector<Oid> otherSubtrees() const;
  /// A SET whose first phase, the test, is still to come.
  std::unique_ptr<SetTransaction> set();

 private:
  /// An accessible column of a table that we have, in the order of OIDs.
  struct Column {
    Oid oid;
    RowStore* store;
    const ColumnInfo* info;
  };
  class Reader;
  void addColumns(const TableInfo& table);
  std::vector<Column>::const_iterator firstColumn(OidSpan start) const;

  RowSource rows_;
  std::vector<Column> columns_;
};

}  // namespace vmmig

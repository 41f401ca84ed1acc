// SPDX-License-Identifier: GPL-2.0-or-later
// One SET over any rows of any tables, all or nothing: test, commit, undo, cleanup (RFC 2741 section 7.2.4).
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "common/smi_value.h"
#include "subagent/row_source.h"

namespace vmmig {

/// error-status, and error-index: the varbind at fault, from 1; 0 when none is.
struct RequestError {
  SnmpStatus status;
  std::size_t index;
  bool operator==(const RequestError&) const = default;
};

class SetTransaction {
 public:
  explicit SetTransaction(RowSource& rows) : rows_(rows) {}

  /// Validates everything and changes nothing.
  std::optional<RequestError> test(const std::vector<smi::VarBind>& varbinds);
  /// Makes the changes, in the order of their rows in the PDU. When one fails, those before it are taken back at once.
  std::optional<RequestError> commit();
  /// Takes back what commit() made, the last first, and goes on after a failure; undoFailed when there was one, also when it was
  /// commit()'s own.
  std::optional<RequestError> undo();
  /// The PDU has succeeded as a whole.
  void cleanup();

 private:
  struct Write {
    const ColumnInfo* column;
    smi::Value value;
    std::size_t varbind;  // from 1
  };
  /// What the PDU wants of one row.
  struct Draft {
    RowStore* store;
    AnyRow key;
    std::vector<Write> writes;

    const Write* write(const ColumnInfo* column) const;
    std::vector<const ColumnInfo*> columns() const;
  };
  /// What that comes to: a change in the store, in the staged rows, or both.
  struct Step {
    RowStore* store;
    AnyRow key;
    std::optional<Change> change;
    std::optional<StagedRow> stagedBefore;
    std::optional<StagedRow> stagedAfter;
    std::size_t varbind;  // at fault should it fail
  };

  std::optional<RequestError> addWrite(const smi::VarBind& varbind, std::size_t index);
  std::optional<RequestError> plan(Draft& draft);
  std::optional<RequestError> checkStorage(const Draft& draft, const std::optional<FoundRow>& row) const;
  tl::expected<RowState, RequestError> nextState(const Draft& draft, const std::optional<FoundRow>& row,
                                                 const StagedRow& wanted) const;
  std::optional<RequestError> addStep(const Draft& draft, const std::optional<FoundRow>& row, StagedRow wanted, RowState next);
  bool isStagedFull() const;
  void setStaged(const Step& step, const std::optional<StagedRow>& row);
  Status apply(const Step& step);
  Status takeBack(const Step& step);

  RowSource& rows_;
  std::vector<Draft> drafts_;
  std::map<std::pair<const RowStore*, Oid>, std::size_t> draftOf_;
  std::vector<Step> steps_;
  std::size_t applied_ = 0;
  bool undoFailed_ = false;
};

}  // namespace vmmig

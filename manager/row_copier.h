// SPDX-License-Identifier: GPL-2.0-or-later
// The transfer without a packed image: reads a frozen VM's rows from the source and writes them to the destination, row by row.
// The destination has no transfer then, so checking, undo and digest are done here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "manager/device.h"
#include "mibs/image.h"
#include "mibs/transfer_table.h"

namespace vmmig {

class RowCopier {
 public:
  /// halfWritten: a killed predecessor may have begun to write, so undo() clears the destination.
  enum class Found { clean, halfWritten };
  RowCopier(Device& source, Device& destination, Uuid vm, Found found = Found::clean)
      : source_(source), destination_(destination), vm_(vm), touched_(found == Found::halfWritten) {}

  /// Reads all rows that move. `frozen` is the source's transfer: what is about to die by itself is left out as it did.
  Task<Status> read(TransferRow frozen);
  /// Replaces the VM's rows at the destination and reads them back: the answer has rows, missing and digest as a destination's
  /// transfer shows them. Policy bestEffort leaves out what the destination refuses.
  Task<Result<TransferRow>> commit(TransferPolicy policy);
  /// The destination as it was before commit().
  Task<Status> undo();
  std::size_t rows() const { return rows_.size(); }
  /// By the table's descriptor.
  std::map<std::string, std::uint32_t> rowsByTable() const;

 private:
  static Task<Result<std::vector<AnyRow>>> readMoving(Device& device, Uuid vm);
  Task<Status> createAll(TransferPolicy policy);
  Task<Status> createOneByOne(std::vector<AnyRow> rows);

  Device& source_;
  Device& destination_;
  Uuid vm_;
  std::vector<AnyRow> rows_;
  std::vector<AnyRow> stale_;  // the destination's own, from before
  std::uint32_t missing_ = 0;
  std::string refused_;  // of the first row that is missing: why
  bool touched_;
};

}  // namespace vmmig

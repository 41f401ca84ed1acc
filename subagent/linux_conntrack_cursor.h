// SPDX-License-Identifier: GPL-2.0-or-later
// A ctnetlink dump as a RowCursor: one recvmsg a call. Row is TcpConnRow or FlowRow.
#pragma once

#include "subagent/back_end.h"
#include "subagent/linux_conntrack_requests.h"

namespace vmmig {

template <class Row>
class ConntrackCursor final : public RowCursor {
 public:
  /// The VM's row that a message tells, or nothing.
  using Parse = std::function<Result<std::optional<Row>>(const nlmsghdr*)>;
  /// What the messages do not tell of rows, filled in once for each batch.
  using Complete = std::function<Status(std::span<Row>)>;
  ConntrackCursor(const Vm& vm, DumpFilter filter, Parse parse, Complete complete);

  Result<bool> next(std::vector<AnyRow>& rows) override;

 private:
  Status takeMessage(const nlmsghdr* message, std::vector<Row>& rows);
  bool isRepeated(const Row& row) const;

  DumpFilter filter_;
  Parse parse_;
  Complete complete_;
  ConntrackDump dump_;
  bool ended_ = false;
  std::vector<Row> last_;  // the last ones of the message before
};

}  // namespace vmmig

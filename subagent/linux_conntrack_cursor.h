// SPDX-License-Identifier: GPL-2.0-or-later
// Dumps of ctnetlink as a RowCursor: one recvmsg a call. Row is TcpConnRow or FlowRow.
//
// Where there are many entries, mostly of other VMs, two dumps for each IPv4 address of the VM, of what it opened and of what it
// answers: so the kernel tells no more than the VM's (2.5 us each) and only passes over the others (0.05 us each). Where there
// are few, one dump: passing through the hash table costs some milliseconds each time.
#pragma once

#include <deque>

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
  /// `protocol`: 0 for all. `entries`: how many the kernel has.
  ConntrackCursor(const Vm& vm, std::uint8_t protocol, std::uint32_t entries, Parse parse, Complete complete);

  Result<bool> next(std::vector<AnyRow>& rows) override;

 private:
  Status takeMessage(const nlmsghdr* message, std::vector<Row>& rows);
  bool isOfThisDump(const Row& row) const;
  bool isRepeated(const Row& row) const;

  std::string what_;
  std::deque<DumpFilter> filters_;  // the first is that of dump_
  Parse parse_;
  Complete complete_;
  std::optional<ConntrackDump> dump_;
  std::vector<Row> last_;  // the last ones of the message before
};

}  // namespace vmmig

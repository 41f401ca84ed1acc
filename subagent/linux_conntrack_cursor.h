// SPDX-License-Identifier: GPL-2.0-or-later
// Dumps of ctnetlink as a RowCursor: one recvmsg a call, for one table or for several.
//
// Where there are many entries, mostly of other VMs, two dumps for each IPv4 address of the VM, of what it opened and of what it
// answers: so the kernel tells no more than the VM's (2.5 us each) and only passes over the others (0.05 us each). Where there
// are few, one dump: passing through the hash table costs some milliseconds each time.
#pragma once

#include <deque>

#include "subagent/back_end.h"
#include "subagent/linux_conntrack_requests.h"

namespace vmmig {

/// What one table takes from dumps.
class ConntrackReader {
 public:
  virtual ~ConntrackReader() = default;
  /// Takes the row that a message tells. False: it tells none of this table and VM, or one that was told already, or is told by
  /// the dump of another filter.
  virtual Result<bool> take(const nlmsghdr* message, const DumpFilter& filter) = 0;
  /// Appends what was taken since the last call.
  virtual Status give(std::vector<AnyRow>& rows) = 0;
};

/// Row is TcpConnRow or FlowRow.
template <class Row>
class ConntrackReaderOf final : public ConntrackReader {
 public:
  /// The VM's row that a message tells, or nothing.
  using Parse = std::function<Result<std::optional<Row>>(const nlmsghdr*)>;
  /// What the messages do not tell of rows, filled in once for each batch.
  using Complete = std::function<Status(std::span<Row>)>;
  ConntrackReaderOf(Parse parse, Complete complete) : parse_(std::move(parse)), complete_(std::move(complete)) {}

  Result<bool> take(const nlmsghdr* message, const DumpFilter& filter) override;
  Status give(std::vector<AnyRow>& rows) override;

 private:
  bool isRepeated(const Row& row) const;

  Parse parse_;
  Complete complete_;
  std::vector<Row> taken_;
  std::vector<Row> last_;  // the last ones of the message before
};

class ConntrackCursor final : public RowCursor {
 public:
  using Readers = std::vector<std::unique_ptr<ConntrackReader>>;
  /// `protocol`: 0 for all. `entries`: how many the kernel has.
  ConntrackCursor(const Vm& vm, std::uint8_t protocol, std::uint32_t entries, Readers readers);

  Result<bool> next(std::vector<AnyRow>& rows) override;

 private:
  Status takeMessage(const nlmsghdr* message);

  std::string what_;
  std::deque<DumpFilter> filters_;  // the first is that of dump_
  Readers readers_;
  std::optional<ConntrackDump> dump_;
};

}  // namespace vmmig

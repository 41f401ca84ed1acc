// SPDX-License-Identifier: GPL-2.0-or-later
// Tables over the kernel's connection tracking, by ctnetlink, in the network namespace of this process: what those of TCP and of
// all other protocols have in common. Row is TcpConnRow (linux_tcp_conn_table.h) or FlowRow (linux_flow_table.h).
#pragma once

#include "subagent/linux_conntrack_cursor.h"
#include "subagent/linux_conntrack_follower.h"

namespace vmmig {

/// What a table has to know of the device as a whole.
struct ConntrackDevice {
  std::function<std::uint32_t()> maxRows;
  std::function<std::uint32_t()> rows;
  /// Does the kernel keep labels here (the nft table that asks for them stands)?
  std::function<bool()> keepsLabels;
  /// Outlives the table's followers.
  ConntrackEvents* events = nullptr;
};

template <class Row>
class LinuxConntrackTable : public ConntrackTable {
 public:
  explicit LinuxConntrackTable(ConntrackDevice device) : device_(std::move(device)) {}

  const TableInfo& table() const final { return TableOf<Row>::info; }
  std::unique_ptr<RowCursor> read(const Vm& vm) final;
  /// For a dump that other tables read as well.
  std::unique_ptr<ConntrackReader> reader(const Vm& vm);
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) final;
  Result<std::vector<std::uint32_t>> count(std::span<const Vm> vms) final;
  std::unique_ptr<RowFollower> follow(const Vm& vm, KnownRows known) final;
  Status check(const Vm& vm, const AnyRow& row) final;
  InetAddress peerOf(const AnyRow& row) const final { return row.as<Row>().remAddress; }
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) final;
  Status replace(const Vm& vm, const AnyRow& row) final;
  std::vector<bool> renew(const Vm& vm, std::span<AnyRow> rows) final;
  Result<std::vector<std::optional<AnyRow>>> findAll(const Vm& vm, std::span<const AnyRow> keys) final;

 protected:
  using Parse = typename ConntrackReaderOf<Row>::Parse;
  /// Reads messages as they are; a copy outlives the table's next call.
  virtual Parse parser(const Vm& vm) = 0;
  /// What a dump is about; 0: more than one.
  virtual std::uint8_t protocol() const = 0;
  virtual Status checkRow(const Vm& vm, const Row& row) const = 0;
  virtual void putNew(nlmsghdr* message, const Row& row) = 0;
  virtual void putChange(nlmsghdr* message, const Row& before, const Row& after) = 0;
  virtual bool canChange(const Row& before, const Row& after) const = 0;
  /// A row as putNew() makes it, when that is not as it was asked for; and how what was made so is shown.
  virtual Row asMade(const Row& row) const { return row; }
  virtual void show(Row&) const {}
  /// ConntrackFollower::Looks::again.
  virtual std::vector<bool> lookAgain(std::span<AnyRow> rows) { return std::vector<bool>(rows.size(), false); }
  /// renew() of at most NetlinkBatch::capacity of them.
  virtual std::vector<bool> renewSome(const Vm& vm, std::span<AnyRow> rows);
  /// What a message does not tell of these rows.
  virtual Status complete(std::span<Row>) { return {}; }

 private:
  void addCreation(NetlinkBatch& batch, const AnyRow& row) final;
  void addRemoval(NetlinkBatch& batch, const AnyRow& key) final;
  Result<bool> standsAsMade(const Vm& vm, const AnyRow& row) final;
  std::string describeRow(const Vm& vm, const AnyRow& row) const final { return describe(vm, row.as<Row>()); }
  Error createError(const Vm& vm, const AnyRow& row, int code) const final;
  Result<std::optional<Row>> findAsMade(const Vm& vm, const Row& key);
  /// At most NetlinkBatch::capacity of them.
  Result<std::vector<std::optional<AnyRow>>> findSome(const Vm& vm, std::span<const AnyRow> keys);
  Status update(const Vm& vm, const Row& before, const Row& after);

  ConntrackDevice device_;
};

}  // namespace vmmig

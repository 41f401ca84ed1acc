// SPDX-License-Identifier: GPL-2.0-or-later
// Tables over the kernel's connection tracking, by ctnetlink, in the network namespace of this process: what those of TCP and of
// all other protocols have in common, and vmMigTcpConnTable. Row is TcpConnRow or FlowRow (linux_flow_table.h).
#pragma once

#include "common/event_loop.h"
#include "subagent/linux_conntrack_cursor.h"
#include "subagent/linux_conntrack_follower.h"
#include "subagent/linux_sysctl.h"
#include "subagent/linux_tcp_priming.h"
#include "subagent/linux_tcp_windows.h"
#include "subagent/linux_window_learning.h"

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
  using Parse = typename ConntrackCursor<Row>::Parse;
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

class LinuxTcpConnTable final : public LinuxConntrackTable<TcpConnRow> {
 public:
  /// Without a loop the connections that are made here are as strict from the start as their rows say. Without windows the kernel
  /// has to learn them.
  LinuxTcpConnTable(ConntrackDevice device, EventLoop* loop, bool hasWindows);
  /// A bare SYN_SENT does not: the SYN is sent again, and a copied row hangs.
  bool moves(const AnyRow& row) const override { return row.as<TcpConnRow>().state != TcpState::synSent; }
  bool readsWindows() const { return windows_.has_value(); }
  bool writesWindows() const { return windows_ && priming_; }
  /// Where this table's own segments come in, if there are any.
  LinuxTun* tun() { return priming_ ? &priming_->tun() : nullptr; }
  std::vector<CheckRow> checks() override;

 private:
  Parse parser(const Vm& vm) override;
  std::uint8_t protocol() const override;
  Status checkRow(const Vm& vm, const TcpConnRow& row) const override;
  void putNew(nlmsghdr* message, const TcpConnRow& row) override;
  void putChange(nlmsghdr* message, const TcpConnRow& before, const TcpConnRow& after) override;
  bool canChange(const TcpConnRow& before, const TcpConnRow& after) const override;
  TcpConnRow asMade(const TcpConnRow& row) const override;
  void made(std::span<const AnyRow> rows) override;
  void going(const AnyRow& key) override;
  void show(TcpConnRow& row) const override;
  Status complete(std::span<TcpConnRow> rows) override;
  std::vector<bool> lookAgain(std::span<AnyRow> rows) override;
  std::vector<bool> renewSome(const Vm& vm, std::span<AnyRow> rows) override;
  std::vector<bool> setLives(std::span<const TcpConnRow> rows, std::span<const LinuxTcpPriming::Primed> primed);
  bool isPrimable(const TcpConnRow& row) const;
  void prime(std::span<const TcpConnRow> rows);
  void settle(std::span<const TcpConnRow> rows, const std::vector<bool>& primed);
  const TcpTimeouts& timeouts();

  std::optional<LinuxWindowLearning> learning_;
  // Or why not.
  Result<LinuxTcpWindows> windows_;
  Result<LinuxTcpPriming> priming_;
  TcpTimeouts timeouts_;
  std::optional<Clock::time_point> timeoutsRead_;
};

}  // namespace vmmig

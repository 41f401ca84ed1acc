// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigTcpConnTable over the kernel's connection tracking, by ctnetlink, in the network namespace of this process.
#pragma once

#include <functional>

#include "common/event_loop.h"
#include "subagent/back_end.h"
#include "subagent/linux_netlink.h"
#include "subagent/linux_sysctl.h"
#include "subagent/linux_window_learning.h"
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

class LinuxTcpConnTable final : public TableBackEnd {
 public:
  struct Device {
    std::function<std::uint32_t()> maxRows;
    std::function<std::uint32_t()> rows;
    /// Does the kernel keep labels here (the nft table that asks for them stands)?
    std::function<bool()> keepsLabels;
  };
  /// Without a loop the connections that are made here are as strict from the start as their rows say.
  explicit LinuxTcpConnTable(Device device, EventLoop* loop) : device_(std::move(device)) {
    if (loop) learning_.emplace(*loop);
  }

  const TableInfo& table() const override;
  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  bool moves(const AnyRow& row) const override;
  InetAddress peerOf(const AnyRow& row) const override;
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override;
  Status replace(const Vm& vm, const AnyRow& row) override;
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override;

  /// Where peers send to reach the VM behind a translation, as their packets come in.
  Result<std::vector<Tuple>> translatedInboundOf(const Vm& vm);

 private:
  /// The socket for short requests, opened when first needed.
  Result<NetlinkSocket*> socket();
  /// After an answer is lost, the next request needs a new socket; passes the error on.
  Error lost(Error error);
  Result<std::vector<int>> runBatch();
  const TcpTimeouts& timeouts();
  BatchResult createSome(const Vm& vm, std::span<const AnyRow> rows);
  Error createError(const Vm& vm, const TcpConnRow& row, int code) const;
  Status update(const Vm& vm, const TcpConnRow& before, const TcpConnRow& after);

  Device device_;
  std::optional<LinuxWindowLearning> learning_;
  std::optional<NetlinkSocket> socket_;
  NetlinkBatch batch_;
  TcpTimeouts timeouts_;
  std::optional<Clock::time_point> timeoutsRead_;
};

}  // namespace vmmig

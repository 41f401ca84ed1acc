// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigTcpConnTable over the kernel's connection tracking; where BPF is to be had, with sequence numbers and windows.
#pragma once

#include "common/event_loop.h"
#include "subagent/linux_conntrack_table.h"
#include "subagent/linux_sysctl.h"
#include "subagent/linux_tcp_priming.h"
#include "subagent/linux_tcp_windows.h"
#include "subagent/linux_window_learning.h"

namespace vmmig {

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
  LinuxTap* tap() { return priming_ ? &priming_->tap() : nullptr; }
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

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigFlowTable over the kernel's connection tracking: every protocol but TCP.
#pragma once

#include "subagent/linux_conntrack_table.h"

namespace vmmig {

class LinuxFlowTable final : public LinuxConntrackTable<FlowRow> {
 public:
  explicit LinuxFlowTable(ConntrackDevice device) : LinuxConntrackTable(std::move(device)) {}

  /// What the VM began moves, answered or not: the answer may be on its way, and a peer knows the VM by its translated port. What
  /// a peer began moves once the VM has answered. Before that it is nothing yet: the firewall's rules judge the next packet as
  /// new with the row or without, and such a row can come up at the destination by itself while the VM has not arrived. Multicast
  /// and broadcast have no peer whose answers would need the row. An SCTP association that is being opened sends its INIT again,
  /// as TCP its SYN.
  bool moves(const AnyRow& row) const override;

 private:
  Parse parser(const Vm& vm) override;
  // The kernel can pick out one protocol, and not leave out one; a dump for each protocol that may be there costs more than TCP's
  // entries in one.
  std::uint8_t protocol() const override { return 0; }
  Status checkRow(const Vm& vm, const FlowRow& row) const override;
  void putNew(nlmsghdr* message, const FlowRow& row) override;
  void putChange(nlmsghdr* message, const FlowRow& before, const FlowRow& after) override;
  bool canChange(const FlowRow& before, const FlowRow& after) const override;
};

}  // namespace vmmig

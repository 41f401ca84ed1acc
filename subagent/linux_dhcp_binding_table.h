// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigDhcpBindingTable of the back end linux: the bindings of the source guard that are a VM's, and DHCP snooping as a whole
// (what it learns goes to the guard, the guard's bindings to a file).
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "mibs/dhcp_binding_table.h"
#include "subagent/linux_dhcp_file.h"
#include "subagent/linux_dhcp_snooper.h"
#include "subagent/linux_exchanged_table.h"
#include "subagent/linux_source_guard.h"

namespace vmmig {

class LinuxDhcpBindingTable final : public LinuxExchangedTable {
 public:
  struct Setup {
    EventLoop* loop = nullptr;  // null: nothing is learned, nothing is written by itself
    std::vector<DhcpSnooping> configured;
    std::string stateDirectory = {};
    /// Is this MAC or address one of a VM that is blocked? What the switch knows of it stands still.
    std::function<bool(const std::string& mac, const InetAddress& address)> isBlocked = {};
  };
  LinuxDhcpBindingTable(Nft& nft, Setup setup);
  ~LinuxDhcpBindingTable() override;

  const TableInfo& table() const override { return TableOf<DhcpBindingRow>::info; }
  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  std::optional<Refusal> stage(NftTransaction& transaction, const Vm& vm, const ExchangePart& part) override;
  std::vector<CheckRow> checks() override;

  /// Writes the file, if something may have changed.
  Status save();

 private:
  Status checkPort(const std::string& name) const;
  void start();
  void follow();
  void learned(const DhcpLearner::Change& change);
  void saveSoon();
  std::vector<LinuxDhcpSnooper::Port> ports() const;
  CheckRow checkBridge(const DhcpSnooping& configured) const;

  Setup setup_;
  LinuxSourceGuard guard_;
  DhcpBindingFile file_;
  Bridges bridges_;
  std::string fault_;  // why the guard is not as it should be; empty when it is
  std::string fileFault_;
  std::unique_ptr<LinuxDhcpSnooper> snooper_;
  std::unique_ptr<LinkWatch> watch_;
  std::optional<EventLoop::TimerId> saving_;
  bool isDirty_ = false;
  bool isStarted_ = false;
};

}  // namespace vmmig

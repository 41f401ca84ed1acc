// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigMulticastTable over the multicast database of Linux bridges.
//
// The kernel knows what a port has joined, not who behind it. So at the source everything at the VM's port is the VM's; and at
// the destination that is the VM's which was made for it, until it is there. Where others are behind the same port, what they may
// need as well stays when the VM leaves: the kernel's timers end what nobody reports.
#pragma once

#include "subagent/back_end.h"
#include "subagent/linux_multicast_claims.h"
#include "subagent/linux_multicast_ports.h"

namespace vmmig {

struct MulticastRow;

class LinuxMulticastTable final : public TableBackEnd {
 public:
  /// stateDirectory: where what was made for VMs is kept; empty: nowhere.
  explicit LinuxMulticastTable(std::vector<std::string> bridges, const std::string& stateDirectory = {});
  const TableInfo& table() const override;

  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override;
  Status replace(const Vm& vm, const AnyRow& row) override;
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override;
  void forget(const Uuid& vm) override;
  std::vector<CheckRow> checks() override;

 private:
  using Place = LinuxMulticastPorts::Place;
  using Rows = std::map<Oid, AnyRow>;  // by index
  /// The bridges' databases, by their indexes, read once for many rows and changed along with the kernel's, or ahead of it.
  using Snapshot = std::map<unsigned, Mdb>;
  /// What a row stands for there.
  struct Spot {
    Place place;
    Mdb* mdb;
    MdbKey key;
    Membership membership;
  };

  /// What create() is about to do for a row.
  struct Step {
    Spot spot;
    Membership after;
    AnyRow row;
  };

  void adoptClaims();
  bool isReportedSince(const Spot& spot, const MulticastRow& row) const;
  Result<Rows> rowsOf(const Vm& vm);
  Status addPlaceRows(const Vm& vm, const Place& place, Rows& rows);
  Status addClaims(const Vm& vm, Rows& rows);
  Result<Spot> lookUp(Snapshot& snapshot, const MulticastRow& row);
  /// Claims the row, and notes in the snapshot what will be.
  Result<Step> plan(const Vm& vm, const AnyRow& row, Snapshot& snapshot);
  Status checkFree(const Vm& vm, const AnyRow& row, const Spot& spot, bool isVms) const;
  bool isClaimedAlone(const MulticastRow& row) const;
  Status reserve(const Spot& spot, Membership after);
  BatchResult carryOut(const Vm& vm, std::span<const Step> steps);
  Status write(const Vm& vm, const Step& step);
  Status removeOne(const Vm& vm, const AnyRow& row, Snapshot& snapshot);
  Status drop(const Spot& spot, const MulticastRow& row);
  void saveClaims();

  LinuxMulticastPorts ports_;
  MulticastClaims claims_;
};

}  // namespace vmmig

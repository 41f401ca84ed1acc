// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigMulticastTable over the multicast database of Linux bridges.
//
// The kernel knows what a port has joined, not who behind it. So at the source everything at the VM's port is the VM's; and at
// the destination that is the VM's which was made for it, until it is there. Where others are behind the same port, what they may
// need as well stays when the VM leaves: the kernel's timers end what nobody reports. After a restart of vmmigd in the middle of
// a commit they end what had been made, too.
#pragma once

#include "subagent/back_end.h"
#include "subagent/linux_multicast_ports.h"

namespace vmmig {

struct MulticastRow;

class LinuxMulticastTable final : public TableBackEnd {
 public:
  explicit LinuxMulticastTable(std::vector<std::string> bridges) : ports_(std::move(bridges)) {}
  const TableInfo& table() const override;

  std::unique_ptr<RowCursor> read(const Vm& vm) override;
  Result<std::optional<AnyRow>> find(const Vm& vm, const AnyRow& key) override;
  Status check(const Vm& vm, const AnyRow& row) override;
  BatchResult create(const Vm& vm, std::span<const AnyRow> rows) override;
  Status replace(const Vm& vm, const AnyRow& row) override;
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) override;
  std::vector<CheckRow> checks() override;

 private:
  using Place = LinuxMulticastPorts::Place;
  /// A row that was made here for a VM.
  struct Claim {
    AnyRow row;
    bool wasThere = false;  // the port had joined it before, for another
  };
  using Rows = std::map<Oid, AnyRow>;  // by index
  using Claims = std::map<Oid, Claim>;
  /// The bridges' databases, by their indexes, read once for many rows and changed along with the kernel's.
  using Snapshot = std::map<unsigned, Mdb>;
  /// What a row stands for there.
  struct Spot {
    Place place;
    Mdb* mdb;
    MdbKey key;
    Membership membership;
  };

  Result<Rows> rowsOf(const Vm& vm);
  Status addPlaceRows(const Vm& vm, const Place& place, Rows& rows);
  Status addClaims(const Vm& vm, Rows& rows);
  Result<Spot> lookUp(Snapshot& snapshot, const MulticastRow& row);
  Status createOne(const Vm& vm, const AnyRow& row, Snapshot& snapshot);
  bool isClaimedAlone(const Claims& claims, const MulticastRow& row) const;
  Status write(const Spot& spot, const Membership& membership);
  Status removeOne(const Vm& vm, const AnyRow& row, Snapshot& snapshot);
  Status drop(const Spot& spot, const MulticastRow& row);

  LinuxMulticastPorts ports_;
  std::map<Uuid, Claims> claims_;
};

}  // namespace vmmig

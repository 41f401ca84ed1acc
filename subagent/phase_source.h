// SPDX-License-Identifier: GPL-2.0-or-later
// Where the phases on a hypervisor's host come from. A PhaseSource follows a hypervisor, tells each phase of each VM to the
// PhaseManager, and carries out what becomes of a hold. With none (`manual`), hooks and people write vmMigPhaseTable.
//
// The interface to VMs is qmp_* (QEMU's own monitor protocol) and libvirt_*, vmstate_* (libvirt, which keeps QEMU's for itself).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "mibs/check_table.h"
#include "mibs/phase_table.h"

namespace vmmig {

class PhaseManager;

class PhaseSource {
 public:
  virtual ~PhaseSource() = default;
  /// The VM, held until now, goes on at the destination. It may be gone, or the hold over: then nothing happens but a line in the log.
  virtual void letGo(const Uuid& vm) = 0;
  /// The migration ends, and the VM, held until now, goes on at the source.
  virtual void cancelMigration(const Uuid& vm) = 0;
  /// Does it tell this VM's phases? Then nobody else may.
  virtual bool follows(const Uuid& vm) const = 0;
  /// What it needs of the host, and what is not so; for vmMigCheckTable.
  virtual std::vector<CheckRow> checks() = 0;
};

enum class PhaseSourceKind { manual, qmp, libvirt };

struct PhaseSourceOptions {
  PhaseSourceKind kind = PhaseSourceKind::manual;
  /// Of QEMU's monitors that are vmmigd's alone, as glob(7) patterns.
  std::vector<std::string> qmpSockets;
  std::string libvirtUri = "qemu:///system";
  /// Of the bus on which QEMU finds the gate that holds it (libvirt).
  std::string vmstateBus = "/run/vmmigd/vmstate.bus";
  /// How long a VM is held at most, and what becomes of it then, until a manager has written vmMigPhaseHoldPolicy.
  std::chrono::milliseconds hold{2000};
  HoldPolicy policy = HoldPolicy::require;
};

/// Null with `manual`. It begins to tell phases in the loop's next turn at the earliest. Throws what keeps it from starting; a
/// hypervisor that does not run yet does not.
std::unique_ptr<PhaseSource> makePhaseSource(const PhaseSourceOptions& options, EventLoop& loop, PhaseManager& phases,
                                             const std::string& hostName);

}  // namespace vmmig

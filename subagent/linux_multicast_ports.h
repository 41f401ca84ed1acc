// SPDX-License-Identifier: GPL-2.0-or-later
// Which port of the configured bridges is a VM's, and who else is behind it.
#pragma once

#include <optional>

#include "subagent/linux_mdb.h"
#include "subagent/vm_registry.h"

namespace vmmig {

class LinuxMulticastPorts {
 public:
  explicit LinuxMulticastPorts(std::vector<std::string> bridges) : bridges_(std::move(bridges)) {}

  /// A port and the bridge that it is of.
  struct Place {
    Bridge bridge;
    unsigned port = 0;
    std::string portName;
  };
  /// Errors say what to configure.
  Result<Place> placeOf(const std::string& port);
  /// Where the VM is attached: vmMigVmPort, or where its MAC has been seen; none when neither tells. An Error: a VM that leaves
  /// has a port that is not there.
  Result<std::optional<Place>> placeOf(const Vm& vm);
  bool isAt(const Vm& vm, const Place& place);
  /// Are others than the VM behind this port?
  Result<bool> isShared(const Vm& vm, const Place& place);
  Result<Mdb> mdbOf(const Place& place);

  const std::vector<std::string>& bridgeNames() const { return bridges_; }
  Result<RtNetlink*> socket();

 private:
  Result<std::string> learnedPortOf(const Vm& vm);

  std::vector<std::string> bridges_;
  std::optional<RtNetlink> socket_;
};

}  // namespace vmmig

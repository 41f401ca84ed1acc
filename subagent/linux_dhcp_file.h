// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP bindings on the disk, for a switch that starts anew: the kernel keeps them only while it runs. Leases are kept with the
// time of day at which they end.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/result.h"
#include "subagent/linux_dhcp_learner.h"

namespace vmmig {

class DhcpBindingFile {
 public:
  using Time = std::chrono::system_clock::time_point;

  /// An empty directory keeps nothing.
  explicit DhcpBindingFile(const std::string& directory) : path_(directory.empty() ? "" : directory + "/dhcp-bindings.json") {}

  /// Those of which the lease has not ended. What cannot be read is told in the log and left out.
  std::vector<DhcpBinding> load(Time now) const;
  /// Replaces the file as a whole.
  Status save(const std::vector<DhcpBinding>& bindings, Time now) const;

  /// Can it be written?
  Status check() const;
  bool keeps() const { return !path_.empty(); }

 private:
  std::string path_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Which multicast memberships were made here for which VM. The kernel does not say for whom a port joins a group; so this is kept
// on the disk as well, for a restart in the middle of a commit, which has to take back what was made.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/result.h"
#include "mibs/row.h"

namespace vmmig {

/// A row that was made here for a VM.
struct MulticastClaim {
  AnyRow row;
  bool wasThere = false;  // the port had joined it before, for another
};

class MulticastClaims {
 public:
  /// Those of the file in this directory, if there is one. What cannot be read is told in the log and left out. An empty
  /// directory keeps nothing.
  explicit MulticastClaims(const std::string& stateDirectory);

  std::vector<Uuid> vms() const;
  /// Null: none.
  const MulticastClaim* find(const AnyRow& row) const;
  /// Shows each claim of a VM, and drops those of which `stays` says no.
  void review(const Uuid& vm, const std::function<bool(MulticastClaim&)>& stays);

  void put(MulticastClaim claim);
  void remove(const AnyRow& row);
  void forget(const Uuid& vm);

  /// On the disk when it answers without an error. Costs nothing when nothing has changed.
  Status save();
  /// How long before the start the file was written.
  std::chrono::seconds age() const { return age_; }

 private:
  using OfVm = std::map<Oid, MulticastClaim>;  // by index
  void load();
  bool parse(const std::string& text);

  std::string path_;
  std::chrono::seconds age_{};
  std::map<Uuid, OfVm> claims_;
  bool isChanged_ = false;
};

}  // namespace vmmig

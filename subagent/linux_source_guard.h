// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps clients at the untrusted ports of bridges to the addresses that they have been leased, in IP and in ARP, by the nftables
// table `bridge vmmig`. Unlike the one that blocks VMs it does not belong to this process: it goes on while vmmigd restarts, and
// the bindings in it with it. `nft delete table bridge vmmig` ends it.
#pragma once

#include <string>
#include <vector>

#include "subagent/linux_bridge_ports.h"
#include "subagent/linux_dhcp_learner.h"
#include "subagent/linux_nft.h"
#include "subagent/resources.h"

namespace vmmig {

class LinuxSourceGuard {
 public:
  LinuxSourceGuard(Nft& nft, std::vector<DhcpSnooping> configured) : nft_(nft), configured_(std::move(configured)) {}

  /// Does the table stand already, of a process before?
  bool stands();
  /// Makes the table with these bindings, or completes the one that stands, in one transaction: at no moment is less enforced.
  Status ensure(const Bridges& bridges, const std::vector<DhcpBinding>& bindings = {});
  /// Says anew which ports are not guarded; nothing happens when they are the same.
  Status follow(const Bridges& bridges);

  Result<std::vector<DhcpBinding>> bindings();
  /// Begins or renews it. An address has one client: bindings of others for it in that VLAN end.
  Status bind(const DhcpBinding& binding);
  Status end(const DhcpBinding& binding);

  /// Is frames' source checked at this port?
  bool guards(const BridgePort& port) const;
  bool isTrusted(const BridgePort& port) const;
  const std::vector<DhcpSnooping>& configured() const { return configured_; }

  /// nft commands, for transactions with others. Both can be repeated.
  static std::string addCommand(const DhcpBinding& binding);
  static std::string deleteCommand(const DhcpBinding& binding);

  /// Where nothing is configured (any more), nothing is to be enforced.
  static void removeLeftOver(Nft& nft);

 private:
  std::string exemptionsText(const Bridges& bridges) const;
  std::string chainsText() const;

  Nft& nft_;
  std::vector<DhcpSnooping> configured_;
  std::string exemptions_;  // those in force
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The multicast database of a Linux bridge (MDB): what each port has joined by IGMP and MLD snooping; and what tells whose port
// it is, the bridge's addresses (FDB).
#pragma once

#include <map>
#include <vector>

#include "common/inet_address.h"
#include "subagent/linux_rtnetlink.h"

namespace vmmig {

struct Bridge {
  unsigned index = 0;
  std::string name;
  bool snooping = false;
  int igmpVersion = 0, mldVersion = 0;  // below 3 and 2 the bridge knows no sources
  bool vlanFiltering = false;
  std::uint32_t mostGroups = 0;         // mcast_hash_max: one more, and the kernel turns snooping off
  std::uint32_t membershipSeconds = 0;  // that a membership lasts at most which nobody reports again

  bool knowsSources(InetAddressType type) const { return type == InetAddressType::ipv4 ? igmpVersion >= 3 : mldVersion >= 2; }
};
/// Errors: there is no such interface, or it is no bridge.
Result<Bridge> findBridge(RtNetlink& socket, const std::string& name);

/// What one port has joined of one group, as RFC 3376 section 3.1 has it: the sources of `include` are wanted, those of `exclude`
/// are not.
struct Membership {
  struct Source {
    std::uint32_t timeout = 0;  // seconds
    bool isPermanent = false;
    bool isOwnEntry = false;  // an (S,G) entry that somebody configured, apart from the group's own list
  };
  bool isExclude = false;
  bool isPermanent = false;
  bool isInKernel = false;    // the (*,G) entry; else there are (S,G) entries alone
  std::uint32_t timeout = 0;  // seconds
  std::map<InetAddress, Source> sources;

  bool wantsNothing() const { return !isExclude && sources.empty(); }
  /// The sources of the (*,G) entry's own list.
  std::vector<InetAddress> listed() const;
};

struct MdbKey {
  unsigned port = 0;
  std::uint16_t vlan = 0;
  InetAddress group;
  auto operator<=>(const MdbKey&) const = default;
};
/// All ports of a bridge. Without groups of layer 2, and without what the bridge itself has joined.
struct Mdb {
  std::map<MdbKey, Membership> memberships;
  std::uint32_t groups = 0;  // that the kernel counts against mostGroups: of all ports and kinds, those with a source too
};
Result<Mdb> readMdb(RtNetlink& socket, unsigned bridge);
/// Makes it what the port has joined of the group; its timers start anew.
Status writeMembership(RtNetlink& socket, unsigned bridge, const MdbKey& key, const Membership& membership);
/// The whole group, or one (S,G) entry.
Status removeMembership(RtNetlink& socket, unsigned bridge, const MdbKey& key, const InetAddress& source = {});

/// A station that a bridge has learned or that was configured; not the bridge's own addresses.
struct Station {
  unsigned bridge = 0, port = 0;
  std::string macAddress;  // 6 octets
};
Result<std::vector<Station>> readStations(RtNetlink& socket);

}  // namespace vmmig

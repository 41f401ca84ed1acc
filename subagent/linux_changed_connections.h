// SPDX-License-Identifier: GPL-2.0-or-later
// The list of connections and flows whose packets were seen since one last looked, of those addresses that are followed: kept by
// BPF programs behind connection tracking (subagent/bpf/changed_connections.bpf.c). ctnetlink's events tell nothing of data
// packets, which change timeouts, windows and flags. The same addresses can choose which events reach a ctnetlink socket.
//
// Holds for the network namespace that the process is in at follow(). Packets cost nothing while nobody follows. What goes around
// the netfilter hooks of IPv4 and IPv6 is not seen: flow tables, tc's act_ct, Open vSwitch, a bridge without br_netfilter.
//
// Needs Linux 6.4 with CONFIG_NETFILTER_BPF_LINK and BTF, CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "common/result.h"
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

class LinuxChangedConnections {
 public:
  struct Entry {
    std::uint8_t protocol = 0;
    /// As tupleFrom() has them.
    TuplePair tuples;
    std::uint16_t zone = 0;
  };
  /// So many entries fit between two looks; about 150 octets of kernel memory each.
  static constexpr std::uint32_t defaultCapacity = 131072;

  /// An Error says what the kernel or this process lacks. Nothing is attached yet.
  static Result<LinuxChangedConnections> open(std::uint32_t capacity = defaultCapacity);
  LinuxChangedConnections(LinuxChangedConnections&&) noexcept;
  LinuxChangedConnections& operator=(LinuxChangedConnections&&) noexcept;
  ~LinuxChangedConnections();

  /// All of them or, with an Error, none. Counted: who follows twice unfollows twice. Packets that are under way when this
  /// returns may have passed unseen: a dump that the list is to complete begins after their RCU grace period (some 10 ms;
  /// membarrier(2) waits for it).
  Status follow(std::span<const InetAddress> addresses);
  /// What is on the list stays there; but when nobody follows any more, nothing does.
  void unfollow(std::span<const InetAddress> addresses);

  /// Appends what is on the list, in no order, and takes it off; whoever then reads an entry sees at least what the packet did
  /// that put it there. False: changes were lost before, since the list was full, so everything must be read (after this, not
  /// before). An Error, too: changes were lost. An entry may be told that is gone, or (of a first packet) not in the kernel's
  /// table yet.
  Result<bool> take(std::vector<Entry>& entries);

  /// Packets that come in at this interface are this process's own: what they change need not be told.
  void disregard(unsigned interfaceIndex);

  /// From now on a ctnetlink socket gets only events (NEW, UPDATE, DESTROY) of entries with an address that is followed, and
  /// whatever else is no such message. For a socket that asks nothing: answers are filtered, too. Outlives this object;
  /// SO_DETACH_BPF takes it off.
  Status filter(int socket);

 private:
  struct Program;
  explicit LinuxChangedConnections(std::unique_ptr<Program> program);
  Status add(const InetAddress& address);
  void remove(const InetAddress& address);
  void stop();

  std::unique_ptr<Program> program_;
  std::map<InetAddress, unsigned> followers_;
};

}  // namespace vmmig

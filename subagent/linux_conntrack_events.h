// SPDX-License-Identifier: GPL-2.0-or-later
// Which entries of connection tracking something happens to, in the network namespace of this process, for those who follow a VM:
// by ctnetlink's events (NEW, UPDATE, DESTROY), and by the list of those that packets passed, of which most raise no event. Costs
// nothing while nobody follows.
#pragma once

#include <libmnl/libmnl.h>

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "common/event_loop.h"
#include "subagent/linux_changed_connections.h"
#include "subagent/linux_tap.h"
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

/// A packet that was behind a netfilter hook when something was hung there is through when every CPU has left its read-side
/// critical section. Takes the kernel 8 to 16 ms, with a TAP device less than one; false: it cannot be waited for.
bool waitForPacketsUnderWay(LinuxTap* tap);

/// Names an entry.
struct ConntrackEntry {
  WireTuples wire;
  std::uint16_t zone = 0;
};

/// `event`: ctnetlink told it. `packet`: nothing but packets that raise no event, which change remaining life and windows.
enum class Touch { event, packet };

class ConntrackEvents {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    /// Something happened to an entry with one of the listener's addresses; what, whoever cares looks up.
    virtual void touched(const ConntrackEntry& entry, Touch touch) = 0;
    /// From here back nobody knows what happened. `why` ends a sentence.
    virtual void lost(const std::string& why) = 0;
  };

  /// With a loop, events are taken as they come, so that the kernel's buffer does not fill; without, only by drain().
  /// `waitForPackets`: as waitForPacketsUnderWay().
  ConntrackEvents(EventLoop* loop, std::function<bool()> waitForPackets)
      : loop_(loop), waitForPackets_(std::move(waitForPackets)) {}
  ConntrackEvents(const ConntrackEvents&) = delete;
  ConntrackEvents& operator=(const ConntrackEvents&) = delete;
  ~ConntrackEvents() { close(); }

  /// Whatever happens to an entry from when this returns is told. An Error: nothing can be followed here, and why. The listener
  /// outlives its place here.
  Status add(Listener& listener, std::span<const InetAddress> addresses);
  void remove(Listener& listener);
  /// What packets change that come in at this interface, this process does itself; nobody need be told.
  void disregard(unsigned interfaceIndex) { ownInterface_ = interfaceIndex; }
  /// Tells the listeners of everything that has happened before.
  void drain();

 private:
  Status open();
  void close();
  void watch();
  void takeChanged();
  /// At most so many receives; false when nothing is left.
  bool receive(int most);
  void take(const nlmsghdr* message);
  void tell(const ConntrackEntry& entry, Touch touch);
  void lose(const std::string& why);

  EventLoop* loop_;
  std::function<bool()> waitForPackets_;
  unsigned ownInterface_ = 0;
  std::optional<LinuxChangedConnections> changed_;
  std::vector<LinuxChangedConnections::Entry> entries_;
  UniqueFd socket_;
  std::optional<EventLoop::TimerId> rest_;  // until which it is not watched
  std::vector<char> buffer_;
  // The connection of the event before, by its CTA_ID and CTA_TUPLE_ORIG; nothing when somebody has looked since.
  std::uint32_t lastId_ = 0;
  std::string lastName_;
  std::multimap<InetAddress, Listener*> listeners_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Receives the INFORMs (and traps) of VM-MIGRATION-MIB, SNMPv3 authPriv only, acknowledges them and hands them up as rows.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/event_loop.h"
#include "common/result.h"
#include "mibs/registry.h"

namespace vmmig {

/// A notification that was authentic and well-formed. `row` is of NotificationInfo::table: its INDEX and the OBJECTS are as they
/// were sent, its other columns at their defaults.
struct ReceivedNotification {
  mib::Notification notification;
  AnyRow row;
  std::string sourceAddress;  // "10.9.0.21": who sent the datagram
  std::string user;           // the security name that it was authenticated with
};

class TrapListener {
 public:
  /// What our engine is called unless told otherwise: fixed, so that `trapsess -e` in snmpd.conf can name it and snmpd never
  /// stalls in a probe for it (enterprise 32473, text "vmmig-mgr").
  static constexpr std::string_view defaultEngineId = "0x80007ed904766d6d69672d6d6772";

  struct Options {
    std::string address = "udp:162";  // as in snmptrapd(8), several with commas; UDP over IPv4 or IPv6
    /// Lines of snmptrapd.conf(5), and no others: `createUser`, `authUser`, `exactEngineID`, `disableAuthorization no`. Must not
    /// be readable by others, since it holds passphrases.
    std::string usersFile;
    std::string engineId = {};  // "0x8000..."; empty: the users file's exactEngineID, or the default
  };
  using Handler = std::function<void(ReceivedNotification)>;

  /// Binds the address and creates the users; one listener a process, since Net-SNMP has one engine a process. `handler` runs in
  /// the loop's thread, never inside a call of this class. A sender whose acknowledgement was lost sends again, and the handler
  /// sees the notification twice: vmMigPhaseSequence tells.
  static Result<std::unique_ptr<TrapListener>> open(EventLoop& loop, Options options, Handler handler);
  virtual ~TrapListener() = default;

  struct Counters {
    std::uint64_t received = 0;  // handed up
    std::uint64_t dropped = 0;   // malformed, unauthenticated or foreign
  };
  virtual Counters counters() const = 0;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Net-SNMP as this process uses it: initialised once, and a session's settings made from our options. The headers of the library
// stay behind this one.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "manager/snmp_session.h"

struct snmp_session;  // netsnmp_session

namespace vmmig::snmp {

/// Initialises Net-SNMP (snmp.conf, USM, log) at the first call. It loads no MIB modules, since we have ours built in, and
/// neither reads nor writes persistent files.
void initialise();

/// snmpcmd(1)'s -d and -D.
void dumpPackets();
void debug(const std::string& tokens);

/// What Net-SNMP opens a session from. Owns what the library's struct points to.
class SessionTemplate {
 public:
  /// An error names the option that is wrong.
  static Result<SessionTemplate> make(const SessionOptions& options);
  SessionTemplate(SessionTemplate&&) noexcept;
  SessionTemplate& operator=(SessionTemplate&&) noexcept;
  ~SessionTemplate();

  snmp_session& session();
  SessionSecurity security() const;
  /// Over a stream a request is sent once, and waited for as long as all tries over datagrams would take: a SET that ran late
  /// must not run again.
  void sendOnce();

 private:
  struct Parts;
  explicit SessionTemplate(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// What a failure of the library means for a person, by SNMPERR_*: what to check. Without a full stop.
std::string explain(int snmpError);
Trouble troubleOf(int snmpError);

}  // namespace vmmig::snmp

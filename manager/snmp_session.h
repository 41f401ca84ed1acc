// SPDX-License-Identifier: GPL-2.0-or-later
// One SNMP peer, several requests under way: Net-SNMP's asynchronous single-session API behind coroutines. Options and snmp.conf
// defaults mean what snmpcmd(1) says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/result.h"
#include "common/smi_value.h"
#include "common/task.h"
#include "manager/wakeup.h"

namespace vmmig {

/// What snmpcmd(1)'s options say; an empty field is left to snmp.conf. Passphrases come from snmp.conf in all our examples.
struct SessionOptions {
  std::string peer;  // "tcp:10.0.0.1:161", as in snmpcmd(1); port 161 and udp unless given
  std::string version, community, user, level, authProtocol, authPassphrase, privProtocol, privPassphrase, context;
  std::string timeoutSeconds, retries;
};

/// Why a request got no Response, for who wants to know more than the sentence: RFC 3414's reports told apart.
enum class Trouble {
  none,
  noAnswer,
  connection,  // it could not be opened, or was lost
  unknownUser,
  wrongDigest,
  decryption,
  securityLevel,
  timeWindow,
  engineId,
  other,
};

/// What a session speaks, once snmp.conf has filled in what was left open.
struct SessionSecurity {
  std::string version = "3";
  std::string level = "authPriv";
  std::string user;
};

/// What a peer answered to one request: error-status noError and the varbinds, or the error and the index of the varbind at
/// fault.
struct Response {
  SnmpStatus status = SnmpStatus::noError;
  std::size_t errorIndex = 0;  // from 1; 0 when the error is of no varbind
  std::vector<smi::VarBind> varbinds;
};

class SnmpSession {
 public:
  /// Let requests end first: those that wait for one that is still under way are never told.
  virtual ~SnmpSession() = default;
  /// An Error is a transport's or security's failure (no answer, unknown user, wrong digest) in a sentence that names the peer
  /// and says what to do; an SNMP error-status is a Response.
  /// Of the requests that wait here for others, those in haste go first.
  virtual Task<Result<Response>> get(std::vector<Oid> names, Haste haste = nullptr) = 0;
  virtual Task<Result<Response>> getNext(std::vector<Oid> names) = 0;
  virtual Task<Result<Response>> getBulk(std::vector<Oid> names, int maxRepetitions, Haste haste = nullptr) = 0;
  virtual Task<Result<Response>> set(std::vector<smi::VarBind> varbinds, Haste haste = nullptr) = 0;
  virtual const std::string& peer() const = 0;
  virtual SessionSecurity security() const { return {}; }
  /// Of the last request that got no Response.
  virtual Trouble trouble() const { return Trouble::none; }

  /// Opens a session; over TCP with TCP_NODELAY (Nagle and delayed acknowledgements stall 40 ms otherwise).
  static Result<std::unique_ptr<SnmpSession>> open(EventLoop& loop, SessionOptions options);
};

}  // namespace vmmig

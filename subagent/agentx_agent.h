// SPDX-License-Identifier: GPL-2.0-or-later
// The AgentX side of vmmigd: one registration at vmMigObjects with snmpd (so that a SET arrives whole), and one to read from for each
// table of another module; their requests go to a RequestHandler. It comes back by itself whenever snmpd does. This header names no Net-SNMP type.
#pragma once

#include <memory>
#include <string>

#include "common/net_snmp.h"
#include "subagent/request_handler.h"

struct netsnmp_agent_request_info_s;
struct netsnmp_request_info_s;

namespace vmmig {

/// One a process: Net-SNMP's agent library is global.
class AgentxAgent {
 public:
  /// `socket` as agentXSocket in snmpd.conf(5). snmpd need not run yet.
  AgentxAgent(EventLoop& loop, RequestHandler& handler, std::string socket);
  AgentxAgent(const AgentxAgent&) = delete;
  AgentxAgent& operator=(const AgentxAgent&) = delete;
  ~AgentxAgent();

  bool isConnected() const { return connected_; }
  /// Sessions that were opened after the first one.
  std::uint32_t reconnects() const { return reconnects_; }

  /// For the library's callbacks only.
  void sessionOpened();
  void sessionLost();
  void serve(const Oid& subtree, netsnmp_agent_request_info_s& info, netsnmp_request_info_s* requests);

 private:
  void serveSet(netsnmp_agent_request_info_s& info, netsnmp_request_info_s* requests);
  void endTransaction();

  EventLoop& loop_;
  RequestHandler& handler_;
  std::string socket_;
  net_snmp::Source source_;
  // snmpd runs one SET at a time.
  std::unique_ptr<SetTransaction> transaction_;
  bool committed_ = false;
  bool connected_ = false;
  bool everConnected_ = false;
  std::uint32_t reconnects_ = 0;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/agentx_agent.h"

// Net-SNMP's headers need this order, which the empty lines keep.
#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <net-snmp/agent/net-snmp-agent-includes.h>

#include <net-snmp/agent/agent_callbacks.h>

#include <cstdlib>
#include <exception>
#include <stdexcept>

#include "common/log.h"
#include "mibs/registry.h"

namespace vmmig {

namespace {

// Not "vmmigd": Net-SNMP would read a vmmigd.conf of its own.
constexpr const char* applicationName = "vmmigd-agentx";
// How soon a lost snmpd is noticed, and how often it is looked for.
constexpr int pingIntervalSeconds = 1;
// The library waits for the answers to its own requests (Open, Register, Ping) and serves nothing else meanwhile.
constexpr int answerTimeoutMicroseconds = 3'000'000;

constexpr Oid toOid(const oid* sub, std::size_t count) {
  Oid name;
  for (std::size_t i = 0; i < count; ++i) name.push_back(static_cast<std::uint32_t>(sub[i]));
  return name;
}

/// The library's list as a sequence, in the order of the varbinds.
std::vector<netsnmp_request_info*> sequence(netsnmp_request_info* requests) {
  std::vector<netsnmp_request_info*> all;
  for (auto* each = requests; each; each = each->next)
    if (!each->processed) all.push_back(each);
  return all;
}

void fail(netsnmp_agent_request_info& info, const std::vector<netsnmp_request_info*>& requests, const RequestError& error) {
  if (requests.empty()) return;
  // AgentX has no place for an error of no varbind in Net-SNMP: the first takes it.
  auto* at = error.index == 0 || error.index > requests.size() ? requests.front() : requests[error.index - 1];
  netsnmp_set_request_error(&info, at, static_cast<int>(error.status));
}

/// All answers at once, or none: of a request that failed nothing may count towards the size of the PDU.
void answer(netsnmp_agent_request_info& info, const std::vector<netsnmp_request_info*>& requests,
            const RequestHandler::Answers& answers) {
  if (!answers) return fail(info, requests, answers.error());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto& [name, value] = (*answers)[i];
    // The library itself says endOfMibView, once it has looked beyond our registration.
    if (value.type != smi::Type::endOfMibView) net_snmp::setVariable(*requests[i]->requestvb, name, value);
  }
}

void serveGet(RequestHandler& handler, netsnmp_agent_request_info& info, netsnmp_request_info* list) {
  auto requests = sequence(list);
  std::vector<Oid> names;
  for (const auto* each : requests) names.push_back(toOid(each->requestvb->name, each->requestvb->name_length));
  answer(info, requests, handler.get(names));
}

void serveGetNext(RequestHandler& handler, const Oid& subtree, netsnmp_agent_request_info& info, netsnmp_request_info* list) {
  auto requests = sequence(list);
  // What is behind this registration may be behind another agent's as well.
  auto subtreeEnd = subtree;
  ++subtreeEnd.back();
  std::vector<SearchRange> ranges;
  for (const auto* each : requests) {
    auto end = toOid(each->range_end, each->range_end_len);
    ranges.push_back({toOid(each->requestvb->name, each->requestvb->name_length), each->inclusive != 0,
                      end.empty() || end > subtreeEnd ? subtreeEnd : end});
  }
  answer(info, requests, handler.getNext(ranges));
}

// --- callbacks of the library: no exception leaves them ---------------------------------------------------------------

/// False when `work` has thrown, which is logged.
template <class Work>
bool guarded(Work work) {
  try {
    work();
    return true;
  } catch (const std::exception& failure) {
    log::error(std::string{"a request of snmpd failed, please report this: "} + failure.what());
    return false;
  }
}

int requested(netsnmp_mib_handler* handler, netsnmp_handler_registration* registration, netsnmp_agent_request_info* info,
              netsnmp_request_info* requests) {
  auto& agent = *static_cast<AgentxAgent*>(handler->myvoid);
  if (!guarded([&] { agent.serve(toOid(registration->rootoid, registration->rootoid_len), *info, requests); }))
    netsnmp_set_request_error(info, requests, SNMP_ERR_GENERR);
  return SNMP_ERR_NOERROR;
}

int sessionStarted(int, int, void*, void* agent) {
  guarded([&] { static_cast<AgentxAgent*>(agent)->sessionOpened(); });
  return 0;
}

int sessionStopped(int, int, void*, void* agent) {
  guarded([&] { static_cast<AgentxAgent*>(agent)->sessionLost(); });
  return 0;
}

void configureLibrary(const std::string& socket) {
  net_snmp::captureLog();
  // Our tables are built in.
  ::setenv("MIBS", "", 1);
  ::setenv("MIBDIRS", "", 1);
  const auto enable = [](int store, int which) { netsnmp_ds_set_boolean(store, which, 1); };
  // Our settings are vmmigd's alone: no snmp.conf, no modules, no persistent files.
  enable(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS);
  enable(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE);
  enable(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD);
  enable(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE);
  enable(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_ALARM_DONT_USE_SIG);
  enable(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_ROLE);
  // Once a second while snmpd is away; we say it once.
  enable(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_NO_CONNECTION_WARNINGS);
  netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, socket.c_str());
}

/// After init_agent(), which sets its own defaults.
void configureSession() {
  const auto set = [](int which, int value) { netsnmp_ds_set_int(NETSNMP_DS_APPLICATION_ID, which, value); };
  set(NETSNMP_DS_AGENT_AGENTX_PING_INTERVAL, pingIntervalSeconds);
  set(NETSNMP_DS_AGENT_AGENTX_TIMEOUT, answerTimeoutMicroseconds);
  set(NETSNMP_DS_AGENT_AGENTX_RETRIES, 0);
}

void registerSubtree(AgentxAgent& agent, const Oid& subtree, int modes) {
  std::vector<oid> name(subtree.begin(), subtree.end());
  auto label = toString(subtree);
  auto* registration = netsnmp_create_handler_registration(label.c_str(), requested, name.data(), name.size(), modes);
  if (!registration) throw std::runtime_error("Net-SNMP cannot make a registration: out of memory");
  registration->handler->myvoid = &agent;
  // Frees the registration when it fails.
  if (netsnmp_register_handler(registration) != MIB_REGISTERED_OK)
    throw std::runtime_error("Net-SNMP refuses to register " + label);
}

}  // namespace

AgentxAgent::AgentxAgent(EventLoop& loop, RequestHandler& handler, std::string socket)
    : loop_(loop), handler_(handler), socket_(std::move(socket)) {
  configureLibrary(socket_);
  snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, sessionStarted, this);
  snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, sessionStopped, this);
  if (init_agent(applicationName) != 0) throw std::runtime_error("Net-SNMP's agent library does not start");
  configureSession();
  registerSubtree(*this, mib::objects(), HANDLER_CAN_RWRITE);
  for (const auto& subtree : handler_.otherSubtrees()) registerSubtree(*this, subtree, HANDLER_CAN_RONLY);
  init_snmp(applicationName);  // opens the session
  if (!connected_)
    log::warning("snmpd does not answer at its AgentX socket " + socket_ +
                 "; waiting for it (is snmpd running, with 'master agentx' and this agentXSocket in snmpd.conf?)");
  loop_.attach(source_);
}

AgentxAgent::~AgentxAgent() {
  loop_.detach(source_);
  endTransaction();
  snmp_unregister_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, sessionStarted, this, 1);
  snmp_unregister_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, sessionStopped, this, 1);
  // Says goodbye to snmpd.
  snmp_shutdown(applicationName);
  shutdown_agent();
}

void AgentxAgent::sessionOpened() {
  connected_ = true;
  if (everConnected_) ++reconnects_;
  everConnected_ = true;
  log::notice("connected to snmpd at " + socket_);
}

void AgentxAgent::sessionLost() {
  if (connected_) log::warning("snmpd has closed its AgentX session; trying again every second");
  connected_ = false;
  endTransaction();
}

/// What snmpd does not end, since it has gone: what was only tested is forgotten, what was made stays. The manager, who has no
/// answer, asks again.
void AgentxAgent::endTransaction() {
  if (transaction_ && committed_) transaction_->cleanup();
  transaction_.reset();
  committed_ = false;
}

void AgentxAgent::serve(const Oid& subtree, netsnmp_agent_request_info& info, netsnmp_request_info* requests) {
  switch (info.mode) {
    case MODE_GET: return serveGet(handler_, info, requests);
    case MODE_GETNEXT: return serveGetNext(handler_, subtree, info, requests);
    default: return serveSet(info, requests);
  }
}

// AgentX has four phases where Net-SNMP has six: TestSet is RESERVE1 and RESERVE2, CommitSet is ACTION, CleanupSet is COMMIT, or
// FREE when nothing was committed, UndoSet is UNDO.
void AgentxAgent::serveSet(netsnmp_agent_request_info& info, netsnmp_request_info* list) {
  auto requests = sequence(list);
  std::optional<RequestError> error;
  switch (info.mode) {
    case MODE_SET_RESERVE1: {
      endTransaction();
      std::vector<smi::VarBind> varbinds;
      for (const auto* each : requests) varbinds.push_back(net_snmp::fromVariable(*each->requestvb));
      transaction_ = handler_.set();
      error = transaction_->test(varbinds);
      break;
    }
    case MODE_SET_ACTION:
      error = transaction_ ? transaction_->commit() : RequestError{SnmpStatus::commitFailed, 0};
      committed_ = !error;
      break;
    case MODE_SET_UNDO:
      if (transaction_) error = transaction_->undo();
      transaction_.reset();
      committed_ = false;
      break;
    case MODE_SET_COMMIT:
    case MODE_SET_FREE: endTransaction(); break;
    default: break;
  }
  if (error) fail(info, requests, *error);
}

}  // namespace vmmig

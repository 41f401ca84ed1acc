// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/trap_listener.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
//
#include <net-snmp/library/large_fd_set.h>
#include <net-snmp/library/lcd_time.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <sstream>

#include "common/hex.h"
#include "common/log.h"
#include "common/net_snmp.h"
#include "manager/counted.h"
#include "manager/notification.h"
#include "manager/snmp_library.h"
#include "manager/trap_users.h"

namespace vmmig {

namespace {

constexpr std::size_t leastEngineId = 5, mostEngineId = 32;  // SnmpEngineID (RFC 3411)

// RFC 3414 section 2.2: senders that know our engine refuse to talk to one whose boots do not grow. Made from the clock they need
// no file that could be lost: steps of 2 seconds since 2025 last until 2161 (31 bits).
int engineBoots() {
  constexpr std::time_t january2025 = 1'735'689'600;
  return static_cast<int>(std::max<std::time_t>((std::time(nullptr) - january2025) / 2, 1));
}

Status becomeEngine(const std::string& id) {
  auto octets = id.starts_with("0x") ? fromHex(std::string_view{id}.substr(2)) : std::nullopt;
  if (!octets || octets->size() < leastEngineId || octets->size() > mostEngineId)
    return failure("the engine ID \"" + id + "\" is none: give 0x and 10 to 64 hexadecimal digits, such as " +
                   std::string{TrapListener::defaultEngineId});
  const auto* bytes = reinterpret_cast<const unsigned char*>(octets->data());
  set_exact_engineID(bytes, octets->size());
  // It adds 1, as to what a persistent file says.
  auto boots = std::to_string(engineBoots() - 1);
  engineBoots_conf("engineBoots", boots.data());
  set_enginetime(bytes, static_cast<unsigned>(octets->size()), static_cast<unsigned>(snmpv3_local_snmpEngineBoots()),
                 static_cast<unsigned>(snmpv3_local_snmpEngineTime()), TRUE);
  return {};
}

bool userExists(const std::string& user) {
  for (auto* each = usm_get_userList(); each; each = each->next)
    if (each->secName && user == each->secName) return true;
  return false;
}

Status createUsers(TrapUsers& users, const std::string& file) {
  for (auto& line : users.createUser) {
    // The library writes what is wrong to the log.
    usm_parse_create_usmUser("createUser", line.data());
    line.assign(line.size(), '\0');
  }
  for (const auto& user : users.authorized)
    if (!userExists(user))
      return failure(file + ": authUser names \"" + user +
                     "\", which no createUser line makes; passphrases have at least 8 characters");
  return {};
}

/// One line for each datagram that is dropped, but not for a flood of them.
class DropLog {
 public:
  void write(const std::string& source, const std::string& reason) {
    auto now = Clock::now();
    if (now < quietUntil_) {
      ++suppressed_;
      return;
    }
    quietUntil_ = now + std::chrono::milliseconds{200};
    std::string more = suppressed_ ? " (and " + counted(suppressed_, "other") + " since the last such line)" : "";
    suppressed_ = 0;
    log::notice("dropped a notification from " + source + ": " + reason + more);
  }

 private:
  Clock::time_point quietUntil_{};
  std::uint64_t suppressed_ = 0;
};

class NetSnmpTrapListener final : public TrapListener {
 public:
  NetSnmpTrapListener(EventLoop& loop, std::set<std::string> authorized, Handler handler)
      : loop_(loop), authorized_(std::move(authorized)), handler_(std::move(handler)) {}
  ~NetSnmpTrapListener() override {
    *alive_ = false;
    for (auto& socket : sockets_) {
      loop_.unwatch(socket->fd);
      snmp_sess_close(socket->session);
    }
  }
  Status bind(const std::string& address);
  Counters counters() const override { return counters_; }

 private:
  struct Socket {
    NetSnmpTrapListener* owner;
    void* session;
    int fd;
  };
  static int onMessage(int operation, netsnmp_session*, int, netsnmp_pdu* pdu, void* context);
  static int beforeParse(netsnmp_session* session, netsnmp_transport* transport, void* source, int size);
  static int afterParse(netsnmp_session* session, netsnmp_pdu* pdu, int failed);

  void readable(Socket& socket);
  void received(Socket& socket, netsnmp_pdu& pdu);
  void acknowledge(Socket& socket, netsnmp_pdu& pdu);
  std::string objection(const netsnmp_pdu& pdu) const;
  void drop(const std::string& reason) {
    ++counters_.dropped;
    drops_.write(source_, reason);
  }

  EventLoop& loop_;
  std::set<std::string> authorized_;
  Handler handler_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::string source_;          // of the datagram that is being read
  unsigned outsideWindow_ = 0;  // usmStatsNotInTimeWindows before it
  Counters counters_;
  DropLog drops_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Status NetSnmpTrapListener::bind(const std::string& address) {
  auto* transport = netsnmp_transport_open_server("snmptrap", address.c_str());
  if (!transport) {
    std::string reason = std::strerror(errno);
    return failure("cannot listen for notifications on " + address + ": " + reason +
                   "; is it taken (snmptrapd?), or a port below 1024 without root?");
  }
  if (transport->flags & NETSNMP_TRANSPORT_FLAG_STREAM) {
    transport->f_close(transport);
    netsnmp_transport_free(transport);
    return failure("cannot listen for notifications on " + address + ": only udp and udp6 are served");
  }
  auto socket = std::make_unique<Socket>(Socket{this, nullptr, transport->sock});
  netsnmp_session session;
  snmp_sess_init(&session);
  session.version = SNMP_DEFAULT_VERSION;
  session.isAuthoritative = SNMP_SESS_UNKNOWNAUTH;
  session.callback = onMessage;
  session.callback_magic = socket.get();
  socket->session = snmp_sess_add(&session, transport, beforeParse, afterParse);
  if (!socket->session)
    return failure("cannot listen for notifications on " + address + ": " + snmp_api_errstring(session.s_snmp_errno));
  loop_.watch(socket->fd, [this, raw = socket.get()] { readable(*raw); });
  sockets_.push_back(std::move(socket));
  return {};
}

void NetSnmpTrapListener::readable(Socket& socket) {
  netsnmp_large_fd_set ready;
  netsnmp_large_fd_set_init(&ready, socket.fd + 1);
  netsnmp_large_fd_setfd(socket.fd, &ready);
  snmp_sess_read2(socket.session, &ready);
  netsnmp_large_fd_set_cleanup(&ready);
}

int NetSnmpTrapListener::beforeParse(netsnmp_session* session, netsnmp_transport* transport, void* source, int size) {
  auto& owner = *static_cast<Socket*>(session->callback_magic)->owner;
  owner.source_ = "an unknown address";
  owner.outsideWindow_ = snmp_get_statistic(STAT_USMSTATSNOTINTIMEWINDOWS);
  if (!transport->f_fmtaddr) return 1;
  // "UDP: [10.9.0.21]:4711->[10.9.0.1]:162"
  std::unique_ptr<char, decltype(&std::free)> text{transport->f_fmtaddr(transport, source, size), &std::free};
  std::string_view whole = text ? text.get() : "";
  auto open = whole.find('['), close = whole.find(']');
  if (open != whole.npos && close != whole.npos && open < close) owner.source_ = whole.substr(open + 1, close - open - 1);
  return 1;
}

int NetSnmpTrapListener::afterParse(netsnmp_session* session, netsnmp_pdu*, int failed) {
  if (!failed) return 1;
  auto& owner = *static_cast<Socket*>(session->callback_magic)->owner;
  int error = session->s_snmp_errno;
  // How a sender learns our engine ID and time (RFC 3414 section 4): answered by the library, and no fault. The library goes on
  // to parse what it has not decrypted, and its error is then about that.
  bool discovery = snmp_get_statistic(STAT_USMSTATSNOTINTIMEWINDOWS) != owner.outsideWindow_ || error == SNMPERR_UNKNOWN_ENG_ID ||
                   error == SNMPERR_USM_UNKNOWNENGINEID || error == SNMPERR_NOT_IN_TIME_WINDOW ||
                   error == SNMPERR_USM_NOTINTIMEWINDOW;
  if (discovery)
    log::debug("engine discovery from " + owner.source_);
  else
    owner.drop(error ? snmp_api_errstring(error) : "it is no SNMP message");
  return 1;
}

int NetSnmpTrapListener::onMessage(int operation, netsnmp_session*, int, netsnmp_pdu* pdu, void* context) {
  auto& socket = *static_cast<Socket*>(context);
  if (operation == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE && pdu) socket.owner->received(socket, *pdu);
  return 1;
}

std::string NetSnmpTrapListener::objection(const netsnmp_pdu& pdu) const {
  if (pdu.version != SNMP_VERSION_3) return "it is not SNMPv3; set up `trapsess -v3 -l authPriv` at the sender";
  if (pdu.command != SNMP_MSG_INFORM && pdu.command != SNMP_MSG_TRAP2) return "it is no notification but another request";
  std::string user{pdu.securityName ? pdu.securityName : "", pdu.securityNameLen};
  if (pdu.securityLevel != SNMP_SEC_LEVEL_AUTHPRIV) return "user \"" + user + "\" sent it without authPriv";
  if (!authorized_.contains(user)) return "user \"" + user + "\" may not notify; add authUser to the users file if it should";
  return "";
}

void NetSnmpTrapListener::received(Socket& socket, netsnmp_pdu& pdu) {
  if (auto reason = objection(pdu); !reason.empty()) return drop(reason);
  if (pdu.command == SNMP_MSG_INFORM) acknowledge(socket, pdu);
  std::vector<smi::VarBind> varbinds;
  for (const auto* variable = pdu.variables; variable; variable = variable->next_variable)
    varbinds.push_back(net_snmp::fromVariable(*variable));
  auto parsed = parseNotification(varbinds);
  if (!parsed) return drop(parsed.error().text);
  ++counters_.received;
  ReceivedNotification notification{parsed->first, std::move(parsed->second), source_,
                                    std::string{pdu.securityName, pdu.securityNameLen}};
  // Later: the handler may destroy us, and the library is still at work.
  loop_.post([this, alive = alive_, notification = std::move(notification)] {
    if (*alive) handler_(notification);
  });
}

void NetSnmpTrapListener::acknowledge(Socket& socket, netsnmp_pdu& pdu) {
  auto* answer = snmp_clone_pdu(&pdu);
  if (!answer) return;
  answer->command = SNMP_MSG_RESPONSE;
  answer->errstat = 0;
  answer->errindex = 0;
  if (!snmp_sess_send(socket.session, answer)) snmp_free_pdu(answer);
}

}  // namespace

Result<std::unique_ptr<TrapListener>> TrapListener::open(EventLoop& loop, Options options, Handler handler) {
  snmp::initialise();
  auto users = readTrapUsers(options.usersFile);
  if (!users) return failure(users.error());
  auto engineId = !options.engineId.empty()  ? options.engineId
                  : !users->engineId.empty() ? users->engineId
                                             : std::string{defaultEngineId};
  if (auto status = becomeEngine(engineId); !status) return failure(status.error());
  if (auto status = createUsers(*users, options.usersFile); !status) return failure(status.error());
  auto listener = std::make_unique<NetSnmpTrapListener>(loop, std::move(users->authorized), std::move(handler));
  std::istringstream addresses{options.address};
  for (std::string address; std::getline(addresses, address, ',');)
    if (auto status = listener->bind(address); !status) return failure(status.error());
  return listener;
}

}  // namespace vmmig

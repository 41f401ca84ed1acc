// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/snmp_session.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
//
#include <net-snmp/library/large_fd_set.h>
#include <net-snmp/library/lcd_time.h>

#include <unordered_set>

#include "common/net_snmp.h"
#include "manager/snmp_library.h"
#include "manager/snmp_transport.h"

namespace vmmig {

namespace {

using Answer = Result<Response>;

// What an agent has of one manager at a time; the rest waits here, where no timeout runs yet. Otherwise a hundred migrations that
// begin at once would wait for each other in the agent until some are taken for lost. snmpd carries SETs out one by one.
constexpr std::size_t setsAtOnce = 8;
constexpr std::size_t readsAtOnce = 32;

struct CloseSession {
  void operator()(void* session) const { snmp_sess_close(session); }
};
using Handle = std::unique_ptr<void, CloseSession>;

struct FreePdu {
  void operator()(netsnmp_pdu* pdu) const { snmp_free_pdu(pdu); }
};
using Pdu = std::unique_ptr<netsnmp_pdu, FreePdu>;

/// The library's set of descriptors, large enough for one.
class DescriptorSet {
 public:
  explicit DescriptorSet(int fd) {
    netsnmp_large_fd_set_init(&set_, fd + 1);
    netsnmp_large_fd_setfd(fd, &set_);
  }
  ~DescriptorSet() { netsnmp_large_fd_set_cleanup(&set_); }
  DescriptorSet(const DescriptorSet&) = delete;
  DescriptorSet& operator=(const DescriptorSet&) = delete;
  netsnmp_large_fd_set* get() { return &set_; }

 private:
  netsnmp_large_fd_set set_;
};

Response toResponse(const netsnmp_pdu& pdu) {
  Response response{static_cast<SnmpStatus>(pdu.errstat), static_cast<std::size_t>(std::max(pdu.errindex, 0L)), {}};
  for (const auto* variable = pdu.variables; variable; variable = variable->next_variable)
    response.varbinds.push_back(net_snmp::fromVariable(*variable));
  return response;
}

class NetSnmpSession final : public SnmpSession {
 public:
  NetSnmpSession(EventLoop& loop, std::string peer, snmp::SessionTemplate settings)
      : loop_(loop), peer_(std::move(peer)), settings_(std::move(settings)), tcp_(snmp::isTcp(peer_)) {
    if (tcp_) settings_.sendOnce();
  }
  ~NetSnmpSession() override {
    *alive_ = false;
    for (auto* request : requests_) request->abandoned = true;
    for (auto* request : finished_) delete request;
    close();
    loop_.cancel(timer_);
  }

  const std::string& peer() const override { return peer_; }
  SessionSecurity security() const override { return settings_.security(); }
  Trouble trouble() const override { return trouble_; }
  Task<Answer> get(std::vector<Oid> names, Haste haste) override {
    return request(makePdu(SNMP_MSG_GET, names), std::move(haste));
  }
  Task<Answer> getNext(std::vector<Oid> names) override { return request(makePdu(SNMP_MSG_GETNEXT, names), nullptr); }
  Task<Answer> getBulk(std::vector<Oid> names, int maxRepetitions, Haste haste) override {
    auto pdu = makePdu(SNMP_MSG_GETBULK, names);
    pdu->non_repeaters = 0;
    pdu->max_repetitions = maxRepetitions;
    return request(std::move(pdu), std::move(haste));
  }
  Task<Answer> set(std::vector<smi::VarBind> varbinds, Haste haste) override {
    Pdu pdu{snmp_pdu_create(SNMP_MSG_SET)};
    for (const auto& varbind : varbinds) net_snmp::appendVariable(&pdu->variables, varbind);
    return request(std::move(pdu), std::move(haste));
  }

 private:
  /// One request under way; the library has its address.
  struct Request {
    NetSnmpSession* owner;
    std::function<void(Answer)> finish;
    std::optional<Answer> answer;
    bool abandoned = false;  // the session is being destroyed: nobody is told
    bool isSet = false;
  };

  static Pdu makePdu(int command, const std::vector<Oid>& names) {
    Pdu pdu{snmp_pdu_create(command)};
    for (const auto& name : names) net_snmp::appendVariable(&pdu->variables, {name, {}});
    return pdu;
  }
  tl::unexpected<Error> fail(const std::string& why) const { return failure(peer_ + ": " + why); }
  netsnmp_session* session() { return snmp_sess_session(handle_.get()); }

  Task<Answer> request(Pdu pdu, Haste haste);
  Task<Answer> requestNow(Pdu pdu);
  Task<Status> ensureOpen();
  Task<Status> openOnce();
  Task<Status> discoverEngine();
  auto exchange(Pdu pdu);
  void send(Pdu pdu, std::function<void(Answer)> finish);
  void readable();
  void expire();
  void armTimer();
  void afterLibrary();
  void deliver();
  void close();
  Error timeoutError();

  static int onAnswer(int operation, netsnmp_session* session, int id, netsnmp_pdu* pdu, void* context);
  static int onDisconnect(int, netsnmp_session*, int, netsnmp_pdu*, void*) { return 1; }
  static void record(Request& request, int operation, const netsnmp_session& session, netsnmp_pdu* pdu);

  EventLoop& loop_;
  std::string peer_;
  snmp::SessionTemplate settings_;
  bool tcp_;
  Handle handle_;
  int socket_ = -1;
  Slots sets_{setsAtOnce}, reads_{readsAtOnce};
  bool opening_ = false;
  bool reopen_ = false;                               // security failed: what we know of the engine may be stale
  bool mustClose_ = false;                            // a SET that was given up might still come to the device over TCP
  std::vector<std::function<void(Status)>> waiting_;  // for the opening that is under way
  std::unordered_set<Request*> requests_;
  std::vector<Request*> finished_;
  EventLoop::TimerId timer_ = 0;
  bool timerArmed_ = false;
  Trouble trouble_ = Trouble::none;
  std::string closeReason_ = "the session was closed";
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Error NetSnmpSession::timeoutError() {
  std::string hint = "no answer. Is the device up, does its snmpd run and listen there, does a firewall let us through?";
  bool encrypted = session()->version == SNMP_VERSION_3 && session()->securityLevel == SNMP_SEC_LEVEL_AUTHPRIV;
  if (encrypted) hint += " (A wrong privacy passphrase looks the same.)";
  return {SnmpStatus::genErr, peer_ + ": " + hint};
}

void NetSnmpSession::record(Request& request, int operation, const netsnmp_session& session, netsnmp_pdu* pdu) {
  auto& owner = *request.owner;
  switch (operation) {
    case NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE:
      // After a Report the library either sends the request again (notInTimeWindow) or calls once more with SEC_ERROR.
      if (pdu->command != SNMP_MSG_REPORT) request.answer = toResponse(*pdu);
      return;
    case NETSNMP_CALLBACK_OP_RESEND: return;
    case NETSNMP_CALLBACK_OP_SEC_ERROR: {
      bool report = pdu && pdu->command == SNMP_MSG_REPORT;
      int error = report ? snmpv3_get_report_type(pdu) : session.s_snmp_errno;
      owner.trouble_ = snmp::troubleOf(error);
      request.answer = owner.fail(snmp::explain(error));
      // While opening it is the probe, for which a Report is the right answer.
      owner.reopen_ = !owner.opening_;
      return;
    }
    case NETSNMP_CALLBACK_OP_TIMED_OUT:
      // Also what snmp_sess_close() tells for each request that is left.
      if (owner.handle_ && owner.tcp_ && request.isSet) owner.mustClose_ = true;
      owner.trouble_ = owner.handle_ ? Trouble::noAnswer : Trouble::connection;
      request.answer = owner.handle_ ? Answer{failure(owner.timeoutError())} : Answer{owner.fail(owner.closeReason_)};
      return;
    default: {
      owner.trouble_ = session.s_snmp_errno == SNMPERR_BAD_SENDTO ? Trouble::connection : Trouble::other;
      bool system = session.s_snmp_errno == SNMPERR_BAD_SENDTO;
      request.answer = owner.fail("the request could not be sent: " +
                                  (system ? std::string{strerror(session.s_errno)} : snmp::explain(session.s_snmp_errno)));
      owner.reopen_ = true;
    }
  }
}

int NetSnmpSession::onAnswer(int operation, netsnmp_session* session, int, netsnmp_pdu* pdu, void* context) {
  auto* request = static_cast<Request*>(context);
  if (request->abandoned) {
    delete request;
    return 1;
  }
  bool first = !request->answer;
  if (first) record(*request, operation, *session, pdu);
  // Told only after the library has returned: whoever waits may close this session.
  if (first && request->answer) request->owner->finished_.push_back(request);
  return 1;
}

void NetSnmpSession::send(Pdu pdu, std::function<void(Answer)> finish) {
  auto* request = new Request{this, std::move(finish), {}};
  request->isSet = pdu->command == SNMP_MSG_SET;
  requests_.insert(request);
  session()->s_snmp_errno = SNMPERR_SUCCESS;
  if (snmp_sess_async_send(handle_.get(), pdu.get(), onAnswer, request)) {
    static_cast<void>(pdu.release());
    armTimer();
    return;
  }
  if (!request->answer) {
    request->answer = fail("the request could not be sent: " + snmp::explain(session()->s_snmp_errno));
    finished_.push_back(request);
  }
  loop_.post([this, alive = alive_] {
    if (*alive) afterLibrary();
  });
}

auto NetSnmpSession::exchange(Pdu pdu) {
  return Completion<Answer>([this, shared = std::make_shared<Pdu>(std::move(pdu))](Completion<Answer>::Finish finish) {
    send(std::move(*shared), std::move(finish));
  });
}

void NetSnmpSession::readable() {
  DescriptorSet ready{socket_};
  snmp_sess_read2(handle_.get(), ready.get());
  if (tcp_ && snmp_sess_transport(handle_.get())->sock >= 0) snmp::acknowledgeAtOnce(socket_);
  afterLibrary();
}

void NetSnmpSession::expire() {
  timerArmed_ = false;
  if (!handle_) return;
  snmp_sess_timeout(handle_.get());
  afterLibrary();
}

void NetSnmpSession::armTimer() {
  if (timerArmed_ || requests_.empty()) return;
  int descriptors = 0, block = 1;
  timeval wait{};
  DescriptorSet set{socket_};
  snmp_sess_select_info2_flags(handle_.get(), &descriptors, set.get(), &wait, &block, NETSNMP_SELECT_NOALARMS);
  if (block) return;
  auto delay = std::chrono::seconds{wait.tv_sec} + std::chrono::microseconds{wait.tv_usec};
  timerArmed_ = true;
  // The library wants the time to have passed, not only to have come.
  timer_ = loop_.after(delay + std::chrono::milliseconds{1}, [this] { expire(); });
}

void NetSnmpSession::afterLibrary() {
  if (handle_ && snmp_sess_transport(handle_.get())->sock < 0) {
    closeReason_ = "the connection was lost; did its snmpd stop?";
    close();
  } else if (handle_ && mustClose_) {
    closeReason_ = "a SET had no answer, and the connection was closed lest it come late";
    close();
  } else if (handle_ && reopen_ && requests_.size() == finished_.size()) {
    auto* engine = session();
    if (engine->securityEngineIDLen) free_enginetime(engine->securityEngineID, engine->securityEngineIDLen);
    close();
  }
  if (handle_) armTimer();
  deliver();
}

void NetSnmpSession::deliver() {
  auto alive = alive_;
  auto finished = std::move(finished_);
  finished_.clear();
  for (auto* request : finished) requests_.erase(request);
  for (auto* request : finished) {
    std::unique_ptr<Request> owned{request};
    // Even when this session is gone by now: each of these has its answer.
    owned->finish(std::move(*owned->answer));
  }
}

void NetSnmpSession::close() {
  if (!handle_) return;
  reopen_ = mustClose_ = false;
  loop_.unwatch(socket_);
  socket_ = -1;
  // Releasing first tells record() that it is us who close.
  Handle closing = std::move(handle_);
}

Task<Status> NetSnmpSession::openOnce() {
  auto timeout = std::chrono::microseconds{std::max(settings_.session().timeout, 1'000'000L)};
  auto transport = co_await snmp::connectTransport(loop_, peer_, timeout);
  if (!transport) {
    trouble_ = Trouble::connection;
    co_return fail(transport.error().text);
  }
  handle_.reset(snmp_sess_add(&settings_.session(), transport->release(), nullptr, nullptr));
  if (!handle_) co_return fail("the session could not be opened: " + snmp::explain(settings_.session().s_snmp_errno));
  session()->flags |= SNMP_FLAGS_DONT_PROBE;
  session()->callback = onDisconnect;
  socket_ = snmp_sess_transport(handle_.get())->sock;
  loop_.watch(socket_, [this] { readable(); });
  if (session()->version != SNMP_VERSION_3 || session()->securityEngineIDLen) co_return Status{};
  auto status = co_await discoverEngine();
  if (!status) close();
  co_return status;
}

// RFC 3414 section 4: a request without user and engine ID is answered with a Report that has the engine ID.
Task<Status> NetSnmpSession::discoverEngine() {
  Pdu probe{snmp_pdu_create(SNMP_MSG_GET)};
  probe->version = SNMP_VERSION_3;
  probe->securityName = strdup("");
  probe->securityLevel = SNMP_SEC_LEVEL_NOAUTH;
  probe->securityModel = SNMP_SEC_MODEL_USM;
  auto answer = co_await exchange(std::move(probe));
  if (!handle_ || session()->securityEngineIDLen == 0) {
    if (!answer) co_return failure(answer.error());
    co_return fail("it did not tell its SNMPv3 engine ID: is there an SNMPv3 agent?");
  }
  if (create_user_from_session(session()) != SNMPERR_SUCCESS)
    co_return fail("no keys could be made for the SNMPv3 user: check passphrases (at least 8 characters) and protocols");
  co_return Status{};
}

Task<Status> NetSnmpSession::ensureOpen() {
  if (handle_ && !opening_) co_return Status{};
  if (opening_) {
    co_return co_await Completion<Status>([this](Completion<Status>::Finish finish) { waiting_.push_back(std::move(finish)); });
  }
  opening_ = true;
  auto status = co_await openOnce();
  opening_ = false;
  // In the next turn: those that wait go on after us, in their order.
  for (auto& finish : std::exchange(waiting_, {})) loop_.post([finish = std::move(finish), status] { finish(status); });
  co_return status;
}

Task<Answer> NetSnmpSession::request(Pdu pdu, Haste haste) {
  auto alive = alive_;
  auto& slots = pdu->command == SNMP_MSG_SET ? sets_ : reads_;
  co_await slots.acquire(std::move(haste));
  auto answer = co_await requestNow(std::move(pdu));
  // Who had an answer before this one may have closed the session.
  if (*alive) slots.release(loop_);
  co_return answer;
}

Task<Answer> NetSnmpSession::requestNow(Pdu pdu) {
  auto open = co_await ensureOpen();
  if (!open) co_return failure(open.error());
  if (!handle_) co_return fail(closeReason_);
  co_return co_await exchange(std::move(pdu));
}

}  // namespace

Result<std::unique_ptr<SnmpSession>> SnmpSession::open(EventLoop& loop, SessionOptions options) {
  if (options.peer.empty()) return failure("no device is given");
  auto settings = snmp::SessionTemplate::make(options);
  if (!settings) return failure(settings.error());
  return std::make_unique<NetSnmpSession>(loop, options.peer, std::move(*settings));
}

}  // namespace vmmig

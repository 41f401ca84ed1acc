// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/libvirt_connection.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "subagent/libvirt_calls.h"

namespace vmmig {

namespace {

using namespace std::chrono_literals;
using nlohmann::json;

/// After an attempt that failed.
constexpr auto pauseBetweenAttempts = 2s;
/// For what is still to be asked of libvirtd at the end.
constexpr auto patienceAtEnd = 3s;
/// A libvirtd that does not answer for so long is taken for dead: seconds, and how often.
constexpr int keepAliveInterval = 5, keepAliveCount = 3;

constexpr const char* objectId = "vmmig";
constexpr const char* eventPattern = "^(STOP|RESUME|MIGRATION)$";

}  // namespace

/// What all three threads know. The worker alone has the connection.
class LibvirtConnection::Line : public std::enable_shared_from_this<Line> {
 public:
  Line(EventLoop& loop, std::string uri, Listener& listener)
      : uri_(std::move(uri)), listener_(listener), mailbox_(std::make_shared<Mailbox>(loop)) {}

  void start() {
    // The worker may outlast us, when libvirtd does not answer.
    worker_ = std::make_unique<Worker>(pauseBetweenAttempts, [self = shared_from_this()] { self->tend(); });
  }
  void stop() {
    mailbox_->close();
    isStopping_ = true;
    worker_->add([this] { disconnect(); });
    worker_->stop(patienceAtEnd);
  }
  template <class Call>
  void call(const Uuid& vm, Call call) {
    worker_->add([this, vm, call = std::move(call)] {
      if (!connection_) return call(*this, failure("there is no connection to libvirtd"));
      call(*this, libvirt::find(connection_, vm));
    });
  }
  void tell(std::function<void()> work) { mailbox_->send(std::move(work)); }

 private:
  using Holder = std::shared_ptr<Line>;
  static Line& line(void* opaque) { return **static_cast<Holder*>(opaque); }
  /// libvirt keeps it, and gives it back to release().
  void* holder() { return new Holder{shared_from_this()}; }
  static void release(void* opaque) { delete static_cast<Holder*>(opaque); }

  // In the worker.
  void tend();
  void connect();
  bool listen();
  void disconnect();
  void sayDisconnected(const std::string& why);
  // In libvirt's loop.
  static int onLifecycle(virConnectPtr, virDomainPtr domain, int event, int detail, void* opaque);
  static void onMonitorEvent(virConnectPtr, virDomainPtr domain, const char* event, long long, unsigned, const char* details,
                             void* opaque);
  static void onClose(virConnectPtr, int, void* opaque);

  std::string uri_;
  Listener& listener_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<Worker> worker_;
  std::atomic<bool> isBroken_ = false, isStopping_ = false;
  virConnectPtr connection_ = nullptr;
  int lifecycle_ = -1, monitor_ = -1;
  Clock::time_point next_;
};

void LibvirtConnection::Line::tend() {
  if (isBroken_.exchange(false) && connection_) {
    disconnect();
    sayDisconnected("libvirtd has closed the connection");
  }
  if (connection_ || isStopping_ || Clock::now() < next_) return;
  connect();
  next_ = Clock::now() + pauseBetweenAttempts;
}

void LibvirtConnection::Line::sayDisconnected(const std::string& why) {
  tell([this, why] { listener_.onDisconnected(why); });
}

void LibvirtConnection::Line::connect() {
  connection_ = ::virConnectOpen(uri_.c_str());
  if (!connection_) return sayDisconnected(libvirt::lastError());
  if (!listen()) {
    auto why = libvirt::lastError();
    disconnect();
    return sayDisconnected(why);
  }
  std::vector<Report> domains;
  for (const auto& domain : libvirt::list(connection_))
    if (auto report = libvirt::look(libvirt::uuidOf(domain.get()), domain.get(), false); report && report->isHere)
      domains.push_back(std::move(*report));
  tell([this, domains = std::move(domains)] { listener_.onConnected(domains); });
}

bool LibvirtConnection::Line::listen() {
  auto* closed = holder();
  if (::virConnectRegisterCloseCallback(connection_, onClose, closed, release) < 0) release(closed);
  ::virConnectSetKeepAlive(connection_, keepAliveInterval, keepAliveCount);
  auto* lifecycle = holder();
  lifecycle_ = ::virConnectDomainEventRegisterAny(connection_, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                  VIR_DOMAIN_EVENT_CALLBACK(onLifecycle), lifecycle, release);
  if (lifecycle_ < 0) {
    release(lifecycle);
    return false;
  }
  auto* monitor = holder();
  monitor_ = ::virConnectDomainQemuMonitorEventRegister(connection_, nullptr, eventPattern, onMonitorEvent, monitor, release,
                                                        VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX);
  if (monitor_ < 0) release(monitor);
  return monitor_ >= 0;
}

void LibvirtConnection::Line::disconnect() {
  if (!connection_) return;
  // Each callback holds the connection.
  if (lifecycle_ >= 0) ::virConnectDomainEventDeregisterAny(connection_, lifecycle_);
  if (monitor_ >= 0) ::virConnectDomainQemuMonitorEventDeregister(connection_, monitor_);
  ::virConnectUnregisterCloseCallback(connection_, onClose);
  lifecycle_ = monitor_ = -1;
  ::virConnectClose(std::exchange(connection_, nullptr));
}

int LibvirtConnection::Line::onLifecycle(virConnectPtr, virDomainPtr domain, int event, int detail, void* opaque) {
  auto known = libvirt::lifecycleOf(event, detail);
  if (!known) return 0;
  auto& self = line(opaque);
  self.tell([&self, vm = libvirt::uuidOf(domain), name = libvirt::nameOf(domain), known = *known] {
    self.listener_.onLifecycle(vm, name, known);
  });
  return 0;
}

void LibvirtConnection::Line::onMonitorEvent(virConnectPtr, virDomainPtr domain, const char* event, long long seconds,
                                             unsigned microseconds, const char* details, void* opaque) {
  auto data = json::parse(details ? details : "", nullptr, false);
  std::string status;
  if (data.is_object() && data.contains("status") && data["status"].is_string()) status = data["status"];
  MicrosecondsUtc time{static_cast<std::uint64_t>(seconds) * 1'000'000 + microseconds};
  auto& self = line(opaque);
  self.tell([&self, vm = libvirt::uuidOf(domain), name = std::string{event}, status, time] {
    self.listener_.onMonitorEvent(vm, name, status, time);
  });
}

void LibvirtConnection::Line::onClose(virConnectPtr, int, void* opaque) {
  line(opaque).isBroken_ = true;
  line(opaque).worker_->wake();
}

LibvirtConnection::LibvirtConnection(EventLoop& loop, const std::string& uri, Listener& listener) {
  // Errors are returned; libvirt would also print them.
  ::virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
  line_ = std::make_shared<Line>(loop, uri, listener);
  line_->start();
}

LibvirtConnection::~LibvirtConnection() { line_->stop(); }

void LibvirtConnection::look(const Uuid& vm, bool isIncoming, std::function<void(Report)> then) {
  line_->call(vm, [vm, isIncoming, then = std::move(then)](Line& line, const Result<libvirt::Domain>& domain) {
    if (!domain) return;
    if (auto report = libvirt::look(vm, domain->get(), isIncoming)) line.tell([then, report = *report] { then(report); });
  });
}

void LibvirtConnection::attachGate(const Uuid& vm, const std::string& busAddress, const std::string& id,
                                   std::function<void(Status)> then) {
  auto remove = json{{"id", objectId}}.dump();
  auto add = json{{"qom-type", "dbus-vmstate"}, {"id", objectId}, {"addr", busAddress}, {"id-list", id}}.dump();
  line_->call(vm, [=](Line& line, const Result<libvirt::Domain>& domain) {
    Status status = failure(domain ? "libvirt does not know the domain any more" : domain.error().text);
    if (domain && *domain) {
      libvirt::monitorCommand(domain->get(), "object-del", remove);  // there may be none
      status = libvirt::monitorCommand(domain->get(), "object-add", add);
    }
    line.tell([then, status] { then(status); });
  });
}

void LibvirtConnection::detachGate(const Uuid& vm) {
  auto remove = json{{"id", objectId}}.dump();
  line_->call(vm, [remove](Line&, const Result<libvirt::Domain>& domain) {
    if (domain && *domain) libvirt::monitorCommand(domain->get(), "object-del", remove);
  });
}

}  // namespace vmmig

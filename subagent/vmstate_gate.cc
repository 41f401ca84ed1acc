// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/vmstate_gate.h"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "common/log.h"

namespace vmmig {

namespace {

constexpr const char* serviceName = "org.qemu.VMState1";
constexpr const char* objectPath = "/org/qemu/VMState1";
constexpr const char* refusal = "org.qemu.VMState1.Error.Refused";
/// QEMU takes an empty array for a failure.
constexpr std::uint8_t state = 1;
/// Whoever calls without an end does not keep us from the others.
constexpr int mostAtOnce = 64;

}  // namespace

struct VmstateGate::Interface {
  static VmstateGate& gate(void* data) { return *static_cast<VmstateGate*>(data); }

  static int id(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*, sd_bus_error*) {
    return sd_bus_message_append(reply, "s", VmstateGate::id);
  }
  static int save(sd_bus_message* call, void* data, sd_bus_error*) { return gate(data).onSave(call); }
  /// Says nothing: the source may still take the VM back. Only a RESUME decides.
  static int load(sd_bus_message* call, void*, sd_bus_error*) {
    log::debug("QEMU calls Load(): a VM has come as far as this host");
    return sd_bus_reply_method_return(call, "");
  }
  static int named(sd_bus_message* answer, void* data, sd_bus_error*) {
    if (sd_bus_message_is_method_error(answer, nullptr)) {
      log::error("the bus for QEMU refuses the name " + std::string{serviceName} + ": " +
                 sd_bus_message_get_error(answer)->message);
      return 1;
    }
    gate(data).isServing_ = true;
    gate(data).callbacks_.serving();
    return 1;
  }
  static int caller(sd_bus_message* answer, void* data, sd_bus_error*) {
    auto& gate = Interface::gate(data);
    // The answer is known by the call that it answers; the Save() itself may be over by now.
    std::uint64_t cookie = 0;
    sd_bus_message_get_reply_cookie(answer, &cookie);
    for (auto& call : gate.calls_)
      if (call.question == cookie) {
        std::uint32_t process = 0;
        bool isKnown = !sd_bus_message_is_method_error(answer, nullptr) && sd_bus_message_read(answer, "u", &process) > 0;
        gate.onCaller(call, isKnown ? std::optional{static_cast<pid_t>(process)} : std::nullopt);
        break;
      }
    return 1;
  }

  static constexpr sd_bus_vtable table[] = {
      SD_BUS_VTABLE_START(0),
      SD_BUS_PROPERTY("Id", "s", id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
      SD_BUS_METHOD("Save", "", "ay", save, SD_BUS_VTABLE_UNPRIVILEGED),
      SD_BUS_METHOD("Load", "ay", "", load, SD_BUS_VTABLE_UNPRIVILEGED),
      SD_BUS_VTABLE_END,
  };
};

void VmstateGate::BusDeleter::operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
void VmstateGate::MessageDeleter::operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }

VmstateGate::VmstateGate(EventLoop& loop, Callbacks callbacks, std::chrono::milliseconds longest)
    : loop_(loop), callbacks_(std::move(callbacks)), longest_(longest) {}

VmstateGate::~VmstateGate() {
  for (auto& call : calls_) refuseCall(call, "vmmigd ends");
  disconnect();
}

Status VmstateGate::connect(const std::string& busAddress) {
  const auto wrong = [&](int code) {
    bus_.reset();
    return failure("no connection to the bus for QEMU at " + busAddress + ": " + std::strerror(-code));
  };
  sd_bus* bus = nullptr;
  int code = sd_bus_new(&bus);
  if (code < 0) return wrong(code);
  bus_.reset(bus);
  if ((code = sd_bus_set_address(bus, busAddress.c_str())) < 0) return wrong(code);
  if ((code = sd_bus_set_bus_client(bus, 1)) < 0) return wrong(code);
  if ((code = sd_bus_start(bus)) < 0) return wrong(code);
  if ((code = sd_bus_add_object_vtable(bus, nullptr, objectPath, serviceName, Interface::table, this)) < 0) return wrong(code);
  if ((code = sd_bus_request_name_async(bus, nullptr, serviceName, SD_BUS_NAME_QUEUE, Interface::named, this)) < 0)
    return wrong(code);
  loop_.attach(*this);
  return {};
}

void VmstateGate::disconnect() {
  if (!bus_) return;
  loop_.detach(*this);
  for (auto& call : calls_) loop_.cancel(call.timer);
  calls_.clear();
  isServing_ = false;
  bus_.reset();
}

std::optional<Clock::duration> VmstateGate::prepare(std::vector<pollfd>& fds) {
  int events = sd_bus_get_events(bus_.get());
  fds.push_back({sd_bus_get_fd(bus_.get()), static_cast<short>(std::max(events, 0)), 0});
  std::uint64_t until = 0;  // microseconds of CLOCK_MONOTONIC, as Clock's
  if (sd_bus_get_timeout(bus_.get(), &until) <= 0 || until == UINT64_MAX) return std::nullopt;
  auto now = Clock::now().time_since_epoch();
  return std::max<Clock::duration>(Clock::duration::zero(), std::chrono::microseconds{until} - now);
}

void VmstateGate::dispatch(std::vector<pollfd>) {
  int code = 1;
  for (int i = 0; i < mostAtOnce && code > 0; ++i) code = sd_bus_process(bus_.get(), nullptr);
  if (code >= 0 && sd_bus_is_open(bus_.get()) > 0) return;
  disconnect();
  callbacks_.lost();
}

int VmstateGate::onSave(sd_bus_message* message) {
  if (calls_.size() >= maxWaiting) return sd_bus_reply_method_errorf(message, refusal, "vmmigd: too many calls wait already");
  auto& call = calls_.emplace_back();
  call.message.reset(sd_bus_message_ref(message));
  call.timer = loop_.after(longest_, [this, &call] {
    log::error("QEMU's Save() of VM " + (call.vm ? toString(*call.vm) : "?") +
               " had no answer in time; the VM stays at the source");
    refuseCall(call, "vmmigd knows no answer");
    drop(call);
  });
  sd_bus_message* created = nullptr;
  int code = sd_bus_message_new_method_call(bus_.get(), &created, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                            "org.freedesktop.DBus", "GetConnectionUnixProcessID");
  Message question{created};
  if (code >= 0) code = sd_bus_message_append(created, "s", sd_bus_message_get_sender(message));
  if (code >= 0) code = sd_bus_call_async(bus_.get(), nullptr, created, Interface::caller, this, 0);
  if (code >= 0) code = sd_bus_message_get_cookie(created, &call.question);
  if (code < 0) onCaller(call, std::nullopt);
  return 1;
}

void VmstateGate::onCaller(Call& call, std::optional<pid_t> process) {
  call.vm = process ? callbacks_.vmOfProcess(*process) : std::nullopt;
  if (call.vm) return callbacks_.save(*call.vm);
  log::error("a Save() cannot be told from which VM it is" +
             (process ? ": process " + std::to_string(*process) + " has no -uuid on its command line, or /proc does not show it"
                      : std::string{}) +
             "; it is refused");
  refuseCall(call, "vmmigd does not know this QEMU");
  drop(call);
}

void VmstateGate::drop(Call& call) {
  loop_.cancel(call.timer);
  calls_.remove_if([&](const Call& each) { return &each == &call; });
}

bool VmstateGate::isAsked(const Uuid& vm) const {
  return std::any_of(calls_.begin(), calls_.end(), [&](const Call& call) { return call.vm == vm; });
}

std::list<VmstateGate::Call> VmstateGate::take(const Uuid& vm) {
  std::list<Call> taken;
  for (auto each = calls_.begin(); each != calls_.end();) {
    auto next = std::next(each);
    if (each->vm == vm) taken.splice(taken.end(), calls_, each);
    each = next;
  }
  for (const auto& call : taken) loop_.cancel(call.timer);
  return taken;
}

void VmstateGate::allow(const Uuid& vm) {
  for (const auto& call : take(vm)) {
    sd_bus_message* created = nullptr;
    if (sd_bus_message_new_method_return(call.message.get(), &created) < 0) continue;
    Message reply{created};
    if (sd_bus_message_append_array(created, 'y', &state, sizeof state) < 0 || sd_bus_send(nullptr, created, nullptr) < 0)
      log::error("QEMU's Save() of VM " + toString(vm) + " could not be answered; the VM stays at the source");
  }
}

void VmstateGate::refuse(const Uuid& vm, const std::string& why) {
  for (auto& call : take(vm)) refuseCall(call, why);
}

void VmstateGate::refuseCall(Call& call, const std::string& why) {
  sd_bus_reply_method_errorf(call.message.get(), refusal, "vmmigd: %s", why.c_str());
}

std::optional<Uuid> vmOfQemu(pid_t process) {
  std::ifstream file{"/proc/" + std::to_string(process) + "/cmdline"};
  for (std::string word; std::getline(file, word, '\0');)
    if (word == "-uuid" && std::getline(file, word, '\0')) return parseUuid(word);
  return std::nullopt;
}

}  // namespace vmmig

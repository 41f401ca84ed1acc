// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/libvirt_gates.h"

#include "common/log.h"

namespace vmmig {

namespace {

using namespace std::chrono_literals;

/// A QEMU that refused the object, or a service that lost its bus, is tried again.
constexpr auto pauseBetweenAttempts = 10s;

CheckRow checkRow(const std::string& name, Health health, std::string text, std::string remedy) {
  CheckRow row;
  row.name.value = name;
  row.health = health;
  constexpr std::size_t most = 255;
  row.text.value = text.substr(0, most);
  row.remedy.value = remedy.substr(0, most);
  return row;
}

}  // namespace

LibvirtGates::LibvirtGates(EventLoop& loop, LibvirtConnection& connection, const std::string& busPath, Owner& owner)
    : loop_(loop), connection_(connection), owner_(owner), bus_(loop, busPath, {[this] { onBusUp(); }, [this] { onBusDown(); }}) {
  again_ = loop_.after(pauseBetweenAttempts, [this] { tryAgain(); });
}

LibvirtGates::~LibvirtGates() {
  loop_.cancel(again_);
  for (const auto& [vm, qemu] : qemus_)
    if (qemu.object != Object::none && owner_.mayAttach(vm)) connection_.detachGate(vm);
}

void LibvirtGates::follow(const Uuid& vm) { qemus_.try_emplace(vm); }

void LibvirtGates::forget(const Uuid& vm) { qemus_.erase(vm); }

void LibvirtGates::cameIn(const Uuid& vm, bool hasObject) {
  auto found = qemus_.find(vm);
  if (found == qemus_.end()) return;
  withoutObject_ = hasObject ? "" : owner_.labelOf(vm);
  // It cannot have started without a bus; if that was one before ours, it has nothing.
  if (hasObject && bus_.isUp()) found->second.object = Object::attached;
  if (!hasObject) log::warning(withoutObject_ + " comes in without a gate: " + checkHook().remedy.value);
}

void LibvirtGates::onBusUp() {
  ++generation_;
  serve();
}

void LibvirtGates::onBusDown() {
  ++generation_;
  gate_.reset();
  for (auto& [vm, qemu] : qemus_) qemu.object = Object::none;
}

void LibvirtGates::serve() {
  const auto lost = [this] {
    // The gate may not be destroyed while it calls us.
    loop_.post([this, generation = generation_] {
      if (generation == generation_) gate_.reset();
    });
  };
  const auto save = [this](const Uuid& vm) { owner_.onSave(vm); };
  gate_ = std::make_unique<VmstateGate>(loop_, VmstateGate::Callbacks{[this] { attachAll(); }, save, lost, vmOfQemu});
  auto connected = gate_->connect(VmstateBus::addressOf(bus_.path()));
  if (connected) return;
  log::error(connected.error().text);
  gate_.reset();
}

void LibvirtGates::attachAll() {
  for (const auto& [vm, qemu] : qemus_) attach(vm);
}

void LibvirtGates::attach(const Uuid& vm) {
  auto found = qemus_.find(vm);
  if (found == qemus_.end() || found->second.object != Object::none || !owner_.mayAttach(vm)) return;
  if (!gate_ || !gate_->isServing()) return;
  found->second.object = Object::asked;
  connection_.attachGate(vm, VmstateBus::addressOf(bus_.path()), VmstateGate::id,
                         [this, vm, generation = generation_](const Status& status) { onAttached(vm, generation, status); });
}

void LibvirtGates::onAttached(const Uuid& vm, unsigned generation, const Status& status) {
  auto found = qemus_.find(vm);
  if (found == qemus_.end() || generation != generation_) return;
  auto& qemu = found->second;
  qemu.object = status ? Object::attached : Object::none;
  auto trouble = status ? "" : status.error().text;
  if (status)
    log::info(owner_.labelOf(vm) + " can be held: its QEMU has the gate");
  else if (trouble != qemu.trouble)
    log::warning(owner_.labelOf(vm) + " cannot be held: " + trouble);
  qemu.trouble = trouble;
}

void LibvirtGates::tryAgain() {
  if (!gate_ && bus_.isUp()) serve();
  attachAll();
  again_ = loop_.after(pauseBetweenAttempts, [this] { tryAgain(); });
}

bool LibvirtGates::canHold(const Uuid& vm) const {
  auto found = qemus_.find(vm);
  return found != qemus_.end() && found->second.object == Object::attached && gate_ && gate_->isServing();
}

std::string LibvirtGates::trouble(const Uuid& vm) const {
  if (canHold(vm)) return {};
  if (!bus_.isUp()) return "no bus for QEMU at " + bus_.path() + ": " + bus_.trouble();
  auto found = qemus_.find(vm);
  if (found == qemus_.end() || found->second.trouble.empty()) return "its QEMU has not got the gate yet";
  return "its QEMU could not be given the gate: " + found->second.trouble;
}

bool LibvirtGates::isAsked(const Uuid& vm) const { return gate_ && gate_->isAsked(vm); }

void LibvirtGates::allow(const Uuid& vm) {
  if (gate_) gate_->allow(vm);
}

void LibvirtGates::refuse(const Uuid& vm, const std::string& why) {
  if (gate_) gate_->refuse(vm, why);
}

CheckRow LibvirtGates::checkBus() const {
  if (bus_.isUp()) return checkRow("vmstateBus", Health::up, "dbus-daemon listens at " + bus_.path(), "");
  return checkRow("vmstateBus", Health::degraded,
                  "no bus for QEMU at " + bus_.path() + ", so no VM can be held: " + bus_.trouble(),
                  "do what the text says; vmmigd tries again by itself. VMs that had the gate do not migrate until then");
}

CheckRow LibvirtGates::checkGates() const {
  std::string first;
  std::size_t count = 0;
  for (const auto& [vm, qemu] : qemus_) {
    if (qemu.object == Object::attached || !owner_.mayAttach(vm)) continue;
    if (++count == 1) first = owner_.labelOf(vm) + ": " + trouble(vm);
  }
  if (count == 0) return checkRow("vmstateGate", Health::up, "each of " + std::to_string(qemus_.size()) + " VMs can be held", "");
  return checkRow(
      "vmstateGate", Health::degraded,
      std::to_string(count) + " of " + std::to_string(qemus_.size()) + " VMs cannot be held. " + first,
      "see the log; a QEMU before 5.0, or with another object dbus-vmstate, cannot get it. Such VMs migrate without a hold");
}

CheckRow LibvirtGates::checkHook() const {
  if (withoutObject_.empty()) return checkRow("vmstateHook", Health::up, "no VM came in without a gate", "");
  return checkRow("vmstateHook", Health::degraded,
                  withoutObject_ + " came in without a gate, and goes back if the source has one",
                  "install libvirt's hook on this host (docs/hooks/libvirt-gate, or of the package "
                  "/usr/share/doc/vmmigd/examples/libvirt-gate, as "
                  "/etc/libvirt/hooks/qemu.d/vmmig, executable), and restart "
                  "libvirtd");
}

void LibvirtGates::addChecks(std::vector<CheckRow>& rows) const {
  rows.push_back(checkBus());
  rows.push_back(checkGates());
  rows.push_back(checkHook());
}

}  // namespace vmmig

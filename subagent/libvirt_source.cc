// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/libvirt_source.h"

#include <algorithm>

#include "common/log.h"
#include "subagent/phase_manager.h"

namespace vmmig {

namespace {

using namespace std::chrono_literals;

/// Events may be lost, when libvirtd is restarted: where migrations stand is asked for.
constexpr auto pauseBetweenProbes = 5s;
/// What would explain a Save() is at most a few ms behind it.
constexpr auto graceOfSave = 250ms;

}  // namespace

LibvirtSource::LibvirtSource(const PhaseSourceOptions& options, EventLoop& loop, PhaseManager& phases,
                             const std::string& hostName)
    : options_(options),
      loop_(loop),
      phases_(phases),
      hostName_(hostName),
      connection_(loop, options.libvirtUri, *this),
      gates_(new LibvirtGates{loop, connection_, options.vmstateBus, *this}) {
  probe_ = loop_.after(pauseBetweenProbes, [this] { probe(); });
}

LibvirtSource::~LibvirtSource() {
  loop_.cancel(probe_);
  for (auto& [uuid, vm] : vms_) stopGrace(vm);
}

std::unique_ptr<PhaseSource> makeLibvirtSource(const PhaseSourceOptions& options, EventLoop& loop, PhaseManager& phases,
                                               const std::string& hostName) {
  return std::make_unique<LibvirtSource>(options, loop, phases, hostName);
}

bool LibvirtSource::follows(const Uuid& vm) const { return vms_.contains(vm); }

bool LibvirtSource::mayAttach(const Uuid& vm) const {
  auto found = vms_.find(vm);
  return found != vms_.end() && trouble_.empty() && !found->second.domain.isMigrating() && !found->second.domain.asksForJob();
}

std::string LibvirtSource::labelOf(const Uuid& vm) const {
  auto found = vms_.find(vm);
  bool hasName = found != vms_.end() && !found->second.name.empty();
  return "VM " + (hasName ? found->second.name + " (" + toString(vm) + ")" : toString(vm));
}

std::vector<CheckRow> LibvirtSource::checks() {
  CheckRow row;
  row.name.value = "libvirt";
  row.health = trouble_.empty() ? Health::up : Health::down;
  row.text.value = trouble_.empty()
                       ? "connected to " + options_.libvirtUri + ", which runs " + std::to_string(vms_.size()) + " VMs"
                       : "no connection to " + options_.libvirtUri + ": " + trouble_;
  row.text.value.resize(std::min<std::size_t>(row.text.value.size(), 255));
  if (!trouble_.empty()) row.remedy.value = "start libvirtd, or correct libvirt-uri in vmmigd.conf; vmmigd tries again by itself";
  std::vector<CheckRow> rows{row};
  gates_->addChecks(rows);
  return rows;
}

void LibvirtSource::onConnected(std::vector<LibvirtConnection::Report> domains) {
  trouble_.clear();
  log::notice("connected to libvirt, " + options_.libvirtUri + ", which runs " + std::to_string(domains.size()) + " VMs");
  std::vector<Uuid> gone;
  for (const auto& [uuid, vm] : vms_)
    if (std::none_of(domains.begin(), domains.end(), [&](const auto& report) { return report.uuid == uuid; }))
      gone.push_back(uuid);
  for (const auto& uuid : gone) follow(uuid, vms_.at(uuid).domain.onProbe(false, false, DomainJob::none));
  for (const auto& report : domains) meet(report);
}

/// A domain that is there when the connection is made: as new, or again.
void LibvirtSource::meet(const LibvirtConnection::Report& report) {
  bool isNew = !vms_.contains(report.uuid);
  auto& vm = add(report.uuid, report.name);
  learn(vm, report);
  auto steps = isNew ? vm.domain.found(report.isRunning, report.job) : vm.domain.onProbe(true, report.isRunning, report.job);
  follow(report.uuid, std::move(steps));
}

void LibvirtSource::onDisconnected(const std::string& why) {
  if (trouble_ != why) log::error("no connection to libvirt, " + options_.libvirtUri + ": " + why);
  trouble_ = why;
}

LibvirtSource::Vm& LibvirtSource::add(const Uuid& uuid, const std::string& name) {
  auto& vm = vms_[uuid];
  if (!name.empty()) vm.name = name;
  return vm;
}

void LibvirtSource::learn(Vm& vm, const LibvirtConnection::Report& report) {
  if (!report.name.empty()) vm.name = report.name;
  if (!report.xml.empty()) vm.macAddresses = macAddressesOf(report.xml);
  vm.isLookedAt = true;
}

void LibvirtSource::onLifecycle(const Uuid& uuid, const std::string& name, DomainLifecycle event) {
  bool isStart = event == DomainLifecycle::started || event == DomainLifecycle::startedMigrated;
  if (!isStart && !vms_.contains(uuid)) return;
  auto& vm = add(uuid, name);
  ++vm.events;
  if (isStart) {
    vm.isLookedAt = false;
    gates_->forget(uuid);  // a QEMU before this one
  }
  follow(uuid, vm.domain.onLifecycle(event));
  if (isStart) look(uuid);
}

void LibvirtSource::onMonitorEvent(const Uuid& uuid, const std::string& event, const std::string& status, MicrosecondsUtc time) {
  auto found = vms_.find(uuid);
  if (found == vms_.end()) return;  // of a domain that is still being started
  auto& vm = found->second;
  ++vm.events;
  auto steps = event == "STOP" ? vm.domain.onStop() : event == "RESUME" ? vm.domain.onResume() : vm.domain.onMigration(status);
  follow(uuid, std::move(steps), time);
}

void LibvirtSource::follow(const Uuid& uuid, LibvirtDomain::Steps steps, MicrosecondsUtc time) {
  auto& vm = vms_.at(uuid);
  if (vm.domain.role() != LibvirtDomain::Role::gone) gates_->follow(uuid);
  bool canWait = steps.size() == 1 && steps[0].phase == Phase::prepared && !vm.isLookedAt;
  vm.untold.insert(vm.untold.end(), steps.begin(), steps.end());
  if (!canWait && (!steps.empty() || vm.isLookedAt))
    for (const auto& step : std::exchange(vm.untold, {})) tell(uuid, vm, step, time);
  if (gates_->isAsked(uuid)) answerSave(uuid, vm);
  if (vm.domain.role() == LibvirtDomain::Role::gone) {
    stopGrace(vm);
    gates_->forget(uuid);
    vms_.erase(uuid);
    return;
  }
  if (!vm.domain.asksForJob()) vm.isJobAsked = false;
  if (vm.domain.asksForJob() && !std::exchange(vm.isJobAsked, true)) look(uuid);
  gates_->attach(uuid);
}

void LibvirtSource::tell(const Uuid& uuid, Vm& vm, const LibvirtDomain::Step& step, MicrosecondsUtc time) {
  PhaseRow row;
  row.uuid = uuid;
  row.vmName.value = vm.name;
  row.macAddresses.value = vm.macAddresses;
  row.phase = step.phase;
  row.time = time;
  row.holdPolicy = options_.policy;
  row.error.value = step.error;
  if (step.phase == Phase::prepared) vm.isDestination = true;
  if (step.phase == Phase::preCopy) vm.isDestination = false;
  (vm.isDestination ? row.destinationHost : row.sourceHost).value = hostName_;
  if (step.phase == Phase::stopped && gates_->canHold(uuid))
    row.holdDeadline.value = static_cast<std::uint32_t>(options_.hold.count());
  else if (step.phase == Phase::stopped)
    row.error.value = "not held: " + gates_->trouble(uuid);
  row.error.value.resize(std::min<std::size_t>(row.error.value.size(), 255));
  if (step.phase == Phase::stopped && row.holdDeadline == 0) log::error(labelOf(uuid) + " has stopped and is " + row.error.value);
  phases_.report(std::move(row));
}

void LibvirtSource::look(const Uuid& uuid) {
  const auto& vm = vms_.at(uuid);
  connection_.look(uuid, vm.domain.role() == LibvirtDomain::Role::incoming,
                   [this, events = vm.events](const auto& report) { onLook(report, events); });
}

void LibvirtSource::onLook(const LibvirtConnection::Report& report, unsigned eventsBefore) {
  auto found = vms_.find(report.uuid);
  if (found == vms_.end()) return;
  auto& vm = found->second;
  LibvirtDomain::Steps steps;
  if (report.isHere) learn(vm, report);
  // What the domain is made of stays true whatever has happened since; where it stands does not.
  if (vm.domain.role() == LibvirtDomain::Role::incoming)
    gates_->cameIn(report.uuid, hasVmstateObject(report.xml, VmstateGate::id));
  if (vm.domain.asksForJob())
    steps = vm.domain.onJob(report.job);
  else if (vm.events == eventsBefore)
    steps = vm.domain.onProbe(report.isHere, report.isRunning, report.job);
  follow(report.uuid, std::move(steps));
}

void LibvirtSource::probe() {
  for (const auto& [uuid, vm] : vms_)
    if (trouble_.empty() && vm.domain.isMigrating() && !gates_->isAsked(uuid)) look(uuid);
  probe_ = loop_.after(pauseBetweenProbes, [this] { probe(); });
}

void LibvirtSource::onSave(const Uuid& uuid) {
  auto found = vms_.find(uuid);
  if (found == vms_.end()) return gates_->allow(uuid);  // of a domain that libvirt has not told of: nothing moves it
  follow(uuid, found->second.domain.onSave());
}

void LibvirtSource::answerSave(const Uuid& uuid, Vm& vm) {
  auto row = phases_.row(uuid);
  bool isHeld = row && row->holdStatus == HoldStatus::held;
  switch (vm.domain.saveAnswer()) {
    case LibvirtDomain::SaveAnswer::hold:
      stopGrace(vm);
      if (!isHeld) gates_->allow(uuid);  // told without a hold
      return;
    case LibvirtDomain::SaveAnswer::now: stopGrace(vm); return gates_->allow(uuid);
    case LibvirtDomain::SaveAnswer::refuse: stopGrace(vm); return gates_->refuse(uuid, "the VM has to stay at the source");
    case LibvirtDomain::SaveAnswer::unsure: break;
  }
  if (vm.grace) return;
  vm.grace = loop_.after(graceOfSave, [this, uuid] {
    auto found = vms_.find(uuid);
    if (found == vms_.end()) return;
    found->second.grace.reset();
    log::info(labelOf(uuid) + " is saved, not migrated: its QEMU may go on");
    gates_->allow(uuid);
  });
}

void LibvirtSource::stopGrace(Vm& vm) {
  if (vm.grace) loop_.cancel(*vm.grace);
  vm.grace.reset();
}

void LibvirtSource::letGo(const Uuid& uuid) {
  auto found = vms_.find(uuid);
  if (found == vms_.end() || !found->second.domain.isStopped())
    return log::notice("the hold of " + labelOf(uuid) + " is over at libvirt; nothing to let go");
  found->second.domain.decide(LibvirtDomain::Verdict::goOn);
  gates_->allow(uuid);
}

void LibvirtSource::cancelMigration(const Uuid& uuid) {
  auto found = vms_.find(uuid);
  if (found == vms_.end() || !found->second.domain.isStopped())
    return log::notice("the hold of " + labelOf(uuid) + " is over at libvirt; nothing to cancel");
  if (found->second.domain.isPostcopy()) {
    log::error(labelOf(uuid) +
               " is in post-copy, where taking it back would lose it: it goes on to the destination without its network state");
    return letGo(uuid);
  }
  found->second.domain.decide(LibvirtDomain::Verdict::goBack);
  gates_->refuse(uuid, "the VM has to stay at the source");
}

}  // namespace vmmig

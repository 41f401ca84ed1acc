// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/libvirt_domain.h"

#include <algorithm>

#include "common/hex.h"

namespace vmmig {

using Steps = LibvirtDomain::Steps;

Steps LibvirtDomain::found(bool isRunning, DomainJob job) {
  stands_ = !isRunning;
  Steps steps;
  if (job == DomainJob::migrationOut) depart(steps);
  if (job == DomainJob::migrationIn) return onLifecycle(DomainLifecycle::startedMigrated);
  return steps;
}

Steps LibvirtDomain::onStop() {
  stands_ = true;
  hasStopped_ = isRead_;
  Steps steps;
  if (role_ == Role::outgoing) stand(steps);
  return steps;
}

Steps LibvirtDomain::onResume() {
  stands_ = hasStopped_ = false;
  if (role_ == Role::incoming) return arrive({});
  if (role_ != Role::outgoing || told_ != Phase::stopped) return {};
  if (hasSwitchedOver_ || !ended_.empty()) return endOutgoing("it failed after the VM was stopped");
  // Somebody had suspended the VM, and the migration goes on.
  verdict_ = Verdict::none;
  told_ = Phase::preCopy;
  return {{Phase::cancelled, "the VM was resumed at the source before its memory was copied"}, {Phase::preCopy, {}}};
}

Steps LibvirtDomain::onMigration(std::string_view status) {
  if (role_ == Role::incoming || role_ == Role::gone) return {};
  Steps steps;
  if (status == "setup") {
    if (role_ == Role::resident) rest(Role::resident);
    isRead_ = true;
  } else if (status == "active") {
    isRead_ = true;
  } else if (status == "postcopy-active") {
    isPostcopy_ = true;
  } else if (status == "pre-switchover" || status == "device") {
    hasSwitchedOver_ = stands_ = true;
    depart(steps);
    stand(steps);
  } else if (status == "completed") {
    isRead_ = false;
    if (ended_.empty()) ended_ = status;
  } else if (status == "cancelling") {
    ended_ = "cancelled";
  } else if (status == "failed" || status == "cancelled") {
    isRead_ = false;
    ended_ = status;
    // A VM that was stopped for it runs again first. One that had been suspended does not.
    bool willResume = told_ == Phase::stopped && hasStopped_;
    if (role_ == Role::outgoing && !willResume) return endOutgoing("its QEMU could not send it");
  }
  return steps;
}

Steps LibvirtDomain::onLifecycle(DomainLifecycle event) {
  switch (event) {
    case DomainLifecycle::started:
      rest(Role::resident);
      stands_ = false;
      return {};
    case DomainLifecycle::startedMigrated:
      if (role_ == Role::incoming) return {};
      rest(Role::incoming);
      stands_ = true;
      told_ = Phase::prepared;
      return {{Phase::prepared, {}}};
    case DomainLifecycle::suspendedPaused:
      // libvirt is done with a VM that was suspended before it left.
      if (role_ == Role::incoming) return arrive("the VM is suspended, as it was at the source");
      return {};
    case DomainLifecycle::stopped:
    case DomainLifecycle::stoppedMigrated: break;
  }
  auto was = role_;
  bool isElsewhere = event == DomainLifecycle::stoppedMigrated;
  if (was == Role::outgoing && !isElsewhere) return endOutgoing("the domain ended at the source");
  rest(Role::gone);
  if (was == Role::incoming)
    return {{Phase::failed, "the incoming domain ended before it ran; the source's log and QEMU's say why"}};
  return {};
}

Steps LibvirtDomain::onJob(DomainJob job) {
  Steps steps;
  if (!asksForJob()) return steps;
  if (job == DomainJob::migrationOut)
    depart(steps);
  else
    isRead_ = false;
  return steps;
}

Steps LibvirtDomain::onProbe(bool isHere, bool isRunning, DomainJob job) {
  if (!isHere) {
    // Where a VM runs that stood here, the destination knows.
    bool mayHaveMoved = role_ == Role::outgoing && told_ == Phase::stopped;
    return onLifecycle(mayHaveMoved ? DomainLifecycle::stoppedMigrated : DomainLifecycle::stopped);
  }
  Steps steps;
  if (!isMigrating() && job == DomainJob::migrationOut) depart(steps);
  if (!isMigrating() || job != DomainJob::none) return steps;
  stands_ = !isRunning;
  if (role_ == Role::outgoing) return endOutgoing("libvirt has ended it");
  return arrive(isRunning ? "" : "the VM is suspended");
}

Steps LibvirtDomain::onSave() {
  Steps steps;
  if (role_ == Role::outgoing) stand(steps);
  return steps;
}

LibvirtDomain::SaveAnswer LibvirtDomain::saveAnswer() const {
  if (role_ == Role::incoming || role_ == Role::gone) return SaveAnswer::now;
  if (role_ == Role::resident) return SaveAnswer::unsure;
  if (verdict_ == Verdict::none) return SaveAnswer::hold;
  return verdict_ == Verdict::goOn ? SaveAnswer::now : SaveAnswer::refuse;
}

/// It leaves, for certain.
void LibvirtDomain::depart(Steps& steps) {
  if (role_ == Role::outgoing) return;
  role_ = Role::outgoing;
  isRead_ = true;
  verdict_ = Verdict::none;
  told_ = Phase::preCopy;
  steps.push_back({Phase::preCopy, {}});
  if (hasStopped_) stand(steps);
}

void LibvirtDomain::stand(Steps& steps) {
  if (told_ == Phase::stopped) return;
  told_ = Phase::stopped;
  steps.push_back({Phase::stopped, {}});
}

Steps LibvirtDomain::endOutgoing(const std::string& why) {
  bool isWanted = verdict_ == Verdict::goBack || ended_ == "cancelled";
  std::string error = verdict_ == Verdict::goBack ? "the hold was cancelled, or expired under the policy require"
                      : isWanted                  ? "the migration was cancelled at the hypervisor"
                                                  : why + "; see QEMU's log of both hosts";
  rest(Role::resident);
  return {{isWanted ? Phase::cancelled : Phase::failed, std::move(error)}};
}

Steps LibvirtDomain::arrive(std::string remark) {
  rest(Role::resident);
  return {{Phase::resumed, std::move(remark)}};
}

/// No migration, in either direction.
void LibvirtDomain::rest(Role role) {
  role_ = role;
  verdict_ = Verdict::none;
  told_ = Phase::cancelled;
  isRead_ = hasStopped_ = hasSwitchedOver_ = isPostcopy_ = false;
  ended_.clear();
}

std::string macAddressesOf(std::string_view xml) {
  // A domain's metadata may hold anything.
  xml.remove_prefix(std::min(xml.size(), xml.find("<devices>")));
  constexpr std::string_view begin = "<mac address='";
  constexpr std::size_t mostOctets = 252;
  std::string octets;
  for (auto at = xml.find(begin); at != xml.npos && octets.size() < mostOctets; at = xml.find(begin, at)) {
    at += begin.size();
    std::string digits;
    for (char each : xml.substr(at, 17))
      if (each != ':') digits += each;
    auto mac = fromHex(digits);
    if (mac && mac->size() == 6) octets += *mac;
  }
  return octets;
}

bool hasVmstateObject(std::string_view xml, std::string_view id) {
  constexpr std::string_view begin = "<qemu:arg value='dbus-vmstate,";
  for (auto at = xml.find(begin); at != xml.npos; at = xml.find(begin, at + 1)) {
    auto value = xml.substr(at, xml.find("'/>", at) - at);
    if (value.ends_with("id-list=" + std::string{id})) return true;
  }
  return false;
}

}  // namespace vmmig

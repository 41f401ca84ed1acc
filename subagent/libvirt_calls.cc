// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/libvirt_calls.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace vmmig::libvirt {

namespace {

using nlohmann::json;

struct Free {
  void operator()(char* text) const { ::free(text); }
};
using Text = std::unique_ptr<char, Free>;

struct Parameters {
  virTypedParameterPtr all = nullptr;
  int count = 0;
  Parameters() = default;
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;
  ~Parameters() { ::virTypedParamsFree(all, count); }
};

/// The last call found no such domain, and not: nobody to ask.
bool isUnknown() { return ::virGetLastErrorCode() == VIR_ERR_NO_DOMAIN; }

DomainJob jobOf(virDomainPtr domain, bool isPausedForMigration) {
  Parameters stats;
  int type = VIR_DOMAIN_JOB_NONE;
  if (::virDomainGetJobStats(domain, &type, &stats.all, &stats.count, 0) < 0) {
    // The destination's libvirtd has no statistics of a domain that comes in.
    return isPausedForMigration ? DomainJob::migrationIn : DomainJob::none;
  }
  int operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
  if (type == VIR_DOMAIN_JOB_NONE) return DomainJob::none;
  ::virTypedParamsGetInt(stats.all, stats.count, VIR_DOMAIN_JOB_OPERATION, &operation);
  if (operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT) return DomainJob::migrationOut;
  return operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN ? DomainJob::migrationIn : DomainJob::other;
}

}  // namespace

std::string lastError() { return ::virGetLastErrorMessage(); }

Uuid uuidOf(virDomainPtr domain) {
  Uuid uuid;
  ::virDomainGetUUID(domain, uuid.octets.data());
  return uuid;
}

std::string nameOf(virDomainPtr domain) {
  const char* name = ::virDomainGetName(domain);
  return name ? name : "";
}

Result<Domain> find(virConnectPtr connection, const Uuid& vm) {
  Domain domain{::virDomainLookupByUUID(connection, vm.octets.data())};
  if (!domain && !isUnknown()) return failure(lastError());
  return domain;
}

std::vector<Domain> list(virConnectPtr connection) {
  virDomainPtr* all = nullptr;
  int count = ::virConnectListAllDomains(connection, &all, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  std::vector<Domain> domains;
  for (int i = 0; i < count; ++i) domains.emplace_back(all[i]);
  ::free(all);
  return domains;
}

Result<LibvirtConnection::Report> look(const Uuid& vm, virDomainPtr domain, bool isIncoming) {
  LibvirtConnection::Report report;
  report.uuid = vm;
  int state = VIR_DOMAIN_SHUTOFF, reason = 0;
  if (domain && ::virDomainGetState(domain, &state, &reason, 0) < 0) {
    if (!isUnknown()) return failure(lastError());
    state = VIR_DOMAIN_SHUTOFF;
  }
  report.isHere = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_CRASHED;
  if (!report.isHere) return report;
  report.name = nameOf(domain);
  report.isRunning = state == VIR_DOMAIN_RUNNING;
  bool isPausedForMigration = state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_MIGRATION;
  report.job = isIncoming && isPausedForMigration ? DomainJob::migrationIn : jobOf(domain, isPausedForMigration);
  if (Text xml{::virDomainGetXMLDesc(domain, 0)}; xml) report.xml = xml.get();
  return report;
}

Status monitorCommand(virDomainPtr domain, const std::string& execute, const std::string& argumentsJson) {
  auto arguments = json::parse(argumentsJson, nullptr, false);
  char* result = nullptr;
  auto command = json{{"execute", execute}, {"arguments", arguments}}.dump();
  if (::virDomainQemuMonitorCommand(domain, command.c_str(), &result, VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT) < 0)
    return failure(lastError());
  Text text{result};
  auto answer = json::parse(text ? text.get() : "", nullptr, false);
  if (!answer.is_object()) return failure("QEMU's answer to " + execute + " is no JSON");
  auto error = answer.find("error");
  if (error == answer.end()) return {};
  bool hasText = error->is_object() && error->contains("desc") && (*error)["desc"].is_string();
  return failure(hasText ? (*error)["desc"].get<std::string>() : "QEMU refuses " + execute);
}

std::optional<DomainLifecycle> lifecycleOf(int event, int detail) {
  switch (event) {
    case VIR_DOMAIN_EVENT_STARTED:
      return detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED ? DomainLifecycle::startedMigrated : DomainLifecycle::started;
    case VIR_DOMAIN_EVENT_SUSPENDED:
      if (detail == VIR_DOMAIN_EVENT_SUSPENDED_PAUSED) return DomainLifecycle::suspendedPaused;
      return std::nullopt;
    case VIR_DOMAIN_EVENT_STOPPED:
      return detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED ? DomainLifecycle::stoppedMigrated : DomainLifecycle::stopped;
    default: return std::nullopt;
  }
}

}  // namespace vmmig::libvirt

// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig phase`: tells a host's vmmigd where a VM's migration stands, for hypervisors that can only run a command; waits for the
// network to let the VM go on.
#include <cmath>

#include "common/hex.h"
#include "manager/command.h"
#include "mibs/labels.h"
#include "mibs/phase_table.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "PHASE is prepared, preCopy, stopped, resumed, failed or cancelled. HOST is the SNMP agent of the hypervisor's host. With "
    "stopped\n"
    "and --hold, the VM is to stay stopped until the network is ready; --wait waits for that. Then the exit status is 0: go on\n"
    "(released, or the hold expired under bestEffort, with a warning); 1: take the migration back (cancelled, or expired under\n"
    "require); 2 or 3: an error, and what the hold became is not known.\n"
    "\n"
    "Examples:\n"
    "  vmmig phase tcp:host-a --vm 6ba7b810-9dad-41d1-80b4-00c04fd430c8 preCopy --name web1 \\\n"
    "      --source-host host-a --destination-host host-b --mac 52:54:00:12:34:56\n"
    "  vmmig phase tcp:host-a --vm 6ba7b810-9dad-41d1-80b4-00c04fd430c8 stopped --hold 10s --wait || virsh ...\n";

void addOptions(po::options_description& options) {
  auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  options.add_options()("vm", text("UUID")->required(), "the VM")("name", text("NAME"), "the VM's name, for people")(
      "source-host", text("HOST"), "where the VM comes from, as the inventory names it")(
      "destination-host", text("HOST"), "where it goes")("mac", po::value<std::vector<std::string>>()->value_name("MAC"),
                                                         "a MAC address of the VM; may be repeated")(
      "hold", text("TIME"), "with stopped: hold the VM for so long at most, such as 10s or 500ms")(
      "policy", text("POLICY"), "what an expired hold does: require (the migration is cancelled) or bestEffort (the VM goes on)")(
      "error", text("TEXT"), "with failed or cancelled: why")("wait", "with stopped: wait until the hold ends");
  addConfigOption(options);
}

/// How often a held VM's row is read: the answer is late by half of it on average.
constexpr std::chrono::milliseconds pollInterval{5};
/// vmmigd ends each hold by itself; only when it is gone the deadline passes unanswered.
constexpr std::chrono::seconds patience{10};

template <class E>
Result<E> enumeration(const std::string& text, const char* what) {
  if (auto value = fromLabel<E>(text)) return *value;
  std::string names;
  for (const auto& label : Labels<E>::labels) names += (names.empty() ? "" : ", ") + std::string{label.name};
  return failure(std::string{"\""} + text + "\" is no " + what + ": " + names);
}

Result<std::uint32_t> milliseconds(const std::string& text) {
  char* end = nullptr;
  double number = std::strtod(text.c_str(), &end);
  std::string unit{end};
  double factor = unit == "ms" ? 1 : unit == "s" || unit.empty() ? 1000 : unit == "m" ? 60'000 : 0;
  double value = number * factor;
  if (end == text.c_str() || factor == 0 || !(value >= 1) || value > 3'600'000)
    return failure("--hold " + text + " is no time between 1ms and 60m: give it as 10s or 500ms");
  return static_cast<std::uint32_t>(std::lround(value));
}

Result<std::string> macAddress(std::string text) {
  auto octets = fromHex((std::erase_if(text, [](char c) { return c == ':' || c == '-'; }), text));
  if (!octets || octets->size() != 6) return failure("a MAC address has six octets, such as 52:54:00:12:34:56");
  return *octets;
}

/// The row to write, and the columns that the options name.
struct Request {
  PhaseRow row;
  std::vector<std::string_view> columns;
};

Status setHold(const Invocation& invocation, Request& request) {
  bool stopped = request.row.phase == Phase::stopped;
  if (!stopped && (invocation.has("hold") || invocation.has("wait")))
    return failure("--hold and --wait belong to the phase stopped");
  if (invocation.has("wait") && !invocation.has("hold"))
    return failure("--wait needs --hold: without a hold there is nothing to wait for");
  if (invocation.has("hold")) {
    auto hold = milliseconds(invocation.text("hold"));
    if (!hold) return failure(hold.error());
    request.row.holdDeadline.value = *hold;
  }
  // Without --hold too: what an earlier migration asked for must not hold this one.
  if (stopped) request.columns.push_back("vmMigPhaseHoldDeadline");
  if (invocation.has("policy")) {
    auto policy = enumeration<HoldPolicy>(invocation.text("policy"), "policy");
    if (!policy) return failure(policy.error());
    request.row.holdPolicy = *policy;
    request.columns.push_back("vmMigPhaseHoldPolicy");
  }
  return {};
}

Status setMacs(const Invocation& invocation, Request& request) {
  if (!invocation.has("mac")) return {};
  for (const auto& text : invocation.values["mac"].as<std::vector<std::string>>()) {
    auto mac = macAddress(text);
    if (!mac) return failure("--mac " + text + ": " + mac.error().text);
    request.row.macAddresses.value += *mac;
  }
  request.columns.push_back("vmMigPhaseMacAddresses");
  return {};
}

Result<Request> makeRequest(const Invocation& invocation) {
  Request request;
  auto uuid = parseUuid(invocation.text("vm"));
  if (!uuid) return failure("--vm " + invocation.text("vm") + " is no UUID");
  request.row.uuid = *uuid;
  auto phase = enumeration<Phase>(invocation.arguments[1], "phase");
  if (!phase) return failure(phase.error());
  request.row.phase = *phase;
  request.columns = {"vmMigPhase"};
  auto text = [&](const char* option, Text<255>& field, const char* column) {
    if (!invocation.has(option)) return;
    field.value = invocation.text(option);
    request.columns.push_back(column);
  };
  text("name", request.row.vmName, "vmMigPhaseVmName");
  text("source-host", request.row.sourceHost, "vmMigPhaseSourceHost");
  text("destination-host", request.row.destinationHost, "vmMigPhaseDestinationHost");
  text("error", request.row.error, "vmMigPhaseError");
  auto status = setMacs(invocation, request);
  if (status) status = setHold(invocation, request);
  if (!status) return failure(status.error());
  return request;
}

Task<Status> tell(Device& device, const Request& request) {
  std::vector<std::string_view> rowStatus{"vmMigPhaseRowStatus"};
  auto present = co_await device.read(request.row, rowStatus);
  if (!present) co_return failure(present.error());
  if (*present) co_return co_await device.write(request.row, request.columns);
  std::vector<AnyRow> rows;
  rows.emplace_back(request.row);
  co_return co_await device.create(std::move(rows));
}

std::optional<ExitCode> decided(const PhaseRow& row, const std::string& host) {
  auto vm = "VM " + toString(row.uuid) + " on " + host + ": ";
  std::string why = row.error.value.empty() ? "" : " (" + row.error.value + ")";
  switch (row.holdStatus) {
    case HoldStatus::held: return std::nullopt;
    case HoldStatus::released: return ExitCode::ok;
    case HoldStatus::cancelled:
      return complain(ExitCode::negative, vm + "the network is not ready: take the migration back" + why);
    case HoldStatus::expired:
      if (row.holdPolicy == HoldPolicy::require)
        return complain(ExitCode::negative,
                        vm + "nobody released the hold in time: take the migration back; does `vmmig serve` run?");
      return complain(ExitCode::ok,
                      vm + "nobody released the hold in time: the VM goes on, connections may be lost; does `vmmig serve` run?");
    default: return complain(ExitCode::device, vm + "it is not held any more; did another phase come meanwhile?");
  }
}

Task<ExitCode> waitForRelease(EventLoop& loop, Device& device, PhaseRow asked) {
  auto deadline = Clock::now() + std::chrono::milliseconds{asked.holdDeadline.value} + patience;
  std::vector<std::string_view> columns{"vmMigPhaseHoldStatus", "vmMigPhaseHoldPolicy", "vmMigPhaseError"};
  std::string lastError = "the hold did not end";
  while (Clock::now() < deadline) {
    auto row = co_await device.read(asked, columns);
    // snmpd or vmmigd may be restarting, and the row come back; the hold's deadline bounds this.
    if (!row)
      lastError = row.error().text;
    else if (!*row)
      lastError = device.name() + ": the phase of VM " + toString(asked.uuid) + " is gone; did vmmigd restart there?";
    else if (auto code = decided((*row)->as<PhaseRow>(), device.name()))
      co_return *code;
    co_await sleepFor(loop, pollInterval);
  }
  co_return complain(ExitCode::device, lastError);
}

Task<ExitCode> run(Invocation invocation) {
  auto request = makeRequest(invocation);
  if (!request) co_return complain(ExitCode::usage, request.error().text);
  auto device = invocation.host(invocation.arguments[0]);
  if (!device) co_return complain(exitCodeOf(device.error()), device.error().text);
  auto status = co_await tell(**device, *request);
  if (!status) co_return complain(ExitCode::device, status.error().text);
  if (!invocation.has("wait")) co_return ExitCode::ok;
  co_return co_await waitForRelease(invocation.loop, **device, request->row);
}

}  // namespace

const Command& phaseCommand() {
  static const Command command{"phase", "Tell a host where a VM's migration stands", {"HOST", "PHASE"}, description, addOptions,
                               run};
  return command;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/inventory.h"

#include <algorithm>
#include <boost/program_options/parsers.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "common/hex.h"
#include "manager/counted.h"
#include "mibs/labels.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

/// "fw-a, fw-b" or "fw-a fw-b".
std::vector<std::string> words(std::string text) {
  std::replace(text.begin(), text.end(), ',', ' ');
  std::istringstream in{text};
  return {std::istream_iterator<std::string>{in}, {}};
}

Result<double> number(const std::string& text, double minimum, double maximum) {
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= minimum && value <= maximum))
    return failure("must be a number from " + std::to_string(static_cast<long>(minimum)) + " to " +
                   std::to_string(static_cast<long>(maximum)));
  return value;
}

Status setSeconds(Clock::duration& field, const std::string& text, double minimum) {
  auto value = number(text, minimum, 86400);
  if (!value) return failure(value.error());
  field = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{*value});
  return {};
}

Result<TransferPolicy> policyFrom(const std::string& text) {
  if (auto policy = fromLabel<TransferPolicy>(text)) return *policy;
  return failure("must be require or bestEffort");
}

Result<std::string> macFrom(std::string text) {
  std::erase_if(text, [](char c) { return c == ':' || c == '-'; });
  auto octets = fromHex(text);
  if (!octets || octets->size() != 6) return failure("must be a MAC address such as 52:54:00:12:34:56");
  return *octets;
}

Result<Inventory::Unlisted> unlistedFrom(const std::string& text) {
  using Unlisted = Inventory::Unlisted;
  const std::map<std::string, Unlisted> values{{"none", Unlisted::none}, {"udp", Unlisted::udp}, {"tcp", Unlisted::tcp}};
  if (auto found = values.find(text); found != values.end()) return found->second;
  return failure("must be udp, tcp or none");
}

/// A VM's addresses come together once its section has been read.
struct VmSection {
  std::string uuid, addresses, mac, vlan, policy;
};

class Parser {
 public:
  explicit Parser(Inventory& inventory) : inventory_(inventory) {}

  Status set(const std::string& key, const std::string& value);
  /// A section that may have no keys.
  void section(const std::string& line);
  Status finish();

 private:
  Status setTop(const std::string& key, const std::string& value);
  Status setAgent(SessionOptions& agent, const std::string& key, const std::string& value);
  Status setDevice(const std::string& name, const std::string& key, const std::string& value);
  Status setHost(const std::string& name, const std::string& key, const std::string& value);
  Status setVm(const std::string& name, const std::string& key, const std::string& value);
  Status finishVm(const std::string& name, const VmSection& section);

  Inventory& inventory_;
  std::map<std::string, VmSection> vms_;
};

Status Parser::set(const std::string& key, const std::string& value) {
  auto first = key.find('.');
  auto last = key.rfind('.');
  // A name may have dots of its own, a key has none.
  if (first == std::string::npos) return setTop(key, value);
  if (first == last) return failure("a section is [host.NAME], [device.NAME] or [vm.NAME]");
  auto kind = key.substr(0, first);
  auto name = key.substr(first + 1, last - first - 1);
  auto option = key.substr(last + 1);
  if (kind == "host") return setHost(name, option, value);
  if (kind == "device") return setDevice(name, option, value);
  if (kind == "vm") return setVm(name, option, value);
  return failure("a section is [host.NAME], [device.NAME] or [vm.NAME]");
}

void Parser::section(const std::string& line) {
  auto begin = line.find_first_not_of(" \t");
  auto end = line.find(']');
  if (begin == std::string::npos || line[begin] != '[' || end == std::string::npos) return;
  auto name = line.substr(begin + 1, end - begin - 1);
  if (name.starts_with("host.")) inventory_.hosts[name.substr(5)];
  if (name.starts_with("device.")) inventory_.devices[name.substr(7)];
  if (name.starts_with("vm.")) vms_[name.substr(3)];
}

Status Parser::setTop(const std::string& key, const std::string& value) {
  auto& limits = inventory_.limits;
  const std::map<std::string, std::function<Status()>> setters{
      {"listen", [&] { return inventory_.listen = value, Status{}; }},
      {"listen-users", [&] { return inventory_.listenUsers = value, Status{}; }},
      {"journal", [&] { return inventory_.journal = value, Status{}; }},
      {"policy",
       [&]() -> Status {
         auto policy = policyFrom(value);
         if (!policy) return failure(policy.error());
         inventory_.policy = *policy;
         return {};
       }},
      {"stop-deadline", [&] { return setSeconds(limits.stop, value, 0.01); }},
      {"resume-deadline", [&] { return setSeconds(limits.resume, value, 0.01); }},
      {"wait-deadline", [&] { return setSeconds(limits.waitForStop, value, 1); }},
      {"end-deadline", [&] { return setSeconds(limits.ending, value, 0.1); }},
      {"poll", [&] { return setSeconds(inventory_.poll, value, 0.01); }},
      {"unlisted-hosts",
       [&]() -> Status {
         auto unlisted = unlistedFrom(value);
         if (!unlisted) return failure(unlisted.error());
         inventory_.unlistedHosts = *unlisted;
         return {};
       }},
      {"transfer-deadline",
       [&]() -> Status {
         auto seconds = number(value, 1, 3600);
         if (!seconds) return failure(seconds.error());
         inventory_.transferDeadlineSeconds = static_cast<std::uint32_t>(*seconds);
         return {};
       }},
  };
  auto found = setters.find(key);
  if (found == setters.end()) return failure("there is no such option");
  return found->second();
}

Status Parser::setAgent(SessionOptions& agent, const std::string& key, const std::string& value) {
  const std::map<std::string, std::string SessionOptions::*> fields{
      {"agent", &SessionOptions::peer},        {"version", &SessionOptions::version},
      {"user", &SessionOptions::user},         {"level", &SessionOptions::level},
      {"auth", &SessionOptions::authProtocol}, {"priv", &SessionOptions::privProtocol},
      {"context", &SessionOptions::context},   {"timeout", &SessionOptions::timeoutSeconds},
      {"retries", &SessionOptions::retries},
  };
  auto found = fields.find(key);
  if (found == fields.end())
    return failure("there is no such option; passphrases belong in snmp.conf(5), in the file of the agent's name under hosts/");
  agent.*found->second = value;
  return {};
}

Status Parser::setDevice(const std::string& name, const std::string& key, const std::string& value) {
  auto& device = inventory_.devices[name];
  if (key != "behind") return setAgent(device, key, value);
  inventory_.behind[name] = words(value);
  return {};
}

Status Parser::setHost(const std::string& name, const std::string& key, const std::string& value) {
  auto& host = inventory_.hosts[name];
  if (key != "devices") return setAgent(host.agent, key, value);
  host.devices = words(value);
  host.namesDevices = true;
  return {};
}

Status Parser::setVm(const std::string& name, const std::string& key, const std::string& value) {
  const std::map<std::string, std::string VmSection::*> fields{{"uuid", &VmSection::uuid},
                                                               {"addresses", &VmSection::addresses},
                                                               {"mac", &VmSection::mac},
                                                               {"vlan", &VmSection::vlan},
                                                               {"policy", &VmSection::policy}};
  auto found = fields.find(key);
  if (found == fields.end()) return failure("there is no such option");
  vms_[name].*found->second = value;
  return {};
}

Status Parser::finishVm(const std::string& name, const VmSection& section) {
  auto wrong = [&](const char* key, const std::string& text) { return failure("vm." + name + "." + key + " " + text); };
  auto uuid = parseUuid(section.uuid);
  if (!uuid) return wrong("uuid", "must be the VM's UUID");
  if (const auto* other = inventory_.findVm(*uuid)) return wrong("uuid", "is also that of [vm." + other->first + "]");
  Inventory::Vm vm{.uuid = *uuid, .addresses = {}, .policy = {}};
  VmAddressRow common;
  common.uuid = *uuid;
  if (!section.mac.empty()) {
    auto mac = macFrom(section.mac);
    if (!mac) return wrong("mac", mac.error().text);
    common.macAddress.value = *mac;
  }
  if (!section.vlan.empty()) {
    auto vlan = number(section.vlan, 0, 4094);
    if (!vlan) return wrong("vlan", vlan.error().text);
    common.vlan = {static_cast<std::uint32_t>(*vlan)};
  }
  if (!section.policy.empty()) {
    auto policy = policyFrom(section.policy);
    if (!policy) return wrong("policy", policy.error().text);
    vm.policy = *policy;
  }
  for (const auto& word : words(section.addresses)) {
    auto address = parseInetAddress(word);
    if (!address) return wrong("addresses", "has \"" + word + "\", which is no IP address");
    auto row = common;
    row.address = *address;
    vm.addresses.push_back(std::move(row));
  }
  inventory_.vms[name] = std::move(vm);
  return {};
}

Status Parser::finish() {
  for (const auto& [name, section] : vms_)
    if (auto status = finishVm(name, section); !status) return status;
  for (const auto& [name, device] : inventory_.devices)
    if (device.peer.empty()) return failure("device." + name + ".agent is missing: give the address of its SNMP agent");
  for (const auto& [name, switches] : inventory_.behind)
    for (const auto& device : switches) {
      if (!inventory_.devices.contains(device))
        return failure("device." + name + ".behind names " + device + ", and there is no section [device." + device + "]");
      if (device == name) return failure("device." + name + ".behind names the device itself");
    }
  for (const auto& [name, host] : inventory_.hosts) {
    if (host.agent.peer.empty()) return failure("host." + name + ".agent is missing: give the address of its SNMP agent");
    std::set<std::string> once;
    for (const auto& device : host.devices) {
      if (!inventory_.devices.contains(device))
        return failure("host." + name + ".devices names " + device + ", and there is no section [device." + device + "]");
      if (!once.insert(device).second) return failure("host." + name + ".devices names " + device + " twice");
    }
  }
  return {};
}

}  // namespace

Result<Inventory> Inventory::parse(std::istream& in, const std::string& file) {
  Inventory inventory;
  Parser parser{inventory};
  // Boost tells nothing of a section without keys.
  std::stringstream text;
  for (std::string line; std::getline(in, line);) {
    parser.section(line);
    text << line << '\n';
  }
  try {
    po::options_description none;
    for (const auto& option : po::parse_config_file(text, none, true).options) {
      auto status = parser.set(option.string_key, option.value.empty() ? "" : option.value.front());
      if (!status) return failure(SnmpStatus::badValue, file + ": " + option.string_key + ": " + status.error().text);
    }
  } catch (const po::error& error) {
    return failure(SnmpStatus::badValue, file + ": " + error.what());
  }
  if (auto status = parser.finish(); !status) return failure(SnmpStatus::badValue, file + ": " + status.error().text);
  return inventory;
}

Result<Inventory> Inventory::read(const std::string& file) {
  std::ifstream in{file};
  // A directory can be opened, and reads as empty.
  if (!in || std::filesystem::is_directory(file))
    return failure(SnmpStatus::badValue, file + " cannot be read; name the configuration with --config FILE");
  return parse(in, file);
}

const std::pair<const std::string, Inventory::Vm>* Inventory::findVm(const Uuid& uuid) const {
  auto found = std::find_if(vms.begin(), vms.end(), [&](const auto& vm) { return vm.second.uuid == uuid; });
  return found == vms.end() ? nullptr : &*found;
}

TransferPolicy Inventory::policyOf(const Uuid& vm) const {
  const auto* found = findVm(vm);
  return found && found->second.policy ? *found->second.policy : policy;
}

std::vector<VmAddressRow> Inventory::addressesOf(const Uuid& vm) const {
  const auto* found = findVm(vm);
  return found ? found->second.addresses : std::vector<VmAddressRow>{};
}

Result<std::vector<migration::LegPlan>> Inventory::legsBetween(const std::string& sourceHost,
                                                               const std::string& destinationHost) const {
  for (const auto* name : {&sourceHost, &destinationHost}) {
    if (name->empty()) return failure(SnmpStatus::badValue, "the phase does not say between which hosts the VM moves");
    if (!hosts.contains(*name))
      return failure(SnmpStatus::badValue, "host " + *name + " is not in the inventory: add [host." + *name + "]");
  }
  const auto& from = hosts.at(sourceHost).devices;
  const auto& to = hosts.at(destinationHost).devices;
  if (from.size() != to.size())
    return failure(SnmpStatus::badValue, "host " + sourceHost + " has " + counted(from.size(), "device") + " and host " +
                                             destinationHost + " has " + counted(to.size(), "device") +
                                             ", so it is not clear which goes with which: list them in the same order in both");
  std::vector<migration::LegPlan> legs;
  for (std::size_t at = 0; at < from.size(); ++at) {
    if (from[at] == to[at]) continue;
    bool isCrossed = std::find(to.begin(), to.end(), from[at]) != to.end();
    if (isCrossed)
      return failure(SnmpStatus::badValue, "device " + from[at] +
                                               " stands in front of both hosts, at different places in the lists: "
                                               "list the devices in the same order in both");
    legs.push_back({from[at], to[at]});
  }
  return legs;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/device_pool.h"

#include "manager/snmp_transport.h"

namespace vmmig {

namespace {

template <class Map>
std::string namesOf(const Map& entries, const std::string& what) {
  constexpr std::size_t most = 12;
  if (entries.empty()) return "which has no " + what;
  std::string text;
  std::size_t told = 0;
  for (const auto& [name, entry] : entries) {
    if (told == most) return "which has " + text + " and more";
    text += (told++ == 0 ? "" : ", ") + name;
  }
  return "which has " + text;
}

}  // namespace

Result<std::shared_ptr<Device>> DevicePool::device(const std::string& name) {
  auto& known = devices_[name];
  if (known) return known;
  auto opened = open(name, false);
  if (opened) known = *opened;
  return opened;
}

Result<std::shared_ptr<Device>> DevicePool::host(const std::string& name) {
  auto& known = hosts_[name];
  if (known) return known;
  auto opened = open(name, true);
  if (opened) known = *opened;
  return opened;
}

void DevicePool::introduce(const std::string& host, SessionOptions agent) {
  introduced_[host] = std::move(agent);
  hosts_.erase(host);
}

SessionOptions DevicePool::options(const std::string& name, bool isHost) const {
  auto device = inventory_.devices.find(name);
  auto host = inventory_.hosts.find(name);
  bool isDevice = device != inventory_.devices.end() && !(isHost && host != inventory_.hosts.end());
  SessionOptions options;
  options.peer = name;
  if (isDevice)
    options = device->second;
  else if (host != inventory_.hosts.end())
    options = host->second.agent;
  else if (auto introduced = introduced_.find(name); isHost && introduced != introduced_.end())
    options = introduced->second;
  for (auto field :
       {&SessionOptions::version, &SessionOptions::community, &SessionOptions::user, &SessionOptions::level,
        &SessionOptions::authProtocol, &SessionOptions::authPassphrase, &SessionOptions::privProtocol,
        &SessionOptions::privPassphrase, &SessionOptions::context, &SessionOptions::timeoutSeconds, &SessionOptions::retries})
    if ((options.*field).empty()) options.*field = base_.*field;
  return options;
}

Result<std::shared_ptr<Device>> DevicePool::open(const std::string& name, bool isHost) const {
  auto session = SnmpSession::open(loop_, options(name, isHost));
  if (!session) return failure(SnmpStatus::badValue, name + ": " + session.error().text);
  if (auto known = checkName(name, isHost); !known) return failure(known.error());
  return std::make_shared<Device>(name, std::move(*session));
}

/// The inventory's own names are looked up when they are used, and may come and go.
Status DevicePool::checkName(const std::string& name, bool isHost) const {
  bool isListed = inventory_.devices.contains(name) || inventory_.hosts.contains(name) || introduced_.contains(name);
  // What has a transport or a port is meant as an address.
  if (isListed || name.find(':') != std::string::npos || snmp::isAddress(name)) return {};
  auto names = isHost ? namesOf(inventory_.hosts, "host") : namesOf(inventory_.devices, "device");
  return failure(SnmpStatus::badValue, name + " is not in the inventory, " + names +
                                           ", and no address that is known: check the name, or add a section for it");
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/device_pool.h"

namespace vmmig {

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
  return std::make_shared<Device>(name, std::move(*session));
}

}  // namespace vmmig

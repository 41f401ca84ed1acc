// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/device_pool.h"

namespace vmmig {

Result<std::shared_ptr<Device>> DevicePool::device(const std::string& name) {
  auto& known = devices_[name];
  if (known) return known;
  auto entry = inventory_.devices.find(name);
  SessionOptions peer;
  peer.peer = name;
  auto opened = open(name, entry == inventory_.devices.end() ? peer : entry->second);
  if (opened) known = *opened;
  return opened;
}

Result<std::shared_ptr<Device>> DevicePool::host(const std::string& name) {
  auto& known = hosts_[name];
  if (known) return known;
  auto entry = inventory_.hosts.find(name);
  SessionOptions peer;
  peer.peer = name;
  auto opened = open(name, entry == inventory_.hosts.end() ? peer : entry->second.agent);
  if (opened) known = *opened;
  return opened;
}

Result<std::shared_ptr<Device>> DevicePool::open(const std::string& name, SessionOptions options) {
  for (auto field :
       {&SessionOptions::version, &SessionOptions::community, &SessionOptions::user, &SessionOptions::level,
        &SessionOptions::authProtocol, &SessionOptions::authPassphrase, &SessionOptions::privProtocol,
        &SessionOptions::privPassphrase, &SessionOptions::context, &SessionOptions::timeoutSeconds, &SessionOptions::retries})
    if ((options.*field).empty()) options.*field = base_.*field;
  auto session = SnmpSession::open(loop_, options);
  if (!session) return failure(SnmpStatus::badValue, name + ": " + session.error().text);
  return std::make_shared<Device>(name, std::move(*session));
}

}  // namespace vmmig

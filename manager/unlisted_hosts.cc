// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/unlisted_hosts.h"

#include <algorithm>

#include "manager/itinerary.h"

namespace vmmig {

namespace {

constexpr auto longestSilence = std::chrono::minutes{1};

/// It goes to logs, and a person writes it into the inventory.
bool isHostName(const std::string& name) {
  auto isAllowed = [](char c) {
    bool isAlnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return isAlnum || c == '.' || c == '-' || c == '_';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), isAllowed);
}

}  // namespace

std::set<std::string> UnlistedHosts::names() const {
  std::set<std::string> names;
  for (const auto& [name, host] : hosts_) names.insert(name);
  return names;
}

std::string UnlistedHosts::nameAt(const std::string& address) const {
  if (auto found = listed_.find(address); found != listed_.end()) return found->second;
  auto found = std::find_if(hosts_.begin(), hosts_.end(), [&](const auto& host) { return host.second.address == address; });
  return found == hosts_.end() ? std::string{} : found->first;
}

std::string UnlistedHosts::addressOf(const std::string& name) const {
  auto found = hosts_.find(name);
  return found == hosts_.end() ? std::string{} : found->second.address;
}

Status UnlistedHosts::add(const std::string& name, const std::string& address) {
  if (!isHostName(name))
    return failure("the host at " + address +
                   " is not in the inventory, and what it calls itself is no name of a host: give it a section [host.NAME]");
  auto known = hosts_.find(name);
  if (known != hosts_.end()) {
    if (known->second.address == address) return {};
    known->second.rival = address;
    return failure(objectionTo(name));
  }
  if (hosts_.size() >= most)
    return failure("host " + name + " (" + address + ") is not in the inventory, and " + std::to_string(most) +
                   " such hosts are followed already: add [host." + name + "]");
  hosts_.emplace(name, Host{.address = address});
  return {};
}

void UnlistedHosts::forget(const std::string& name) { hosts_.erase(name); }

void UnlistedHosts::sameAs(const std::string& name, const std::string& listed) {
  if (listed_.size() < most) listed_[addressOf(name)] = listed;
}

bool UnlistedHosts::isGivenUp(const std::string& name, bool hasAnswered, Clock::time_point now) {
  auto found = hosts_.find(name);
  if (found == hosts_.end()) return false;
  auto& since = found->second.silentSince;
  if (hasAnswered) since.reset();
  if (!hasAnswered && !since) since = now;
  return since && now - *since > longestSilence;
}

std::string UnlistedHosts::objectionTo(const std::string& name) const {
  auto found = hosts_.find(name);
  if (found == hosts_.end() || found->second.rival.empty()) return {};
  return "two addresses, " + found->second.address + " and " + found->second.rival + ", notify as host " + name +
         ", which is not in the inventory, so it is not clear which is it: add [host." + name + "]";
}

std::string ownNameIn(const PhaseRow& row) { return (isOfDestination(row.phase) ? row.destinationHost : row.sourceHost).value; }

SessionOptions unlistedAgent(const std::string& address, Inventory::Unlisted transport) {
  std::string domain = transport == Inventory::Unlisted::tcp ? "tcp" : "udp";
  bool isV6 = address.find(':') != std::string::npos;
  SessionOptions agent;
  agent.peer = isV6 ? domain + "6:[" + address + "]:161" : domain + ":" + address + ":161";
  agent.version = "3";
  agent.level = "authPriv";
  return agent;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_dhcp_learner.h"

#include <algorithm>

namespace vmmig {

namespace {

using Kind = DhcpMessage::Kind;

bool isSameTransaction(const DhcpMessage& a, const DhcpMessage& b) {
  return a.family == b.family && a.transaction == b.transaction && a.clientMac == b.clientMac;
}

}  // namespace

bool DhcpLearner::Limit::allows(Clock::time_point now) {
  tokens = std::min(burst, tokens + perSecond * std::chrono::duration<double>(now - at).count());
  at = now;
  if (tokens < 1) return false;
  --tokens;
  return true;
}

const std::string* DhcpLearner::asker(const DhcpMessage& message, std::uint16_t vlan) const {
  for (const auto& [port, requests] : requests_)
    for (const auto& request : requests)
      if (request.vlan == vlan && isSameTransaction(request.message, message)) return &port;
  return nullptr;
}

void DhcpLearner::dropOld(Clock::time_point now) {
  for (auto& [port, requests] : requests_)
    while (!requests.empty() && requests.front().at + memory < now) requests.pop_front();
  std::erase_if(requests_, [](const auto& each) { return each.second.empty(); });
}

void DhcpLearner::remember(const DhcpMessage& message, const Arrival& arrival, Clock::time_point now) {
  dropOld(now);
  // The first one counts: a request is broadcast, so whoever hears it at another port could send it once more as his own.
  if (asker(message, arrival.vlan)) return;
  if (!limits_[arrival.port].requests.allows(now)) return;
  auto& requests = requests_[arrival.port];
  if (requests.size() == requestsPerPort) requests.pop_front();
  requests.push_back({message, arrival.vlan, now});
}

std::vector<DhcpLearner::Change> DhcpLearner::learn(const DhcpMessage& message, const Arrival& arrival, Clock::time_point now) {
  // Servers speak behind trusted ports alone; clients behind trusted ports are another switch's business.
  if (message.isFromServer() != arrival.isTrusted) return {};
  if (!message.isFromServer()) {
    // A client speaks for itself: with its own MAC, and through no relay.
    if (message.clientMac != message.sourceMac || message.isRelayed) return {};
    if (message.kind == Kind::request) {
      remember(message, arrival, now);
      return {};
    }
  }
  std::vector<Change> changes;
  const auto* port = &arrival.port;
  if (message.isFromServer()) {
    dropOld(now);
    port = asker(message, arrival.vlan);
    if (!port) return {};
  }
  if (message.kind == Kind::refusal) {
    auto found = requests_.find(*port);
    std::erase_if(found->second, [&](const Request& each) { return isSameTransaction(each.message, message); });
    return {};
  }
  bool isEnd = message.kind == Kind::release;
  for (const auto& lease : message.leases) {
    // One message can have many addresses.
    if (isEnd && !limits_[*port].ends.allows(now)) break;
    changes.push_back({isEnd, {arrival.vlan, message.clientMac, lease.address, *port, lease.seconds}});
  }
  return changes;
}

}  // namespace vmmig

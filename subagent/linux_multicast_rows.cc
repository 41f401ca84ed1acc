// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_multicast_rows.h"

namespace vmmig {

MdbKey keyOf(unsigned port, const MulticastRow& row) { return {port, static_cast<std::uint16_t>(row.vlan.value), row.group}; }

std::string describe(const MulticastRow& row) {
  std::string text = "group " + toString(row.group);
  if (row.source.isSet()) text += " from " + toString(row.source);
  if (row.vlan.value != 0) text += " in VLAN " + std::to_string(row.vlan.value);
  return text;
}

Status inconsistent(const Vm& vm, const MulticastRow& row, const std::string& why) {
  return failure(SnmpStatus::inconsistentValue, "multicast " + describe(row) + " of VM " + vm.label() + ": " + why);
}

bool moves(const InetAddress& group) {
  if (group.type != InetAddressType::ipv6) return true;
  bool isInterfaceLocal = (group.octets[1] & 0x0f) == 1;      // RFC 4291 section 2.7
  return !isInterfaceLocal && toString(group) != "ff02::6a";  // All-Snoopers (RFC 4286)
}

std::vector<MulticastRow> rowsOf(const Uuid& vm, const std::string& port, const MdbKey& key, const Membership& membership) {
  std::vector<MulticastRow> rows;
  MulticastRow row;
  row.uuid = vm;
  row.vlan.value = key.vlan;
  row.group = key.group;
  row.port.value = port;
  row.filterMode = membership.isExclude ? FilterMode::exclude : FilterMode::include;
  row.permanent = membership.isPermanent;
  row.timeout = membership.timeout;
  if (membership.isExclude) rows.push_back(row);
  for (const auto& [source, state] : membership.sources) {
    row.source = source;
    row.permanent = state.isPermanent;
    row.timeout = state.timeout;
    rows.push_back(row);
  }
  return rows;
}

bool provides(const Membership& membership, const MulticastRow& row) {
  bool isListed = membership.sources.contains(row.source);
  if (row.filterMode == FilterMode::include) return membership.isExclude ? !isListed : isListed;
  return membership.isExclude;
}

std::uint32_t timeoutOf(const Membership& membership, const MulticastRow& row) {
  auto source = membership.sources.find(row.source);
  if (source != membership.sources.end()) return source->second.timeout;
  return row.filterMode == FilterMode::exclude && row.source.isSet() ? 0 : membership.timeout;
}

Membership joined(Membership membership, const MulticastRow& row, bool isAlone) {
  membership.isPermanent = membership.isPermanent || row.permanent;
  if (!row.source.isSet()) {
    membership.isExclude = true;
    membership.sources.clear();
  } else if (row.filterMode == FilterMode::include && membership.isExclude) {
    membership.sources.erase(row.source);
  } else if (row.filterMode == FilterMode::include || isAlone) {
    membership.sources.try_emplace(row.source);
  }
  return membership;
}

Membership without(Membership membership, const MulticastRow& row) {
  if (row.source.isSet()) {
    membership.sources.erase(row.source);
  } else {
    membership.isExclude = false;
    membership.sources.clear();
  }
  return membership;
}

}  // namespace vmmig

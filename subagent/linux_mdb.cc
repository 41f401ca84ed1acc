// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_mdb.h"

#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <set>

namespace vmmig {

namespace {

// linux/if_bridge.h of Linux 6.3; Debian 12's headers are older than the kernels that it meets.
constexpr int attributeSourceList = 2, attributeGroupMode = 3;  // MDBE_ATTR_SRC_LIST, MDBE_ATTR_GROUP_MODE
constexpr int sourceListEntry = 1, sourceAddress = 1;           // MDBE_SRC_LIST_ENTRY, MDBE_SRCATTR_ADDRESS
constexpr std::uint8_t modeExclude = 0, modeInclude = 1;        // MCAST_EXCLUDE, MCAST_INCLUDE

constexpr std::uint32_t timerTicksPerSecond = 100;  // USER_HZ

InetAddress addressOf(const nlattr& attribute) {
  auto size = mnl_attr_get_payload_len(&attribute);
  const auto* octets = mnl_attr_get_payload(&attribute);
  return size == 4 ? InetAddress::v4(octets) : size == 16 ? InetAddress::v6(octets) : InetAddress{};
}

InetAddress groupOf(const br_mdb_entry& entry) {
  switch (ntohs(entry.addr.proto)) {
    case ETH_P_IP: return InetAddress::v4(&entry.addr.u.ip4);
    case ETH_P_IPV6: return InetAddress::v6(&entry.addr.u.ip6);
    default: return {};
  }
}

/// MDBA_MDB_ENTRY_INFO: a br_mdb_entry and attributes.
struct Entry {
  MdbKey key;
  bool isPermanent = false;
  bool isAutomatic = false;  // the kernel keeps it for a (*,G) entry
  InetAddress source;
  std::uint32_t timeout = 0;
  std::uint8_t mode = modeExclude;
  std::map<InetAddress, std::uint32_t> sources;  // and their timers
};

void takeSources(const nlattr& list, Entry& entry) {
  forEachAttribute(list, [&entry](const nlattr& each) {
    InetAddress address;
    std::uint32_t timeout = 0;
    forEachAttribute(each, [&](const nlattr& attribute) {
      if (mnl_attr_get_type(&attribute) == MDBA_MDB_SRCATTR_ADDRESS) address = addressOf(attribute);
      if (mnl_attr_get_type(&attribute) == MDBA_MDB_SRCATTR_TIMER) timeout = attributeValue<std::uint32_t>(attribute);
    });
    if (address.isSet()) entry.sources[address] = timeout;
  });
}

Entry parseEntry(const nlattr& info) {
  auto raw = attributeValue<br_mdb_entry>(info);
  Entry entry;
  entry.key = {raw.ifindex, raw.vid, groupOf(raw)};
  entry.isPermanent = raw.state == MDB_PERMANENT;
  entry.isAutomatic = raw.flags & MDB_FLAGS_STAR_EXCL;
  std::span memory{static_cast<const char*>(mnl_attr_get_payload(&info)), mnl_attr_get_payload_len(&info)};
  if (memory.size() <= MNL_ALIGN(sizeof raw)) return entry;
  forEachAttribute(memory.subspan(MNL_ALIGN(sizeof raw)), [&entry](const nlattr& attribute) {
    switch (mnl_attr_get_type(&attribute)) {
      case MDBA_MDB_EATTR_TIMER: entry.timeout = attributeValue<std::uint32_t>(attribute) / timerTicksPerSecond; break;
      case MDBA_MDB_EATTR_SOURCE: entry.source = addressOf(attribute); break;
      case MDBA_MDB_EATTR_GROUP_MODE: entry.mode = attributeValue<std::uint8_t>(attribute); break;
      case MDBA_MDB_EATTR_SRC_LIST: takeSources(attribute, entry); break;
      default: break;
    }
  });
  return entry;
}

void takeGroup(const Entry& entry, Membership& membership) {
  membership.isInKernel = true;
  membership.isExclude = entry.mode == modeExclude;
  membership.isPermanent = entry.isPermanent;
  membership.timeout = entry.timeout;
  for (const auto& [source, ticks] : entry.sources) {
    // In EXCLUDE mode a source whose timer runs is forwarded like those that nobody named (RFC 3376 section 6.2.3).
    if (membership.isExclude && ticks > 0) continue;
    membership.sources[source] = {ticks / timerTicksPerSecond, entry.isPermanent, false};
  }
}

std::map<MdbKey, Membership> assemble(const std::vector<Entry>& entries) {
  std::map<MdbKey, Membership> mdb;
  std::map<MdbKey, std::set<InetAddress>> listed;
  for (const auto& entry : entries) {
    if (entry.source.isSet()) continue;
    takeGroup(entry, mdb[entry.key]);
    for (const auto& [source, ticks] : entry.sources) listed[entry.key].insert(source);
  }
  for (const auto& entry : entries) {
    if (!entry.source.isSet() || entry.isAutomatic || listed[entry.key].contains(entry.source)) continue;
    auto& membership = mdb[entry.key];
    // Beside EXCLUDE it adds nothing.
    if (!membership.isExclude) membership.sources[entry.source] = {entry.timeout, entry.isPermanent, true};
  }
  return mdb;
}

/// What the kernel counts once, whatever ports have joined it.
std::string hashKey(const nlattr& info, const InetAddress& source) {
  auto raw = attributeValue<br_mdb_entry>(info);
  std::string key{reinterpret_cast<const char*>(&raw.addr), sizeof raw.addr};
  return key + std::to_string(raw.vid) + " " + toString(source);
}

br_mdb_entry rawEntry(const MdbKey& key, bool isPermanent) {
  br_mdb_entry raw{};
  raw.ifindex = key.port;
  raw.vid = key.vlan;
  raw.state = isPermanent ? MDB_PERMANENT : MDB_TEMPORARY;
  raw.addr.proto = htons(key.group.type == InetAddressType::ipv4 ? ETH_P_IP : ETH_P_IPV6);
  std::memcpy(&raw.addr.u, key.group.octets.data(), key.group.size);
  return raw;
}

void putAddress(RtRequest& request, int type, const InetAddress& address) {
  request.put(type, address.octets.data(), address.size);
}

void putSources(RtRequest& request, const std::vector<InetAddress>& sources) {
  auto* list = request.nest(attributeSourceList);
  for (const auto& source : sources) {
    auto* entry = request.nest(sourceListEntry);
    putAddress(request, sourceAddress, source);
    request.end(entry);
  }
  request.end(list);
}

}  // namespace

std::vector<InetAddress> Membership::listed() const {
  std::vector<InetAddress> result;
  for (const auto& [source, state] : sources)
    if (!state.isOwnEntry) result.push_back(source);
  return result;
}

Result<Bridge> findBridge(RtNetlink& socket, const std::string& name) {
  auto link = findLink(socket, name);
  if (!link) return failure(link.error());
  if (link->kind != "bridge") return failure("interface " + name + " is no bridge");
  Bridge bridge{.index = link->index, .name = name};
  std::uint64_t membership = 0, query = 0, response = 0;
  forEachAttribute(std::span<const char>{link->kindData}, [&](const nlattr& attribute) {
    auto value = attributeValue<std::uint8_t>(attribute);
    switch (mnl_attr_get_type(&attribute)) {
      case IFLA_BR_MCAST_SNOOPING: bridge.snooping = value; break;
      case IFLA_BR_MCAST_IGMP_VERSION: bridge.igmpVersion = value; break;
      case IFLA_BR_MCAST_MLD_VERSION: bridge.mldVersion = value; break;
      case IFLA_BR_VLAN_FILTERING: bridge.vlanFiltering = value; break;
      case IFLA_BR_MCAST_HASH_MAX: bridge.mostGroups = attributeValue<std::uint32_t>(attribute); break;
      case IFLA_BR_MCAST_MEMBERSHIP_INTVL: membership = attributeValue<std::uint64_t>(attribute); break;
      case IFLA_BR_MCAST_QUERY_INTVL: query = attributeValue<std::uint64_t>(attribute); break;
      case IFLA_BR_MCAST_QUERY_RESPONSE_INTVL: response = attributeValue<std::uint64_t>(attribute); break;
      default: break;
    }
  });
  // The kernel takes one for groups and the other for sources (RFC 3376 section 8.4, with a robustness of 2).
  bridge.membershipSeconds = static_cast<std::uint32_t>(std::max(membership, 2 * query + response) / timerTicksPerSecond);
  return bridge;
}

Result<Mdb> readMdb(RtNetlink& socket, unsigned bridge) {
  std::vector<Entry> entries;
  std::set<std::string> groups;
  RtRequest request{RTM_GETMDB, 0};
  request.header<br_port_msg>().family = AF_BRIDGE;
  auto status = socket.dump(request, [&](const nlmsghdr& message) {
    if (static_cast<const br_port_msg*>(mnl_nlmsg_get_payload(&message))->ifindex != bridge) return;
    forEachAttribute(message, sizeof(br_port_msg), [&](const nlattr& table) {
      if (mnl_attr_get_type(&table) != MDBA_MDB) return;
      forEachAttribute(table, [&](const nlattr& group) {
        forEachAttribute(group, [&](const nlattr& info) {
          auto entry = parseEntry(info);
          groups.insert(hashKey(info, entry.source));
          if (entry.key.group.isSet() && entry.key.port != bridge) entries.push_back(std::move(entry));
        });
      });
    });
  });
  if (!status) return failure("the bridge's multicast database cannot be read: " + status.error().text);
  return Mdb{assemble(entries), static_cast<std::uint32_t>(groups.size())};
}

Status writeMembership(RtNetlink& socket, unsigned bridge, const MdbKey& key, const Membership& membership) {
  // A kernel before Linux 6.3 knows neither modes nor replacing, and needs neither for a group that is new and has no sources.
  auto sources = membership.listed();
  RtRequest request{RTM_NEWMDB, NLM_F_CREATE | (membership.isInKernel || !sources.empty() ? NLM_F_REPLACE : NLM_F_EXCL)};
  auto& header = request.header<br_port_msg>();
  header.family = AF_BRIDGE;
  header.ifindex = bridge;
  request.put(MDBA_SET_ENTRY, rawEntry(key, membership.isPermanent));
  if (!membership.isExclude || !sources.empty()) {
    auto* attributes = request.nest(MDBA_SET_ENTRY_ATTRS);
    request.put(attributeGroupMode, membership.isExclude ? modeExclude : modeInclude);
    if (!sources.empty()) putSources(request, sources);
    request.end(attributes);
  }
  return socket.run(request);
}

Status removeMembership(RtNetlink& socket, unsigned bridge, const MdbKey& key, const InetAddress& source) {
  RtRequest request{RTM_DELMDB, 0};
  auto& header = request.header<br_port_msg>();
  header.family = AF_BRIDGE;
  header.ifindex = bridge;
  request.put(MDBA_SET_ENTRY, rawEntry(key, false));
  if (source.isSet()) {
    auto* attributes = request.nest(MDBA_SET_ENTRY_ATTRS);
    putAddress(request, MDBE_ATTR_SOURCE, source);
    request.end(attributes);
  }
  return socket.run(request);
}

Result<std::vector<Station>> readStations(RtNetlink& socket) {
  std::vector<Station> stations;
  RtRequest request{RTM_GETNEIGH, 0};
  request.header<ndmsg>().ndm_family = AF_BRIDGE;
  auto status = socket.dump(request, [&stations](const nlmsghdr& message) {
    const auto& entry = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
    Station station{.bridge = 0, .port = static_cast<unsigned>(entry.ndm_ifindex), .macAddress = {}};
    forEachAttribute(message, sizeof(ndmsg), [&station](const nlattr& attribute) {
      if (mnl_attr_get_type(&attribute) == NDA_MASTER) station.bridge = attributeValue<std::uint32_t>(attribute);
      if (mnl_attr_get_type(&attribute) == NDA_LLADDR)
        station.macAddress.assign(static_cast<const char*>(mnl_attr_get_payload(&attribute)),
                                  mnl_attr_get_payload_len(&attribute));
    });
    // NUD_PERMANENT: the address of the bridge or of one of its ports.
    if (station.bridge != 0 && !(entry.ndm_state & NUD_PERMANENT)) stations.push_back(std::move(station));
  });
  if (!status) return failure("the bridge's learned addresses cannot be read: " + status.error().text);
  return stations;
}

}  // namespace vmmig

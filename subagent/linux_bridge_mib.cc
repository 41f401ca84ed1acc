// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_bridge_mib.h"

#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <map>

#include "mibs/standard_tables.h"
#include "subagent/linux_bridge_ports.h"
#include "subagent/linux_rtnetlink.h"

namespace vmmig {

namespace {

constexpr std::size_t macSize = 6;
constexpr unsigned largestPort = 65535;  // dot1dBasePort
constexpr unsigned char groupBit = 1;    // of a MAC address's first octet

struct Station {
  std::string mac;
  int interface = 0;  // the port, or the bridge itself
  std::uint32_t bridge = 0;
  std::uint16_t state = 0;  // NUD_...
};

Station stationOf(const nlmsghdr& message) {
  const auto& head = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
  Station station{.mac = {}, .interface = head.ndm_ifindex, .bridge = 0, .state = head.ndm_state};
  forEachAttribute(message, sizeof(ndmsg), [&station](const nlattr& attribute) {
    const auto* octets = static_cast<const char*>(mnl_attr_get_payload(&attribute));
    switch (mnl_attr_get_type(&attribute)) {
      case NDA_LLADDR: station.mac.assign(octets, mnl_attr_get_payload_len(&attribute)); break;
      case NDA_MASTER: station.bridge = attributeValue<std::uint32_t>(attribute); break;
      default: break;
    }
  });
  return station;
}

/// What is no station: an interface's own filter (which has no bridge), and multicast groups.
bool isStation(const Station& station) {
  return station.bridge != 0 && station.mac.size() == macSize && !(static_cast<unsigned char>(station.mac[0]) & groupBit);
}

TpFdbRow rowOf(const Station& station) {
  TpFdbRow row;
  row.address.value = station.mac;
  row.port = station.interface == static_cast<int>(station.bridge) ? 0 : station.interface;
  // The kernel keeps what it learned as reachable, later stale, and what was configured without aging.
  row.status = station.state & NUD_PERMANENT ? fdbSelf : station.state & NUD_NOARP ? fdbMgmt : fdbLearned;
  return row;
}

bool isBetter(const TpFdbRow& one, const TpFdbRow& other) {
  bool isOwn = one.status == fdbSelf, isOthersOwn = other.status == fdbSelf;
  return isOwn != isOthersOwn ? isOwn : one.port < other.port;
}

}  // namespace

Result<std::vector<AnyRow>> readBridgePorts() {
  auto bridges = readBridges();
  if (!bridges) return failure(bridges.error());
  std::vector<AnyRow> rows;
  for (const auto& port : bridges->ports)
    if (port.index <= largestPort) rows.emplace_back(BasePortRow{port.index, port.index});
  return rows;
}

Result<std::vector<AnyRow>> readBridgeForwarding() {
  auto socket = RtNetlink::open();
  if (!socket) return failure(socket.error());
  std::map<std::string, TpFdbRow> stations;
  RtRequest request{RTM_GETNEIGH, 0};
  request.header<ndmsg>().ndm_family = AF_BRIDGE;
  auto status = socket->dump(request, [&stations](const nlmsghdr& message) {
    auto station = stationOf(message);
    if (!isStation(station) || station.interface > static_cast<int>(largestPort)) return;
    auto row = rowOf(station);
    auto [known, isNew] = stations.emplace(station.mac, row);
    if (!isNew && isBetter(row, known->second)) known->second = row;
  });
  if (!status) return failure("the forwarding tables of bridges cannot be read: " + status.error().text);
  std::vector<AnyRow> rows;
  for (auto& [mac, row] : stations) rows.emplace_back(std::move(row));
  return rows;
}

}  // namespace vmmig

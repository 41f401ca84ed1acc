// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/flow_table.h"

#include "mibs/row_check.h"

namespace vmmig {

namespace {

// IANA protocol numbers.
constexpr int icmp = 1, tcp = 6, udp = 17, dccp = 33, gre = 47, icmpv6 = 58, sctp = 132, udpLite = 136;

bool isIcmp(const FlowRow& row) { return row.protocol == icmp || row.protocol == icmpv6; }

/// GRE's key stands in their place (RFC 2637).
bool hasPorts(const FlowRow& row) {
  const auto all = {udp, dccp, gre, sctp, udpLite};
  return std::find(all.begin(), all.end(), row.protocol) != all.end();
}

Status checkProtocol(const FlowRow& row) {
  auto refused = [](const std::string& why) { return failure(SnmpStatus::inconsistentName, "vmMigFlowProtocol " + why); };
  if (row.protocol == tcp) return refused("is TCP: its connections are rows of vmMigTcpConnTable");
  auto family = row.localAddress.type;
  if (row.protocol == icmp && family != InetAddressType::ipv4) return refused("is ICMP, which needs IPv4 addresses");
  if (row.protocol == icmpv6 && family != InetAddressType::ipv6) return refused("is ICMPv6, which needs IPv6 addresses");
  if (!hasPorts(row) && !isIcmp(row) && (row.localPort != 0 || row.remPort != 0))
    return refused(std::to_string(row.protocol) + " has no ports: vmMigFlowLocalPort and vmMigFlowRemPort must be 0");
  return {};
}

/// The messages that a tracker knows as requests and replies (RFC 792, RFC 950, RFC 4443, RFC 4620).
Status checkIcmp(const FlowRow& row) {
  const std::initializer_list<int> requests4{8, 13, 15, 17}, replies4{0, 14, 16, 18}, requests6{128, 139}, replies6{129, 140};
  bool isRequest = row.opener == TcpOpener::local;
  const auto& types = row.protocol == icmp ? (isRequest ? requests4 : replies4) : (isRequest ? requests6 : replies6);
  if (std::find(types.begin(), types.end(), row.remPort >> 8) != types.end()) return {};
  return failure(SnmpStatus::inconsistentValue, "vmMigFlowRemPort " + std::to_string(row.remPort) +
                                                    " is type * 256 + code of what the VM sends, and that is no " +
                                                    (isRequest ? "request" : "reply") + ", which vmMigFlowOpener asks for");
}

Status checkSctp(const FlowRow& row) {
  if ((row.protocol == sctp) != (row.sctpState != SctpState::none))
    return failure(SnmpStatus::inconsistentValue, "vmMigFlowSctpState is none for every protocol but SCTP, and never for SCTP");
  if (row.protocol != sctp && (row.localVtag != 0 || row.remVtag != 0))
    return failure(SnmpStatus::inconsistentValue, "vmMigFlowLocalVtag and vmMigFlowRemVtag are for SCTP: they must be 0");
  return {};
}

Status checkAddresses(const FlowRow& row, std::span<const InetAddress> addresses) {
  if (auto status = rowCheck::isOfVm("vmMigFlowLocalAddress", row.localAddress, addresses); !status) return status;
  if (auto status = rowCheck::isSet("vmMigFlowRemAddress", row.remAddress, SnmpStatus::inconsistentName); !status) return status;
  if (row.localAddress.type != row.remAddress.type)
    return failure(SnmpStatus::inconsistentName, "vmMigFlowLocalAddressType and vmMigFlowRemAddressType differ");
  auto family = row.localAddress.type;
  if (auto status = rowCheck::isTranslation("vmMigFlowNatLocalAddress", row.natLocalAddress, row.natLocalPort, family); !status)
    return status;
  return rowCheck::isTranslation("vmMigFlowNatRemAddress", row.natRemAddress, row.natRemPort, family);
}

}  // namespace

Status checkFlow(const void* data, std::span<const InetAddress> addresses) {
  const auto& row = *static_cast<const FlowRow*>(data);
  if (auto status = checkAddresses(row, addresses); !status) return status;
  if (auto status = checkProtocol(row); !status) return status;
  if (isIcmp(row))
    if (auto status = checkIcmp(row); !status) return status;
  if (auto status = checkSctp(row); !status) return status;
  return rowCheck::isVolatile("vmMigFlowStorageType", row.storageType);
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_tuples.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <algorithm>

#include "subagent/linux_sysctl.h"

namespace vmmig {

namespace {

constexpr std::size_t labelsSize = 16;  // NF_CT_LABELS_MAX_SIZE

InetAddress addressFrom(const Attributes& ip, std::size_t v4, std::size_t v6) {
  if (ip.octets(v4).size() == 4) return InetAddress::v4(ip.octets(v4).data());
  if (ip.octets(v6).size() == 16) return InetAddress::v6(ip.octets(v6).data());
  return {};
}

bool isV4(const InetAddress& address) { return address.type == InetAddressType::ipv4; }

/// What one end becomes on its way through: exactly that address, and that port where the protocol has any.
void putNat(nlmsghdr* message, int type, std::uint8_t protocol, const InetAddress& address, std::uint16_t port) {
  Nest nest{message, type};
  putOctets(message, isV4(address) ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, address.bytes());
  putOctets(message, isV4(address) ? CTA_NAT_V4_MAXIP : CTA_NAT_V6_MAXIP, address.bytes());
  if (!hasPorts(protocol) && !isIcmp(protocol)) return;
  Nest ports{message, CTA_NAT_PROTO};
  put16(message, CTA_PROTONAT_PORT_MIN, port);
  put16(message, CTA_PROTONAT_PORT_MAX, port);
}

std::string protocolName(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP: return "TCP connection";
    case IPPROTO_UDP: return "UDP flow";
    case IPPROTO_ICMP: return "ICMP flow";
    case IPPROTO_ICMPV6: return "ICMPv6 flow";
    case IPPROTO_SCTP: return "SCTP association";
    default: return "flow of protocol " + std::to_string(protocol);
  }
}

}  // namespace

int familyOf(const InetAddress& address) { return address.type == InetAddressType::ipv6 ? AF_INET6 : AF_INET; }

std::uint8_t protocolOf(const Attributes& tuple) { return Attributes{tuple[CTA_TUPLE_PROTO]}.u8(CTA_PROTO_NUM); }

Tuple tupleFrom(const Attributes& tuple, std::uint8_t protocol) {
  Attributes ip{tuple[CTA_TUPLE_IP]}, proto{tuple[CTA_TUPLE_PROTO]};
  Tuple result{{addressFrom(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC), proto.u16(CTA_PROTO_SRC_PORT)},
               {addressFrom(ip, CTA_IP_V4_DST, CTA_IP_V6_DST), proto.u16(CTA_PROTO_DST_PORT)}};
  auto takeIcmp = [&](std::size_t id, std::size_t type, std::size_t code) {
    result.source.port = proto.u16(id);
    result.destination.port = static_cast<std::uint16_t>(proto.u8(type) << 8 | proto.u8(code));
  };
  if (protocol == IPPROTO_ICMP) takeIcmp(CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE);
  if (protocol == IPPROTO_ICMPV6) takeIcmp(CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE);
  return result;
}

void putTuple(nlmsghdr* message, int type, std::uint8_t protocol, const Tuple& tuple) {
  Nest nest{message, type};
  {
    Nest ip{message, CTA_TUPLE_IP};
    putOctets(message, isV4(tuple.source.address) ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple.source.address.bytes());
    putOctets(message, isV4(tuple.source.address) ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple.destination.address.bytes());
  }
  Nest proto{message, CTA_TUPLE_PROTO};
  put8(message, CTA_PROTO_NUM, protocol);
  if (isIcmp(protocol)) {
    bool is4 = protocol == IPPROTO_ICMP;
    put16(message, is4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, tuple.source.port);
    put8(message, is4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, static_cast<std::uint8_t>(tuple.destination.port >> 8));
    put8(message, is4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, static_cast<std::uint8_t>(tuple.destination.port));
  } else {
    put16(message, CTA_PROTO_SRC_PORT, tuple.source.port);
    put16(message, CTA_PROTO_DST_PORT, tuple.destination.port);
  }
}

void putTuples(nlmsghdr* message, const WireTuples& wire) {
  const auto& [original, reply] = wire.tuples;
  auto untranslated = wire.untranslatedReply();
  putTuple(message, CTA_TUPLE_ORIG, wire.protocol, original);
  // The kernel applies the translation itself to the inverse.
  putTuple(message, CTA_TUPLE_REPLY, wire.protocol, untranslated);
  if (reply == untranslated) return;
  // Both, also when one end is not translated: what is left out, the kernel may map to another port when this one is in use. An
  // ICMP identifier is changed where the source is.
  putNat(message, CTA_NAT_DST, wire.protocol, reply.source.address,
         isIcmp(wire.protocol) ? original.source.port : reply.source.port);
  putNat(message, CTA_NAT_SRC, wire.protocol, reply.destination.address,
         isIcmp(wire.protocol) ? reply.source.port : reply.destination.port);
}

WireTuples wireTuplesOf(const Attributes& entry) {
  Attributes original{entry[CTA_TUPLE_ORIG]};
  auto protocol = protocolOf(original);
  return {protocol, {tupleFrom(original, protocol), tupleFrom(Attributes{entry[CTA_TUPLE_REPLY]}, protocol)}};
}

std::optional<InboundTuple> translatedInbound(const WireTuples& wire, const Vm& vm) {
  auto opener = openerFor(vm, wire.tuples);
  if (!opener) return std::nullopt;
  bool isOpener = *opener == TcpOpener::local;
  auto ends = wire.ends(*opener);
  const auto& inside = isOpener ? ends.original : ends.reply;
  const auto& outside = isOpener ? ends.reply : ends.original;
  if (outside.destination == inside.source) return std::nullopt;
  return InboundTuple{wire.protocol, isOpener ? wire.tuples.reply : wire.tuples.original};
}

Status checkTellable(const Attributes& entry, const WireTuples& wire, const Vm& vm) {
  auto isVms = [&](std::string_view rest) {
    return failure(describe(wire.protocol, wire.tuples.original) + " of VM " + vm.label() + std::string{rest});
  };
  if (entry.u32(CTA_STATUS) & IPS_OFFLOAD)
    return isVms(
        " is in a flow table, where the kernel tells nothing of its state: take the VM out of the flow table (nft) first");
  if (Attributes{entry[CTA_TUPLE_ORIG]}.has(CTA_TUPLE_ZONE) || Attributes{entry[CTA_TUPLE_REPLY]}.has(CTA_TUPLE_ZONE))
    return isVms(" is in a zone in one direction only, which no column can tell: use `ct zone set` for both directions");
  return {};
}

template <class Row>
void takeCommon(Row& row, const Attributes& entry) {
  row.zone = entry.u16(CTA_ZONE);
  row.timeout = entry.u32(CTA_TIMEOUT);
  row.status = statusFrom(entry.u32(CTA_STATUS));
  row.mark = entry.u32(CTA_MARK);
  row.labels.value = entry.octets(CTA_LABELS);
  row.helper.value = Attributes{entry[CTA_HELP]}.text(CTA_HELP_NAME);
}

template <class Row>
void putKey(nlmsghdr* message, const Row& key) {
  putTuple(message, CTA_TUPLE_ORIG, protocolOf(key), {{key.localAddress, key.localPort}, {key.remAddress, key.remPort}});
  if (key.zone) put16(message, CTA_ZONE, key.zone);
}

template <class Row>
void putCommon(nlmsghdr* message, const Row& row) {
  putTuples(message, WireTuples::of(protocolOf(row), tuplesOf(row), row.opener));
  if (row.zone) put16(message, CTA_ZONE, row.zone);
  putStatus(message, row.status);
  if (row.mark) put32(message, CTA_MARK, row.mark);
  if (!row.labels.value.empty()) putLabels(message, row.labels.value);
  if (!row.helper.value.empty()) {
    Nest help{message, CTA_HELP};
    putText(message, CTA_HELP_NAME, row.helper.value);
  }
}

Bits<TcpConnStatus> statusFrom(std::uint32_t status) {
  Bits<TcpConnStatus> result;
  result.set(TcpConnStatus::seenReply, status & IPS_SEEN_REPLY);
  result.set(TcpConnStatus::assured, status & IPS_ASSURED);
  result.set(TcpConnStatus::fixedTimeout, status & IPS_FIXED_TIMEOUT);
  return result;
}

void putStatus(nlmsghdr* message, Bits<TcpConnStatus> status) {
  std::uint32_t bits = IPS_CONFIRMED;  // the kernel has set it already and insists on it
  if (status.has(TcpConnStatus::seenReply)) bits |= IPS_SEEN_REPLY;
  if (status.has(TcpConnStatus::assured)) bits |= IPS_ASSURED;
  if (status.has(TcpConnStatus::fixedTimeout)) bits |= IPS_FIXED_TIMEOUT;
  put32(message, CTA_STATUS, bits);
}

void putLabels(nlmsghdr* message, const std::string& labels) {
  auto all = labels;
  all.resize(labelsSize, '\0');
  putOctets(message, CTA_LABELS, all);
  putOctets(message, CTA_LABELS_MASK, std::string(labelsSize, '\xff'));
}

template <class Row>
void putCommonUpdate(nlmsghdr* message, const Row& before, const Row& after) {
  putKey(message, after);
  if (before.status != after.status) putStatus(message, after.status);
  if (before.mark != after.mark) put32(message, CTA_MARK, after.mark);
  if (before.labels != after.labels) putLabels(message, after.labels.value);
}

template <class Row>
bool canUpdateStatus(const Row& before, const Row& after) {
  // The kernel never takes a status bit back, and leaves a fixed timeout as it is.
  return !(before.status.mask & ~after.status.mask) && !before.status.has(TcpConnStatus::fixedTimeout);
}

template <class Row>
Status checkCommon(const Row& row) {
  auto prefix = columnPrefix<Row>();
  if (row.timeout > longestConntrackTimeout())
    return failure(SnmpStatus::wrongValue, prefix + "Timeout: this kernel holds at most " +
                                               std::to_string(longestConntrackTimeout()) +
                                               " seconds; give that, or 0 for the timeout of this device");
  const auto& labels = row.labels.value;
  if (!labels.empty() && labels.size() != labelsSize)
    return failure(SnmpStatus::wrongLength, prefix + "Labels must be empty or have 16 octets");
  if (!labels.empty() && std::all_of(labels.begin(), labels.end(), [](char octet) { return octet == 0; }))
    return failure(SnmpStatus::inconsistentValue, prefix + "Labels has no bit set: leave it empty");
  if (row.helper.value.find('\0') != std::string::npos) return failure(SnmpStatus::wrongValue, prefix + "Helper has a NUL in it");
  if (row.storageType != StorageType::volatile_)
    return failure(SnmpStatus::wrongValue, prefix + "StorageType can only be volatile: the kernel forgets when it restarts");
  return {};
}

std::string describe(std::uint8_t protocol, const Tuple& fromVm) {
  auto end = [&](const Endpoint& each) {
    return toString(each.address) + (hasPorts(protocol) ? " port " + std::to_string(each.port) : "");
  };
  auto identifier = isIcmp(protocol) ? " identifier " + std::to_string(fromVm.source.port) : "";
  return protocolName(protocol) + " " + end(fromVm.source) + identifier + " with " + end(fromVm.destination);
}

template void takeCommon(TcpConnRow&, const Attributes&);
template void takeCommon(FlowRow&, const Attributes&);
template void putKey(nlmsghdr*, const TcpConnRow&);
template void putKey(nlmsghdr*, const FlowRow&);
template void putCommon(nlmsghdr*, const TcpConnRow&);
template void putCommon(nlmsghdr*, const FlowRow&);
template void putCommonUpdate(nlmsghdr*, const TcpConnRow&, const TcpConnRow&);
template void putCommonUpdate(nlmsghdr*, const FlowRow&, const FlowRow&);
template bool canUpdateStatus(const TcpConnRow&, const TcpConnRow&);
template bool canUpdateStatus(const FlowRow&, const FlowRow&);
template Status checkCommon(const TcpConnRow&);
template Status checkCommon(const FlowRow&);

}  // namespace vmmig

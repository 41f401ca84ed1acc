// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_codec.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cstring>

namespace vmmig {

namespace {

constexpr std::size_t labelsSize = 16;  // NF_CT_LABELS_MAX_SIZE
// IP_CT_TCP_FLAG_WINDOW_SCALE, SACK_PERM, CLOSE_INIT, BE_LIBERAL. The others belong to the window, which netlink does not carry:
// a MAXACK_SET without its window makes the kernel drop the connection's packets.
constexpr std::uint8_t flagMask = 0x0f;

struct StateName {
  std::uint8_t kernel;
  TcpState state;
};
// The kernel's FIN_WAIT stands for both of RFC 9293's; an entry in NONE has seen no packet that counts.
constexpr StateName stateNames[] = {
    {TCP_CONNTRACK_SYN_SENT, TcpState::synSent},          {TCP_CONNTRACK_SYN_RECV, TcpState::synReceived},
    {TCP_CONNTRACK_ESTABLISHED, TcpState::established},   {TCP_CONNTRACK_FIN_WAIT, TcpState::finWait1},
    {TCP_CONNTRACK_CLOSE_WAIT, TcpState::closeWait},      {TCP_CONNTRACK_LAST_ACK, TcpState::lastAck},
    {TCP_CONNTRACK_TIME_WAIT, TcpState::timeWait},        {TCP_CONNTRACK_CLOSE, TcpState::closed},
    {TCP_CONNTRACK_SYN_SENT2, TcpState::simultaneousOpen}};

std::optional<std::uint8_t> kernelState(TcpState state) {
  for (const auto& each : stateNames)
    if (each.state == state) return each.kernel;
  return std::nullopt;
}

TcpState stateFrom(std::uint8_t kernel) {
  for (const auto& each : stateNames)
    if (each.kernel == kernel) return each.state;
  return TcpState::closed;
}

/// The attributes of a message or a nest, by type; the later one counts.
class Attributes {
 public:
  explicit Attributes(const nlmsghdr* message) {
    // Behind struct nfgenmsg.
    add(static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, 4)),
        static_cast<const char*>(mnl_nlmsg_get_payload_tail(message)));
  }
  explicit Attributes(const nlattr* nest) {
    if (!nest) return;
    const auto* payload = static_cast<const char*>(mnl_attr_get_payload(nest));
    add(reinterpret_cast<const nlattr*>(payload), payload + mnl_attr_get_payload_len(nest));
  }

  const nlattr* operator[](std::size_t type) const { return byType_[type]; }
  bool has(std::size_t type) const { return byType_[type]; }
  std::uint8_t u8(std::size_t type) const { return number<std::uint8_t>(type); }
  std::uint16_t u16(std::size_t type) const { return ntohs(number<std::uint16_t>(type)); }
  std::uint32_t u32(std::size_t type) const { return ntohl(number<std::uint32_t>(type)); }
  std::string_view octets(std::size_t type) const {
    const auto* attribute = byType_[type];
    if (!attribute) return {};
    return {static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute)};
  }

 private:
  void add(const nlattr* at, const char* end) {
    for (; mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at))
      if (mnl_attr_get_type(at) < byType_.size()) byType_[mnl_attr_get_type(at)] = at;
  }
  template <class T>
  T number(std::size_t type) const {
    T value = 0;
    if (auto content = octets(type); content.size() >= sizeof value) std::memcpy(&value, content.data(), sizeof value);
    return value;
  }
  // No nest has more types than the message itself.
  std::array<const nlattr*, CTA_MAX + 1> byType_{};
};

// --- from the kernel ------------------------------------------------------------------------------------------------

InetAddress addressFrom(const Attributes& ip, std::size_t v4, std::size_t v6) {
  if (ip.octets(v4).size() == 4) return InetAddress::v4(ip.octets(v4).data());
  if (ip.octets(v6).size() == 16) return InetAddress::v6(ip.octets(v6).data());
  return {};
}

/// Nothing when it is not TCP.
std::optional<Tuple> tupleFrom(const Attributes& tuple) {
  Attributes protocol{tuple[CTA_TUPLE_PROTO]};
  if (protocol.u8(CTA_PROTO_NUM) != IPPROTO_TCP) return std::nullopt;
  Attributes ip{tuple[CTA_TUPLE_IP]};
  return Tuple{{addressFrom(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC), protocol.u16(CTA_PROTO_SRC_PORT)},
               {addressFrom(ip, CTA_IP_V4_DST, CTA_IP_V6_DST), protocol.u16(CTA_PROTO_DST_PORT)}};
}

Bits<TcpConnStatus> statusFrom(std::uint32_t status) {
  Bits<TcpConnStatus> result;
  result.set(TcpConnStatus::seenReply, status & IPS_SEEN_REPLY);
  result.set(TcpConnStatus::assured, status & IPS_ASSURED);
  result.set(TcpConnStatus::fixedTimeout, status & IPS_FIXED_TIMEOUT);
  return result;
}

Bits<TcpFlag> flagsFrom(std::string_view flags) {
  // struct nf_ct_tcp_flags: flags, mask (0 in a dump)
  return {flags.empty() ? 0u : static_cast<std::uint8_t>(flags[0]) & flagMask};
}

void takeProtocolInfo(TcpConnRow& row, const nlattr* nest, const TcpTimeouts& timeouts) {
  Attributes tcp{Attributes{nest}[CTA_PROTOINFO_TCP]};
  auto state = tcp.u8(CTA_PROTOINFO_TCP_STATE);
  row.state = stateFrom(state);
  auto life = timeouts.of(state);
  row.idleTime = life > row.timeout ? life - row.timeout : 0;
  bool isOpener = row.opener == TcpOpener::local;
  auto local = isOpener ? CTA_PROTOINFO_TCP_WSCALE_ORIGINAL : CTA_PROTOINFO_TCP_WSCALE_REPLY;
  auto rem = isOpener ? CTA_PROTOINFO_TCP_WSCALE_REPLY : CTA_PROTOINFO_TCP_WSCALE_ORIGINAL;
  row.localWindowScale.value = tcp.u8(local);
  row.remWindowScale.value = tcp.u8(rem);
  auto localFlags = isOpener ? CTA_PROTOINFO_TCP_FLAGS_ORIGINAL : CTA_PROTOINFO_TCP_FLAGS_REPLY;
  auto remFlags = isOpener ? CTA_PROTOINFO_TCP_FLAGS_REPLY : CTA_PROTOINFO_TCP_FLAGS_ORIGINAL;
  row.localFlags = flagsFrom(tcp.octets(localFlags));
  row.remFlags = flagsFrom(tcp.octets(remFlags));
}

void takeSeqAdj(const nlattr* nest, std::uint32_t& correctionPos, std::int32_t& offsetBefore, std::int32_t& offsetAfter) {
  Attributes adjustment{nest};
  correctionPos = adjustment.u32(CTA_SEQADJ_CORRECTION_POS);
  offsetBefore = static_cast<std::int32_t>(adjustment.u32(CTA_SEQADJ_OFFSET_BEFORE));
  offsetAfter = static_cast<std::int32_t>(adjustment.u32(CTA_SEQADJ_OFFSET_AFTER));
}

std::string describe(const TuplePair& tuples) {
  const auto& [source, destination] = tuples.original;
  return "TCP connection " + toString(source.address) + " port " + std::to_string(source.port) + " to " +
         toString(destination.address) + " port " + std::to_string(destination.port);
}

// --- to the kernel --------------------------------------------------------------------------------------------------

class Nest {
 public:
  Nest(nlmsghdr* message, int type)
      : message_(message), attribute_(mnl_attr_nest_start(message, static_cast<std::uint16_t>(type))) {}
  Nest(const Nest&) = delete;
  ~Nest() { mnl_attr_nest_end(message_, attribute_); }

 private:
  nlmsghdr* message_;
  nlattr* attribute_;
};

void put8(nlmsghdr* message, int type, std::uint8_t value) { mnl_attr_put_u8(message, static_cast<std::uint16_t>(type), value); }
void put16(nlmsghdr* message, int type, std::uint16_t value) {
  mnl_attr_put_u16(message, static_cast<std::uint16_t>(type), htons(value));
}
void put32(nlmsghdr* message, int type, std::uint32_t value) {
  mnl_attr_put_u32(message, static_cast<std::uint16_t>(type), htonl(value));
}
void putOctets(nlmsghdr* message, int type, std::string_view octets) {
  mnl_attr_put(message, static_cast<std::uint16_t>(type), octets.size(), octets.data());
}

void putTuple(nlmsghdr* message, int type, const Tuple& tuple) {
  Nest nest{message, type};
  {
    bool isV4 = tuple.source.address.type == InetAddressType::ipv4;
    Nest ip{message, CTA_TUPLE_IP};
    putOctets(message, isV4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple.source.address.bytes());
    putOctets(message, isV4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple.destination.address.bytes());
  }
  Nest protocol{message, CTA_TUPLE_PROTO};
  put8(message, CTA_PROTO_NUM, IPPROTO_TCP);
  put16(message, CTA_PROTO_SRC_PORT, tuple.source.port);
  put16(message, CTA_PROTO_DST_PORT, tuple.destination.port);
}

/// What one end becomes on its way through: exactly that address and port.
void putNat(nlmsghdr* message, int type, const Endpoint& end) {
  Nest nest{message, type};
  bool isV4 = end.address.type == InetAddressType::ipv4;
  putOctets(message, isV4 ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, end.address.bytes());
  putOctets(message, isV4 ? CTA_NAT_V4_MAXIP : CTA_NAT_V6_MAXIP, end.address.bytes());
  Nest ports{message, CTA_NAT_PROTO};
  put16(message, CTA_PROTONAT_PORT_MIN, end.port);
  put16(message, CTA_PROTONAT_PORT_MAX, end.port);
}

void putSeqAdj(nlmsghdr* message, int type, std::uint32_t correctionPos, std::int32_t offsetBefore, std::int32_t offsetAfter) {
  Nest nest{message, type};
  put32(message, CTA_SEQADJ_CORRECTION_POS, correctionPos);
  put32(message, CTA_SEQADJ_OFFSET_BEFORE, static_cast<std::uint32_t>(offsetBefore));
  put32(message, CTA_SEQADJ_OFFSET_AFTER, static_cast<std::uint32_t>(offsetAfter));
}

void putFlags(nlmsghdr* message, int type, Bits<TcpFlag> flags, std::uint8_t mask) {
  nf_ct_tcp_flags value{static_cast<std::uint8_t>(flags.mask & mask), mask};
  mnl_attr_put(message, static_cast<std::uint16_t>(type), sizeof value, &value);
}

void putFlagsOfBoth(nlmsghdr* message, const TcpConnRow& row, std::uint8_t mask) {
  bool isOpener = row.opener == TcpOpener::local;
  putFlags(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, isOpener ? row.localFlags : row.remFlags, mask);
  putFlags(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, isOpener ? row.remFlags : row.localFlags, mask);
}

void putProtocolInfo(nlmsghdr* message, const TcpConnRow& row) {
  bool isOpener = row.opener == TcpOpener::local;
  Nest info{message, CTA_PROTOINFO};
  Nest tcp{message, CTA_PROTOINFO_TCP};
  put8(message, CTA_PROTOINFO_TCP_STATE, kernelState(row.state).value_or(TCP_CONNTRACK_NONE));
  auto scale = [&](bool local) { return static_cast<std::uint8_t>(local ? row.localWindowScale : row.remWindowScale); };
  put8(message, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, scale(isOpener));
  put8(message, CTA_PROTOINFO_TCP_WSCALE_REPLY, scale(!isOpener));
  putFlagsOfBoth(message, row, flagMask);
}

void putStatus(nlmsghdr* message, Bits<TcpConnStatus> status) {
  std::uint32_t bits = IPS_CONFIRMED;  // the kernel has set it already and insists on it
  if (status.has(TcpConnStatus::seenReply)) bits |= IPS_SEEN_REPLY;
  if (status.has(TcpConnStatus::assured)) bits |= IPS_ASSURED;
  if (status.has(TcpConnStatus::fixedTimeout)) bits |= IPS_FIXED_TIMEOUT;
  put32(message, CTA_STATUS, bits);
}

void putTimeout(nlmsghdr* message, const TcpConnRow& row, const TcpTimeouts& timeouts) {
  auto seconds = row.timeout;
  if (seconds == 0) {
    // Not told: what this device gives such a connection, less the time that it was idle.
    auto life = timeouts.of(kernelState(row.state).value_or(TCP_CONNTRACK_NONE));
    seconds = life > row.idleTime ? life - row.idleTime : 1;
  }
  put32(message, CTA_TIMEOUT, seconds);
}

void putLabels(nlmsghdr* message, const TcpConnRow& row) {
  std::string labels = row.labels.value;
  labels.resize(labelsSize, '\0');
  putOctets(message, CTA_LABELS, labels);
  putOctets(message, CTA_LABELS_MASK, std::string(labelsSize, '\xff'));
}

void putAllSeqAdj(nlmsghdr* message, const TcpConnRow& row) {
  bool isOpener = row.opener == TcpOpener::local;
  bool hasLocal = row.localSeqAdjCorrectionPos || row.localSeqAdjOffsetBefore || row.localSeqAdjOffsetAfter;
  bool hasRem = row.remSeqAdjCorrectionPos || row.remSeqAdjOffsetBefore || row.remSeqAdjOffsetAfter;
  if (hasLocal)
    putSeqAdj(message, isOpener ? CTA_SEQ_ADJ_ORIG : CTA_SEQ_ADJ_REPLY, row.localSeqAdjCorrectionPos, row.localSeqAdjOffsetBefore,
              row.localSeqAdjOffsetAfter);
  if (hasRem)
    putSeqAdj(message, isOpener ? CTA_SEQ_ADJ_REPLY : CTA_SEQ_ADJ_ORIG, row.remSeqAdjCorrectionPos, row.remSeqAdjOffsetBefore,
              row.remSeqAdjOffsetAfter);
}

}  // namespace

int familyOf(const InetAddress& address) { return address.type == InetAddressType::ipv6 ? AF_INET6 : AF_INET; }

Result<std::optional<TcpConnRow>> rowFromMessage(const nlmsghdr* message, const Vm& vm, const TcpTimeouts& timeouts) {
  Attributes entry{message};
  Attributes originalAttributes{entry[CTA_TUPLE_ORIG]};
  auto original = tupleFrom(originalAttributes);
  if (!original) return std::nullopt;
  auto reply = tupleFrom(Attributes{entry[CTA_TUPLE_REPLY]});
  if (!reply) return std::nullopt;
  TuplePair tuples{*original, *reply};
  auto opener = openerFor(vm, tuples);
  if (!opener) return std::nullopt;
  if (entry.u32(CTA_STATUS) & IPS_OFFLOAD)
    return failure(
        describe(tuples) + " of VM " + vm.label() +
        " is in a flow table, where the kernel tells nothing of its state: take the VM out of the flow table (nft) first");
  if (originalAttributes.has(CTA_TUPLE_ZONE) || Attributes{entry[CTA_TUPLE_REPLY]}.has(CTA_TUPLE_ZONE))
    return failure(
        describe(tuples) + " of VM " + vm.label() +
        " is in a zone in one direction only, which vmMigTcpConnZone cannot tell: use `ct zone set` for both directions");

  TcpConnRow row;
  row.uuid = vm.uuid;
  row.zone = entry.u16(CTA_ZONE);
  setTuples(row, tuples, *opener);
  row.timeout = entry.u32(CTA_TIMEOUT);
  takeProtocolInfo(row, entry[CTA_PROTOINFO], timeouts);
  row.status = statusFrom(entry.u32(CTA_STATUS));
  bool isOpener = *opener == TcpOpener::local;
  takeSeqAdj(entry[isOpener ? CTA_SEQ_ADJ_ORIG : CTA_SEQ_ADJ_REPLY], row.localSeqAdjCorrectionPos, row.localSeqAdjOffsetBefore,
             row.localSeqAdjOffsetAfter);
  takeSeqAdj(entry[isOpener ? CTA_SEQ_ADJ_REPLY : CTA_SEQ_ADJ_ORIG], row.remSeqAdjCorrectionPos, row.remSeqAdjOffsetBefore,
             row.remSeqAdjOffsetAfter);
  row.mark = entry.u32(CTA_MARK);
  row.labels.value = entry.octets(CTA_LABELS);
  auto helper = Attributes{entry[CTA_HELP]}.octets(CTA_HELP_NAME);
  row.helper.value = helper.substr(0, helper.find('\0'));
  return row;
}

void putKey(nlmsghdr* message, const TcpConnRow& key) {
  putTuple(message, CTA_TUPLE_ORIG, {{key.localAddress, key.localPort}, {key.remAddress, key.remPort}});
  if (key.zone) put16(message, CTA_ZONE, key.zone);
}

void putRow(nlmsghdr* message, const TcpConnRow& row, const TcpTimeouts& timeouts) {
  auto tuples = tuplesOf(row);
  auto untranslated = tuples.original.inverse();
  putTuple(message, CTA_TUPLE_ORIG, tuples.original);
  // The kernel applies the translation itself to the inverse.
  putTuple(message, CTA_TUPLE_REPLY, untranslated);
  if (tuples.reply != untranslated) {
    // Both, also when one end is not translated: what is left out, the kernel may map to another port when this one is in use.
    putNat(message, CTA_NAT_DST, tuples.reply.source);
    putNat(message, CTA_NAT_SRC, tuples.reply.destination);
  }
  if (row.zone) put16(message, CTA_ZONE, row.zone);
  putTimeout(message, row, timeouts);
  putStatus(message, row.status);
  putProtocolInfo(message, row);
  putAllSeqAdj(message, row);
  if (row.mark) put32(message, CTA_MARK, row.mark);
  if (!row.labels.value.empty()) putLabels(message, row);
  if (!row.helper.value.empty()) {
    Nest help{message, CTA_HELP};
    mnl_attr_put_strz(message, CTA_HELP_NAME, row.helper.value.c_str());
  }
}

void putUpdate(nlmsghdr* message, const TcpConnRow& before, const TcpConnRow& after, const TcpTimeouts& timeouts) {
  putKey(message, after);
  putTimeout(message, after, timeouts);
  if (before.status != after.status) putStatus(message, after.status);
  if (before.state != after.state) putProtocolInfo(message, after);
  if (before.mark != after.mark) put32(message, CTA_MARK, after.mark);
  if (before.labels != after.labels) putLabels(message, after);
}

void putLeniency(nlmsghdr* message, const TcpConnRow& row) {
  putKey(message, row);
  Nest info{message, CTA_PROTOINFO};
  Nest tcp{message, CTA_PROTOINFO_TCP};
  putFlagsOfBoth(message, row, IP_CT_TCP_FLAG_BE_LIBERAL);
}

bool knowsWindows(const nlmsghdr* message) {
  Attributes tcp{Attributes{Attributes{message}[CTA_PROTOINFO]}[CTA_PROTOINFO_TCP]};
  auto isSet = [&](std::size_t type) {
    auto flags = tcp.octets(type);
    return !flags.empty() && static_cast<std::uint8_t>(flags[0]) & IP_CT_TCP_FLAG_MAXACK_SET;
  };
  return isSet(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL) && isSet(CTA_PROTOINFO_TCP_FLAGS_REPLY);
}

bool canUpdate(const TcpConnRow& before, const TcpConnRow& after) {
  // The kernel never takes a status bit back, and leaves a fixed timeout as it is.
  if (before.status.mask & ~after.status.mask || before.status.has(TcpConnStatus::fixedTimeout)) return false;
  auto updated = before;
  updated.state = after.state;
  updated.status = after.status;
  updated.mark = after.mark;
  updated.labels = after.labels;
  return AnyRow{updated}.equals(AnyRow{after}, Carry::exact);
}

Status checkKernelHolds(const TcpConnRow& row) {
  auto refuse = [](std::string text) { return failure(SnmpStatus::inconsistentValue, std::move(text)); };
  if (row.state == TcpState::synSent)
    return refuse("vmMigTcpConnState synSent: a copied half-open connection hangs; leave the row out, the SYN is sent again");
  if (!kernelState(row.state))
    return refuse("vmMigTcpConnState: Linux knows neither finWait2 nor closing; its FIN_WAIT is finWait1, TIME_WAIT timeWait");
  if (row.windowKnown || row.seqNumber || row.ackNumber || row.remSeqNumber || row.remAckNumber || row.localMaxEnd ||
      row.remMaxEnd || row.localMaxWindow || row.remMaxWindow)
    return refuse(
        "vmMigTcpConnWindowKnown: this device cannot set sequence numbers and windows; give false and leave them 0, it learns "
        "them "
        "from the next packets");
  bool isScaled = row.localFlags.has(TcpFlag::windowScale) && row.remFlags.has(TcpFlag::windowScale);
  if (!isScaled && (row.localWindowScale || row.remWindowScale))
    return refuse(
        "vmMigTcpConnLocalWindowScale and RemWindowScale count only when vmMigTcpConnLocalFlags and RemFlags both have "
        "windowScale (RFC 7323): set both flags, or both scales to 0");
  const auto& labels = row.labels.value;
  if (!labels.empty() && labels.size() != labelsSize)
    return failure(SnmpStatus::wrongLength, "vmMigTcpConnLabels must be empty or have 16 octets");
  if (!labels.empty() && std::all_of(labels.begin(), labels.end(), [](char octet) { return octet == 0; }))
    return refuse("vmMigTcpConnLabels has no bit set: leave it empty");
  if (row.helper.value.find('\0') != std::string::npos)
    return failure(SnmpStatus::wrongValue, "vmMigTcpConnHelper has a NUL in it");
  if (row.storageType != StorageType::volatile_)
    return failure(SnmpStatus::wrongValue, "vmMigTcpConnStorageType can only be volatile: the kernel forgets when it restarts");
  return {};
}

}  // namespace vmmig

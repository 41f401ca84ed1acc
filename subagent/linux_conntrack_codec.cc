// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_codec.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

namespace vmmig {

namespace {

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

// --- from the kernel ------------------------------------------------------------------------------------------------

Bits<TcpFlag> flagsFrom(std::string_view flags) {
  // struct nf_ct_tcp_flags: flags, mask (0 in a dump)
  return {flags.empty() ? 0u : static_cast<std::uint8_t>(flags[0]) & flagMask};
}

/// Has the kernel, of either end, seen data that the other one has not acknowledged?
bool isUnacknowledged(const Attributes& tcp) {
  auto isSet = [&](std::size_t type) {
    auto flags = tcp.octets(type);
    return !flags.empty() && static_cast<std::uint8_t>(flags[0]) & IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED;
  };
  return isSet(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL) || isSet(CTA_PROTOINFO_TCP_FLAGS_REPLY);
}

void takeProtocolInfo(TcpConnRow& row, const nlattr* nest, const TcpTimeouts& timeouts) {
  Attributes tcp{Attributes{nest}[CTA_PROTOINFO_TCP]};
  auto state = tcp.u8(CTA_PROTOINFO_TCP_STATE);
  row.state = stateFrom(state);
  row.idleTime = timeouts.idle(state, isUnacknowledged(tcp), row.timeout);
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

// --- to the kernel --------------------------------------------------------------------------------------------------

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

void putTimeout(nlmsghdr* message, const TcpConnRow& row, const TcpTimeouts& timeouts) {
  auto seconds = row.timeout;
  if (seconds == 0) {
    // Not told: what this device gives such a connection, less the time that it was idle.
    auto life = timeouts.of(kernelState(row.state).value_or(TCP_CONNTRACK_NONE));
    seconds = life > row.idleTime ? life - row.idleTime : 1;
  }
  put32(message, CTA_TIMEOUT, seconds);
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

Result<std::optional<TcpConnRow>> rowFromMessage(const nlmsghdr* message, const Vm& vm, const TcpTimeouts& timeouts) {
  Attributes entry{message};
  auto wire = wireTuplesOf(entry);
  if (wire.protocol != IPPROTO_TCP) return std::nullopt;
  auto opener = openerFor(vm, wire.tuples);
  if (!opener) return std::nullopt;
  if (auto status = checkTellable(entry, wire, vm); !status) return failure(status.error());

  TcpConnRow row;
  row.uuid = vm.uuid;
  setTuples(row, wire.tuples, *opener);
  takeCommon(row, entry);
  takeProtocolInfo(row, entry[CTA_PROTOINFO], timeouts);
  bool isOpener = *opener == TcpOpener::local;
  takeSeqAdj(entry[isOpener ? CTA_SEQ_ADJ_ORIG : CTA_SEQ_ADJ_REPLY], row.localSeqAdjCorrectionPos, row.localSeqAdjOffsetBefore,
             row.localSeqAdjOffsetAfter);
  takeSeqAdj(entry[isOpener ? CTA_SEQ_ADJ_REPLY : CTA_SEQ_ADJ_ORIG], row.remSeqAdjCorrectionPos, row.remSeqAdjOffsetBefore,
             row.remSeqAdjOffsetAfter);
  return row;
}

bool takeSeen(TcpConnRow& row, const LinuxTcpWindows::Seen& seen, const TcpTimeouts& timeouts) {
  // Without events nobody would have told of labels and the like; an entry in a flow table is no row.
  if (!seen.exists || !seen.hasEvents || seen.status & IPS_OFFLOAD) return false;
  bool isOpener = row.opener == TcpOpener::local;
  auto flagsOf = [&](bool isLocal) -> Bits<TcpFlag> {
    return {static_cast<std::uint32_t>(seen.flags[isLocal == isOpener ? 0 : 1] & flagMask)};
  };
  if (kernelState(row.state) != seen.state || row.status != statusFrom(seen.status) || row.mark != seen.mark ||
      row.localFlags != flagsOf(true) || row.remFlags != flagsOf(false))
    return false;
  row.timeout = seen.timeoutSeconds;
  bool isUnacknowledged = (seen.flags[0] | seen.flags[1]) & IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED;
  row.idleTime = timeouts.idle(seen.state, isUnacknowledged, row.timeout);
  return true;
}

void putRow(nlmsghdr* message, const TcpConnRow& row, const TcpTimeouts& timeouts) {
  putCommon(message, row);
  putTimeout(message, row, timeouts);
  putProtocolInfo(message, row);
  putAllSeqAdj(message, row);
}

void putUpdate(nlmsghdr* message, const TcpConnRow& before, const TcpConnRow& after, const TcpTimeouts& timeouts) {
  putCommonUpdate(message, before, after);
  putTimeout(message, after, timeouts);
  if (before.state != after.state) putProtocolInfo(message, after);
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
  if (!canUpdateStatus(before, after)) return false;
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
  bool isScaled = row.localFlags.has(TcpFlag::windowScale) && row.remFlags.has(TcpFlag::windowScale);
  if (!isScaled && (row.localWindowScale || row.remWindowScale))
    return refuse(
        "vmMigTcpConnLocalWindowScale and RemWindowScale count only when vmMigTcpConnLocalFlags and RemFlags both have "
        "windowScale (RFC 7323): set both flags, or both scales to 0");
  return checkCommon(row);
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigTcpConnTable: the TCP connections that a device tracks for a VM: the columns of
// draft-gu-dc-management-problem-statement-00 section 4.1, and what else makes a row sufficient on a real device.
//
// "Local" is the VM, "remote" its peer, both as the VM sees them. natLocal and natRem are the same two ends as the peer sees
// them; they are unset where no address or port is translated. So, with conntrack's tuples (source > destination):
//   opened by the VM:    original = local > rem,         reply = natRem > natLocal
//   opened by the peer:  original = natRem > natLocal,   reply = local > rem
#pragma once

#include "mibs/row.h"

namespace vmmig {

/// tcpConnectionState (RFC 4022) as far as a tracker can know it, and its numbers; simultaneousOpen is Linux's SYN_SENT2.
enum class TcpState : std::int32_t {
  closed = 1,
  synSent = 3,
  synReceived = 4,
  established = 5,
  finWait1 = 6,
  finWait2 = 7,
  closeWait = 8,
  lastAck = 9,
  closing = 10,
  timeWait = 11,
  simultaneousOpen = 13,
};
template <>
struct Labels<TcpState> {
  static constexpr Label labels[] = {{1, "closed"},     {3, "synSent"},  {4, "synReceived"}, {5, "established"},
                                     {6, "finWait1"},   {7, "finWait2"}, {8, "closeWait"},   {9, "lastAck"},
                                     {10, "closing"},   {11, "timeWait"}, {13, "simultaneousOpen"}};
};

enum class TcpOpener : std::int32_t { local = 1, remote = 2 };
template <>
struct Labels<TcpOpener> {
  static constexpr Label labels[] = {{1, "local"}, {2, "remote"}};
};

/// What a tracker may be told of a connection's status; all other bits of Linux's enum ip_conntrack_status
/// (include/uapi/linux/netfilter/nf_conntrack_common.h) follow from other columns.
enum class TcpConnStatus { seenReply = 0, assured = 1, fixedTimeout = 2 };
template <>
struct Labels<TcpConnStatus> {
  static constexpr Label labels[] = {{0, "seenReply"}, {1, "assured"}, {2, "fixedTimeout"}};
};

/// IP_CT_TCP_FLAG_* (include/uapi/linux/netfilter/nf_conntrack_tcp.h), bits 0 to 3.
enum class TcpFlag { windowScale = 0, sackPerm = 1, closeInit = 2, beLiberal = 3 };
template <>
struct Labels<TcpFlag> {
  static constexpr Label labels[] = {{0, "windowScale"}, {1, "sackPerm"}, {2, "closeInit"}, {3, "beLiberal"}};
};

struct TcpConnRow {
  Uuid uuid;
  std::uint16_t zone = 0;
  InetAddress localAddress;
  std::uint16_t localPort = 0;
  InetAddress remAddress;
  std::uint16_t remPort = 0;

  TcpState state = TcpState::established;
  // Sequence space, valid only while windowKnown. In the model of the kernel's struct ip_ct_tcp_state:
  bool windowKnown = false;
  std::uint32_t seqNumber = 0;       // the next that the VM is going to send: td_end of its direction
  std::uint32_t ackNumber = 0;       // the next that the VM hopes to receive: td_maxack of its direction
  std::uint32_t remSeqNumber = 0;    // the same of the peer
  std::uint32_t remAckNumber = 0;
  std::uint32_t localMaxEnd = 0;     // td_maxend: highest that the VM may send
  std::uint32_t remMaxEnd = 0;
  std::uint32_t localMaxWindow = 0;  // td_maxwin, octets, scaled
  std::uint32_t remMaxWindow = 0;

  std::uint32_t idleTime = 0;  // seconds since the row was last updated
  std::uint32_t timeout = 0;   // seconds of life that remain
  TcpOpener opener = TcpOpener::local;
  Bits<TcpConnStatus> status;

  Ranged<0, 14> localWindowScale;  // RFC 7323 section 2.3
  Ranged<0, 14> remWindowScale;
  Bits<TcpFlag> localFlags;
  Bits<TcpFlag> remFlags;

  InetAddress natLocalAddress;
  std::uint16_t natLocalPort = 0;
  InetAddress natRemAddress;
  std::uint16_t natRemPort = 0;

  // Correction that a NAT helper applied to one direction's sequence numbers (struct nf_ct_seqadj).
  std::uint32_t localSeqAdjCorrectionPos = 0;
  std::int32_t localSeqAdjOffsetBefore = 0;
  std::int32_t localSeqAdjOffsetAfter = 0;
  std::uint32_t remSeqAdjCorrectionPos = 0;
  std::int32_t remSeqAdjOffsetBefore = 0;
  std::int32_t remSeqAdjOffsetAfter = 0;

  std::uint32_t mark = 0;
  Octets<0, 16, 16> labels;  // connlabels: empty, or 16 octets, bit 0 the first octet's lowest as the kernel has it
  Text<15> helper;       // empty: none

  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array tcpConnColumns{
    indexColumn<&TcpConnRow::uuid>(0, "vmMigVmUuid"),
    naming(Names::zone, indexColumn<&TcpConnRow::zone>(1, "vmMigTcpConnZone")),
    addressTypeColumn<&TcpConnRow::localAddress>(2, "vmMigTcpConnLocalAddressType", Access::notAccessible, Carry::exact),
    addressColumn<&TcpConnRow::localAddress>(3, "vmMigTcpConnLocalAddress", Access::notAccessible, Carry::exact),
    indexColumn<&TcpConnRow::localPort>(4, "vmMigTcpConnLocalPort"),
    addressTypeColumn<&TcpConnRow::remAddress>(5, "vmMigTcpConnRemAddressType", Access::notAccessible, Carry::exact),
    addressColumn<&TcpConnRow::remAddress>(6, "vmMigTcpConnRemAddress", Access::notAccessible, Carry::exact),
    indexColumn<&TcpConnRow::remPort>(7, "vmMigTcpConnRemPort"),
    column<&TcpConnRow::state>(8, "vmMigTcpConnState", Access::readCreate, Carry::exact, required),
    column<&TcpConnRow::windowKnown>(9, "vmMigTcpConnWindowKnown", Access::readCreate, Carry::traffic),
    column<&TcpConnRow::seqNumber>(10, "vmMigTcpConnSeqNumber", Access::readCreate, Carry::traffic),
    column<&TcpConnRow::ackNumber>(11, "vmMigTcpConnAckNumber", Access::readCreate, Carry::traffic),
    column<&TcpConnRow::remSeqNumber>(12, "vmMigTcpConnRemSeqNumber", Access::readCreate, Carry::traffic),
    column<&TcpConnRow::remAckNumber>(13, "vmMigTcpConnRemAckNumber", Access::readCreate, Carry::traffic),
    column<&TcpConnRow::localMaxEnd>(14, "vmMigTcpConnLocalMaxEnd", Access::readCreate, Carry::traffic),
    column<&TcpConnRow::remMaxEnd>(15, "vmMigTcpConnRemMaxEnd", Access::readCreate, Carry::traffic),
    column<&TcpConnRow::localMaxWindow>(16, "vmMigTcpConnLocalMaxWindow", Access::readCreate, Carry::traffic),
    column<&TcpConnRow::remMaxWindow>(17, "vmMigTcpConnRemMaxWindow", Access::readCreate, Carry::traffic),
    column<&TcpConnRow::idleTime>(18, "vmMigTcpConnIdleTime", Access::readCreate, Carry::clock),
    column<&TcpConnRow::timeout>(19, "vmMigTcpConnTimeout", Access::readCreate, Carry::clock),
    fixed(column<&TcpConnRow::opener>(20, "vmMigTcpConnOpener", Access::readCreate, Carry::exact)),
    column<&TcpConnRow::status>(21, "vmMigTcpConnStatus", Access::readCreate, Carry::exact),
    column<&TcpConnRow::localWindowScale>(22, "vmMigTcpConnLocalWindowScale", Access::readCreate, Carry::exact),
    column<&TcpConnRow::remWindowScale>(23, "vmMigTcpConnRemWindowScale", Access::readCreate, Carry::exact),
    column<&TcpConnRow::localFlags>(24, "vmMigTcpConnLocalFlags", Access::readCreate, Carry::exact),
    column<&TcpConnRow::remFlags>(25, "vmMigTcpConnRemFlags", Access::readCreate, Carry::exact),
    addressTypeColumn<&TcpConnRow::natLocalAddress>(26, "vmMigTcpConnNatLocalAddressType", Access::readCreate, Carry::exact),
    addressColumn<&TcpConnRow::natLocalAddress>(27, "vmMigTcpConnNatLocalAddress", Access::readCreate, Carry::exact),
    column<&TcpConnRow::natLocalPort>(28, "vmMigTcpConnNatLocalPort", Access::readCreate, Carry::exact),
    addressTypeColumn<&TcpConnRow::natRemAddress>(29, "vmMigTcpConnNatRemAddressType", Access::readCreate, Carry::exact),
    addressColumn<&TcpConnRow::natRemAddress>(30, "vmMigTcpConnNatRemAddress", Access::readCreate, Carry::exact),
    column<&TcpConnRow::natRemPort>(31, "vmMigTcpConnNatRemPort", Access::readCreate, Carry::exact),
    column<&TcpConnRow::localSeqAdjCorrectionPos>(32, "vmMigTcpConnLocalSeqAdjPos", Access::readCreate, Carry::exact),
    column<&TcpConnRow::localSeqAdjOffsetBefore>(33, "vmMigTcpConnLocalSeqAdjBefore", Access::readCreate, Carry::exact),
    column<&TcpConnRow::localSeqAdjOffsetAfter>(34, "vmMigTcpConnLocalSeqAdjAfter", Access::readCreate, Carry::exact),
    column<&TcpConnRow::remSeqAdjCorrectionPos>(35, "vmMigTcpConnRemSeqAdjPos", Access::readCreate, Carry::exact),
    column<&TcpConnRow::remSeqAdjOffsetBefore>(36, "vmMigTcpConnRemSeqAdjBefore", Access::readCreate, Carry::exact),
    column<&TcpConnRow::remSeqAdjOffsetAfter>(37, "vmMigTcpConnRemSeqAdjAfter", Access::readCreate, Carry::exact),
    column<&TcpConnRow::mark>(38, "vmMigTcpConnMark", Access::readCreate, Carry::exact),
    column<&TcpConnRow::labels>(39, "vmMigTcpConnLabels", Access::readCreate, Carry::exact),
    column<&TcpConnRow::helper>(40, "vmMigTcpConnHelper", Access::readCreate, Carry::exact),
    column<&TcpConnRow::storageType>(41, "vmMigTcpConnStorageType", Access::readCreate, Carry::local),
    column<&TcpConnRow::rowStatus>(42, "vmMigTcpConnRowStatus", Access::readCreate, Carry::local),
};

template <>
struct TableOf<TcpConnRow> {
  static constexpr TableInfo info =
      describeTable<TcpConnRow>(4, "vmMigTcpConnTable", "vmMigTcpConnEntry", tcpConnColumns, 8, true);
};

}  // namespace vmmig

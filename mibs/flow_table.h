// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigFlowTable: the flows of every protocol but TCP that a device tracks for a VM: UDP, ICMP, ICMPv6, SCTP, and those without
// ports (GRE, ESP...). "Local", "remote" and the translated ends are as in vmMigTcpConnTable (tcp_conn_table.h).
#pragma once

#include "mibs/tcp_conn_table.h"

namespace vmmig {

/// enum sctp_conntrack (include/uapi/linux/netfilter/nf_conntrack_sctp.h), and none(1) for every other protocol.
enum class SctpState : std::int32_t {
  none = 1,
  closed = 2,
  cookieWait = 3,
  cookieEchoed = 4,
  established = 5,
  shutdownSent = 6,
  shutdownReceived = 7,
  shutdownAckSent = 8,
  heartbeatSent = 9,
};
template <>
struct Labels<SctpState> {
  static constexpr Label labels[] = {{1, "none"},        {2, "closed"},       {3, "cookieWait"},
                                     {4, "cookieEchoed"}, {5, "established"},  {6, "shutdownSent"},
                                     {7, "shutdownReceived"}, {8, "shutdownAckSent"}, {9, "heartbeatSent"}};
};

struct FlowRow {
  Uuid uuid;
  std::uint16_t zone = 0;
  std::uint8_t protocol = 17;  // IANA protocol number; never 6 (TCP)
  InetAddress localAddress;
  std::uint16_t localPort = 0;  // ICMP and ICMPv6: the identifier; a protocol without ports: 0
  InetAddress remAddress;
  std::uint16_t remPort = 0;  // ICMP and ICMPv6: type * 256 + code of what the VM sends

  TcpOpener opener = TcpOpener::local;
  Bits<TcpConnStatus> status;
  std::uint32_t timeout = 0;  // seconds of life that remain

  SctpState sctpState = SctpState::none;
  std::uint32_t localVtag = 0;  // SCTP: the verification tag (RFC 9260) of the packets that the VM sends
  std::uint32_t remVtag = 0;

  InetAddress natLocalAddress;
  std::uint16_t natLocalPort = 0;
  InetAddress natRemAddress;
  std::uint16_t natRemPort = 0;

  std::uint32_t mark = 0;
  Octets<0, 16, 16> labels;
  Text<15> helper;

  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array flowColumns{
    indexColumn<&FlowRow::uuid>(0, "vmMigVmUuid"),
    naming(Names::zone, indexColumn<&FlowRow::zone>(1, "vmMigFlowZone")),
    indexColumn<&FlowRow::protocol>(2, "vmMigFlowProtocol"),
    addressTypeColumn<&FlowRow::localAddress>(3, "vmMigFlowLocalAddressType", Access::notAccessible, Carry::exact),
    addressColumn<&FlowRow::localAddress>(4, "vmMigFlowLocalAddress", Access::notAccessible, Carry::exact),
    indexColumn<&FlowRow::localPort>(5, "vmMigFlowLocalPort"),
    addressTypeColumn<&FlowRow::remAddress>(6, "vmMigFlowRemAddressType", Access::notAccessible, Carry::exact),
    addressColumn<&FlowRow::remAddress>(7, "vmMigFlowRemAddress", Access::notAccessible, Carry::exact),
    indexColumn<&FlowRow::remPort>(8, "vmMigFlowRemPort"),
    fixed(column<&FlowRow::opener>(9, "vmMigFlowOpener", Access::readCreate, Carry::exact)),
    column<&FlowRow::status>(10, "vmMigFlowStatus", Access::readCreate, Carry::exact),
    column<&FlowRow::timeout>(11, "vmMigFlowTimeout", Access::readCreate, Carry::clock),
    column<&FlowRow::sctpState>(12, "vmMigFlowSctpState", Access::readCreate, Carry::exact),
    column<&FlowRow::localVtag>(13, "vmMigFlowLocalVtag", Access::readCreate, Carry::exact),
    column<&FlowRow::remVtag>(14, "vmMigFlowRemVtag", Access::readCreate, Carry::exact),
    addressTypeColumn<&FlowRow::natLocalAddress>(15, "vmMigFlowNatLocalAddressType", Access::readCreate, Carry::exact),
    addressColumn<&FlowRow::natLocalAddress>(16, "vmMigFlowNatLocalAddress", Access::readCreate, Carry::exact),
    column<&FlowRow::natLocalPort>(17, "vmMigFlowNatLocalPort", Access::readCreate, Carry::exact),
    addressTypeColumn<&FlowRow::natRemAddress>(18, "vmMigFlowNatRemAddressType", Access::readCreate, Carry::exact),
    addressColumn<&FlowRow::natRemAddress>(19, "vmMigFlowNatRemAddress", Access::readCreate, Carry::exact),
    column<&FlowRow::natRemPort>(20, "vmMigFlowNatRemPort", Access::readCreate, Carry::exact),
    column<&FlowRow::mark>(21, "vmMigFlowMark", Access::readCreate, Carry::exact),
    column<&FlowRow::labels>(22, "vmMigFlowLabels", Access::readCreate, Carry::exact),
    column<&FlowRow::helper>(23, "vmMigFlowHelper", Access::readCreate, Carry::exact),
    column<&FlowRow::storageType>(24, "vmMigFlowStorageType", Access::readCreate, Carry::local),
    column<&FlowRow::rowStatus>(25, "vmMigFlowRowStatus", Access::readCreate, Carry::local),
};

Status checkFlow(const void* row, std::span<const InetAddress> addresses);

template <>
struct TableOf<FlowRow> {
  static constexpr TableInfo info =
      describeTable<FlowRow>(5, "vmMigFlowTable", "vmMigFlowEntry", flowColumns, 9, true, checkFlow);
};

}  // namespace vmmig

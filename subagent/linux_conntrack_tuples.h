// SPDX-License-Identifier: GPL-2.0-or-later
// What the entries of connection tracking have in common, whatever their protocol: tuples, translation, zone, status, mark,
// labels and helper, to and from ctnetlink messages. Row is TcpConnRow or FlowRow.
#pragma once

#include "subagent/linux_attributes.h"
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

/// AF_INET or AF_INET6.
int familyOf(const InetAddress& address);

/// The protocol number of a nest CTA_TUPLE_*, and the tuple.
std::uint8_t protocolOf(const Attributes& tuple);
Tuple tupleFrom(const Attributes& tuple, std::uint8_t protocol);
void putTuple(nlmsghdr* message, int type, std::uint8_t protocol, const Tuple& tuple);
/// Both tuples of a new entry, and how the one becomes the other.
void putTuples(nlmsghdr* message, const WireTuples& wire);

/// How packets from outside reach a VM behind a translation, as they come in.
struct InboundTuple {
  std::uint8_t protocol = 0;
  Tuple tuple;
  auto operator<=>(const InboundTuple&) const = default;
};
/// Nothing when the entry is none of this VM's, or its end is not translated.
std::optional<InboundTuple> translatedInbound(const WireTuples& wire, const Vm& vm);
/// The tuples of a message.
WireTuples wireTuplesOf(const Attributes& entry);

/// An entry that cannot be told as a row: in a flow table (nft's flowtable), or in a zone in one direction only.
Status checkTellable(const Attributes& entry, const WireTuples& wire, const Vm& vm);
/// Its zone, status, remaining life, mark, labels and helper.
template <class Row>
void takeCommon(Row& row, const Attributes& entry);

/// What names the entry of a row, for a request to get or delete it: the tuple that leaves the VM is always one of its two.
template <class Row>
void putKey(nlmsghdr* message, const Row& key);
/// The tuples and what takeCommon() takes, but the life.
template <class Row>
void putCommon(nlmsghdr* message, const Row& row);
Bits<TcpConnStatus> statusFrom(std::uint32_t status);  // IPS_*
void putStatus(nlmsghdr* message, Bits<TcpConnStatus> status);
/// Empty: none.
void putLabels(nlmsghdr* message, const std::string& labels);

/// What an update of an entry in place can bring, of these: status (more of it), mark and labels.
template <class Row>
void putCommonUpdate(nlmsghdr* message, const Row& before, const Row& after);
template <class Row>
bool canUpdateStatus(const Row& before, const Row& after);

/// What the kernel cannot hold of them, or not so that it reads back the same. The text names the column.
template <class Row>
Status checkCommon(const Row& row);

template <class Row>
std::uint8_t protocolOf(const Row& row) {
  if constexpr (requires { row.protocol; }) return row.protocol;
  return 6;
}

/// Do they stand under the same index?
template <class Row>
bool isSameKey(const Row& a, const Row& b) {
  return a.localPort == b.localPort && a.remPort == b.remPort && a.zone == b.zone && protocolOf(a) == protocolOf(b) &&
         a.remAddress == b.remAddress && a.localAddress == b.localAddress;
}

/// "vmMigTcpConn", as all columns of the table begin.
template <class Row>
std::string columnPrefix() {
  std::string_view entry = TableOf<Row>::info.entry;
  return std::string{entry.substr(0, entry.size() - std::string_view{"Entry"}.size())};
}

/// "TCP connection 10.0.0.5 port 1 with 192.0.2.9 port 2", "UDP flow ...", "ICMP flow 10.0.0.5 identifier 7 with 192.0.2.9".
std::string describe(std::uint8_t protocol, const Tuple& fromVm);
template <class Row>
std::string describe(const Vm& vm, const Row& row) {
  return describe(protocolOf(row), {{row.localAddress, row.localPort}, {row.remAddress, row.remPort}}) + " of VM " + vm.label();
}

}  // namespace vmmig

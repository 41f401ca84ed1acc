// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/tcp_conn_tuples.h"

#include <netinet/in.h>

#include <span>

#include "mibs/row_check.h"

namespace vmmig {

namespace {

template <class Row>
Endpoint localOf(const Row& row) {
  return {row.localAddress, row.localPort};
}
template <class Row>
Endpoint remOf(const Row& row) {
  return {row.remAddress, row.remPort};
}
template <class Row>
Endpoint natLocalOf(const Row& row) {
  return row.natLocalAddress.isSet() ? Endpoint{row.natLocalAddress, row.natLocalPort} : localOf(row);
}
template <class Row>
Endpoint natRemOf(const Row& row) {
  return row.natRemAddress.isSet() ? Endpoint{row.natRemAddress, row.natRemPort} : remOf(row);
}

Status checkEnd(std::string_view column, const InetAddress& address, std::uint16_t port) {
  if (!address.isSet() || !address.isConsistent())
    return failure(SnmpStatus::inconsistentName,
                   "vmMigTcpConn" + std::string{column} + "Address must be an IPv4 or IPv6 address of 4 or 16 octets");
  if (port == 0)
    return failure(SnmpStatus::inconsistentName, "vmMigTcpConn" + std::string{column} + "Port is 0, which no TCP connection has");
  return {};
}

Status checkNat(std::string_view column, const Endpoint& plain, const InetAddress& address, std::uint16_t port) {
  auto name = "vmMigTcpConnNat" + std::string{column};
  auto status = rowCheck::isTranslation(name + "Address", address, port, plain.address.type);
  if (!status || !address.isSet()) return status;
  if (port == 0)
    return failure(SnmpStatus::inconsistentValue,
                   name + "Port is 0: give the port as the peer sees it, also when only the address is translated");
  if (Endpoint{address, port} == plain)
    return failure(SnmpStatus::inconsistentValue, name + "Address and " + name + "Port are the same as vmMigTcpConn" +
                                                      std::string{column} + "Address and Port: leave them unset");
  return {};
}

}  // namespace

template <class Row>
TuplePair tuplesOf(const Row& row) {
  Tuple inside{localOf(row), remOf(row)};
  Tuple outside{natRemOf(row), natLocalOf(row)};
  return row.opener == TcpOpener::local ? TuplePair{inside, outside} : TuplePair{outside, inside};
}

std::optional<TcpOpener> openerFor(const Vm& vm, const TuplePair& tuples) {
  if (vm.owns(tuples.original.source.address)) return TcpOpener::local;
  if (vm.owns(tuples.reply.source.address)) return TcpOpener::remote;
  return std::nullopt;
}

template <class Row>
void setTuples(Row& row, const TuplePair& tuples, TcpOpener opener) {
  bool isOpener = opener == TcpOpener::local;
  const auto& inside = isOpener ? tuples.original : tuples.reply;
  const auto& outside = isOpener ? tuples.reply : tuples.original;
  row.opener = opener;
  row.localAddress = inside.source.address;
  row.localPort = inside.source.port;
  row.remAddress = inside.destination.address;
  row.remPort = inside.destination.port;
  auto natLocal = outside.destination == inside.source ? Endpoint{} : outside.destination;
  auto natRem = outside.source == inside.destination ? Endpoint{} : outside.source;
  row.natLocalAddress = natLocal.address;
  row.natLocalPort = natLocal.port;
  row.natRemAddress = natRem.address;
  row.natRemPort = natRem.port;
}

template TuplePair tuplesOf(const TcpConnRow&);
template TuplePair tuplesOf(const FlowRow&);
template void setTuples(TcpConnRow&, const TuplePair&, TcpOpener);
template void setTuples(FlowRow&, const TuplePair&, TcpOpener);

bool hasPorts(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
    case IPPROTO_SCTP:
    case IPPROTO_DCCP:
    case IPPROTO_GRE: return true;
    default: return false;
  }
}

bool isIcmp(std::uint8_t protocol) { return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6; }

std::optional<std::uint16_t> icmpInverse(std::uint8_t protocol, std::uint16_t typeAndCode) {
  // Echo, timestamp, information, address mask (RFC 792, RFC 950); echo, node information (RFC 4443, RFC 4620).
  static constexpr std::pair<int, int> pairs4[] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}};
  static constexpr std::pair<int, int> pairs6[] = {{128, 129}, {139, 140}};
  auto look = [&](std::span<const std::pair<int, int>> pairs) -> std::optional<std::uint16_t> {
    for (auto [one, other] : pairs) {
      if (typeAndCode >> 8 == one) return static_cast<std::uint16_t>(other << 8 | (typeAndCode & 0xff));
      if (typeAndCode >> 8 == other) return static_cast<std::uint16_t>(one << 8 | (typeAndCode & 0xff));
    }
    return std::nullopt;
  };
  return protocol == IPPROTO_ICMP ? look(pairs4) : look(pairs6);
}

TuplePair WireTuples::ends(TcpOpener opener) const {
  if (!isIcmp(protocol)) return tuples;
  // What the peer sends carries the identifier at its source, as everything does; but that is the VM's end of the flow.
  auto result = tuples;
  auto& outside = opener == TcpOpener::local ? result.reply : result.original;
  auto identifier = outside.source.port;
  outside.source.port = icmpInverse(protocol, outside.destination.port).value_or(0);
  outside.destination.port = identifier;
  return result;
}

WireTuples WireTuples::of(std::uint8_t protocol, const TuplePair& ends, TcpOpener opener) {
  WireTuples result{protocol, ends};
  if (!isIcmp(protocol)) return result;
  auto& outside = opener == TcpOpener::local ? result.tuples.reply : result.tuples.original;
  auto answer = icmpInverse(protocol, outside.source.port).value_or(0);
  outside.source.port = outside.destination.port;
  outside.destination.port = answer;
  return result;
}

Tuple WireTuples::untranslatedReply() const {
  const auto& original = tuples.original;
  if (!isIcmp(protocol)) return original.inverse();
  auto answer = icmpInverse(protocol, original.destination.port).value_or(0);
  return {{original.destination.address, original.source.port}, {original.source.address, answer}};
}

Status checkTcpConn(const Vm& vm, const TcpConnRow& row) {
  if (auto status = checkEnd("Local", row.localAddress, row.localPort); !status) return status;
  if (auto status = checkEnd("Rem", row.remAddress, row.remPort); !status) return status;
  if (row.uuid != vm.uuid || !vm.owns(row.localAddress))
    return failure(SnmpStatus::inconsistentName, "vmMigTcpConnLocalAddress " + toString(row.localAddress) +
                                                     " is no address of VM " + vm.label() +
                                                     " here: add it to vmMigVmAddressTable first");
  if (row.localAddress.type != row.remAddress.type)
    return failure(SnmpStatus::inconsistentName, "vmMigTcpConnLocalAddressType and vmMigTcpConnRemAddressType differ");
  if (auto status = checkNat("Local", localOf(row), row.natLocalAddress, row.natLocalPort); !status) return status;
  if (auto status = checkNat("Rem", remOf(row), row.natRemAddress, row.natRemPort); !status) return status;
  if (openerFor(vm, tuplesOf(row)) != row.opener)
    return failure(SnmpStatus::inconsistentValue,
                   "vmMigTcpConnOpener is remote, but the opener's address is the VM's own: the row of a VM that talks to itself "
                   "is that of the opening end");
  bool hasWindows = row.seqNumber || row.ackNumber || row.remSeqNumber || row.remAckNumber || row.localMaxEnd || row.remMaxEnd ||
                    row.localMaxWindow || row.remMaxWindow;
  if (!row.windowKnown && hasWindows)
    return failure(SnmpStatus::inconsistentValue,
                   "vmMigTcpConnWindowKnown is false, but sequence numbers or windows are given: set it to true with them");
  return {};
}

}  // namespace vmmig

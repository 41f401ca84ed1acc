// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

namespace {

Endpoint localOf(const TcpConnRow& row) { return {row.localAddress, row.localPort}; }
Endpoint remOf(const TcpConnRow& row) { return {row.remAddress, row.remPort}; }
Endpoint natLocalOf(const TcpConnRow& row) {
  return row.natLocalAddress.isSet() ? Endpoint{row.natLocalAddress, row.natLocalPort} : localOf(row);
}
Endpoint natRemOf(const TcpConnRow& row) {
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
  if (!address.isSet()) {
    if (port == 0 && address.size == 0) return {};
    return failure(SnmpStatus::inconsistentValue, name + "AddressType is unknown, so " + name + "Address must be empty and " +
                                                      name + "Port 0: set all three to tell of a translation, or none");
  }
  if (!address.isConsistent() || address.type != plain.address.type)
    return failure(SnmpStatus::inconsistentValue,
                   name + "Address must be of the same family as vmMigTcpConn" + std::string{column} + "Address");
  if (port == 0)
    return failure(SnmpStatus::inconsistentValue,
                   name + "Port is 0: give the port as the peer sees it, also when only the address is translated");
  if (Endpoint{address, port} == plain)
    return failure(SnmpStatus::inconsistentValue, name + "Address and " + name + "Port are the same as vmMigTcpConn" +
                                                      std::string{column} + "Address and Port: leave them unset");
  return {};
}

}  // namespace

TuplePair tuplesOf(const TcpConnRow& row) {
  Tuple inside{localOf(row), remOf(row)};
  Tuple outside{natRemOf(row), natLocalOf(row)};
  return row.opener == TcpOpener::local ? TuplePair{inside, outside} : TuplePair{outside, inside};
}

std::optional<TcpOpener> openerFor(const Vm& vm, const TuplePair& tuples) {
  if (vm.owns(tuples.original.source.address)) return TcpOpener::local;
  if (vm.owns(tuples.reply.source.address)) return TcpOpener::remote;
  return std::nullopt;
}

void setTuples(TcpConnRow& row, const TuplePair& tuples, TcpOpener opener) {
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

std::optional<Tuple> translatedInbound(const TcpConnRow& row) {
  if (!row.natLocalAddress.isSet()) return std::nullopt;
  return Tuple{natRemOf(row), natLocalOf(row)};
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
  return {};
}

}  // namespace vmmig

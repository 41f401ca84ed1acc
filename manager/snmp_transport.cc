// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/snmp_transport.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
//
#include <net-snmp/library/snmpIPBaseDomain.h>
#include <net-snmp/library/snmpIPv4BaseDomain.h>
#include <net-snmp/library/snmpIPv6BaseDomain.h>
#include <net-snmp/library/snmpSocketBaseDomain.h>
#include <net-snmp/library/snmpTCPBaseDomain.h>
#include <net-snmp/library/snmpTCPDomain.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "common/unique_fd.h"
#include "manager/writable.h"

namespace vmmig::snmp {

namespace {

// A device that is reached over TCP but reads nothing for so long is as good as gone; until then a send may block.
constexpr timeval sendTimeout{5, 0};

constexpr oid tcpDomain[] = {TRANSPORT_DOMAIN_TCP_IP};

enum class TcpFamily { none, ipv4, ipv6 };

// The transport specifiers of snmpcmd(1); `rest` is what follows.
TcpFamily tcpFamily(const std::string& peer, std::string& rest) {
  auto colon = peer.find(':');
  if (colon == std::string::npos) return TcpFamily::none;
  std::string specifier = peer.substr(0, colon);
  rest = peer.substr(colon + 1);
  if (strcasecmp(specifier.c_str(), "tcp") == 0) return TcpFamily::ipv4;
  for (const char* name : {"tcp6", "tcpv6", "tcpipv6"})
    if (strcasecmp(specifier.c_str(), name) == 0) return TcpFamily::ipv6;
  return TcpFamily::none;
}

Error unreachable(const std::string& reason) { return {SnmpStatus::genErr, "no connection: " + reason}; }

Error connectError(int error) {
  if (error == ECONNREFUSED) return unreachable("refused; does its snmpd run, and listen on TCP (agentaddress tcp:161)?");
  return unreachable(std::string{std::strerror(error)} + "; is the device up, and is the address right?");
}

Task<Status> connectWithin(EventLoop& loop, int fd, const sockaddr* address, socklen_t length, Clock::duration timeout) {
  if (::connect(fd, address, length) == 0) co_return Status{};
  if (errno != EINPROGRESS) co_return failure(connectError(errno));
  std::unique_ptr<Writable> writable;
  EventLoop::TimerId timer = 0;
  bool connected = co_await Completion<bool>([&](Completion<bool>::Finish finish) {
    auto decided = std::make_shared<bool>(false);
    auto decide = [decided, finish](bool ready) {
      if (!std::exchange(*decided, true)) finish(ready);
    };
    timer = loop.after(timeout, [decide] { decide(false); });
    writable = std::make_unique<Writable>(loop, fd, [decide] { decide(true); });
  });
  loop.cancel(timer);
  writable.reset();
  if (!connected) co_return failure(unreachable("no answer to the TCP connection; is the device up, and is the address right?"));
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) co_return failure(connectError(error));
  co_return Status{};
}

// What the kernel has not delivered when we close, or are killed, is thrown away. Otherwise it would go on trying for minutes,
// and the release of a hold could meet a later one of the same VM.
constexpr linger undelivered{.l_onoff = 1, .l_linger = 0};

void tune(int fd) {
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &undelivered, sizeof undelivered);
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  acknowledgeAtOnce(fd);
  // Net-SNMP cannot go on after a partial send, so sends block; this bounds for how long.
  netsnmp_set_non_blocking_mode(fd, 0);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &sendTimeout, sizeof sendTimeout);
}

// What netsnmp_tcp_transport() fills in, but for the socket, which is ours.
Transport wrap(UniqueFd fd) {
  Transport transport{static_cast<netsnmp_transport*>(std::calloc(1, sizeof(netsnmp_transport)))};
  transport->domain = tcpDomain;
  transport->domain_length = OID_LENGTH(tcpDomain);
  transport->sock = fd.release();
  transport->flags = NETSNMP_TRANSPORT_FLAG_STREAM;
  transport->msgMaxSize = SNMP_MAX_PACKET_LEN;
  transport->f_recv = netsnmp_tcpbase_recv;
  transport->f_send = netsnmp_tcpbase_send;
  transport->f_close = netsnmp_socketbase_close;
  return transport;
}

bool lookUp(netsnmp_ep& endpoint, TcpFamily family, const std::string& target) {
  const char* defaultPort = ":161";
  return family == TcpFamily::ipv4 ? netsnmp_sockaddr_in3(&endpoint, target.c_str(), defaultPort)
                                   : netsnmp_sockaddr_in6_3(&endpoint, target.c_str(), defaultPort);
}

Task<Result<Transport>> connectTcp(EventLoop& loop, TcpFamily family, std::string target, Clock::duration timeout) {
  netsnmp_ep endpoint{};
  bool ipv4 = family == TcpFamily::ipv4;
  if (!lookUp(endpoint, family, target))
    co_return failure("the address \"" + target + "\" is not known: check it and the name service");
  UniqueFd fd{::socket(ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) co_return failure(unreachable(std::strerror(errno)));
  socklen_t length = ipv4 ? sizeof endpoint.a.sin : sizeof endpoint.a.sin6;
  auto connected = co_await connectWithin(loop, fd.get(), reinterpret_cast<sockaddr*>(&endpoint.a), length, timeout);
  if (!connected) co_return failure(connected.error());
  tune(fd.get());
  co_return wrap(std::move(fd));
}

}  // namespace

void CloseTransport::operator()(netsnmp_transport_s* transport) const {
  transport->f_close(transport);
  netsnmp_transport_free(transport);
}

bool isTcp(const std::string& peer) {
  std::string rest;
  return tcpFamily(peer, rest) != TcpFamily::none;
}

bool isAddress(const std::string& peer) {
  std::string target;
  auto family = tcpFamily(peer, target);
  netsnmp_ep endpoint{};
  if (family != TcpFamily::none) return lookUp(endpoint, family, target);
  return Transport{netsnmp_transport_open_client("snmp", peer.c_str())} != nullptr;
}

Task<Result<Transport>> connectTransport(EventLoop& loop, std::string peer, Clock::duration timeout) {
  std::string target;
  auto family = tcpFamily(peer, target);
  if (family != TcpFamily::none) co_return co_await connectTcp(loop, family, target, timeout);
  Transport transport{netsnmp_transport_open_client("snmp", peer.c_str())};
  if (!transport)
    co_return failure("the address \"" + peer +
                      "\" cannot be used: check it, and the transport in front of it (udp, tcp, udp6, ...)");
  co_return transport;
}

void acknowledgeAtOnce(int tcpSocket) {
  int on = 1;
  ::setsockopt(tcpSocket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

}  // namespace vmmig::snmp

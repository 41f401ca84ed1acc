// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/reach.h"

#include <netdb.h>
#include <strings.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "common/unique_fd.h"
#include "manager/writable.h"

namespace vmmig {

namespace {

using Is = Reach::Is;

// An SNMPv3 GET without varbinds, engine ID and user, reportable: the agent answers it with a Report that has its engine ID.
constexpr unsigned char discovery[] = {
    0x30, 0x3e, 0x02, 0x01, 0x03,  // message, version 3
    0x30, 0x11, 0x02, 0x04, 0x56, 0x4d, 0x4d, 0x49, 0x02, 0x03, 0x00, 0xff, 0xe3, 0x04, 0x01, 0x04, 0x02, 0x01, 0x03,  // header
    0x04, 0x10, 0x30, 0x0e, 0x04, 0x00, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00, 0x04, 0x00,        // USM
    0x30, 0x14, 0x04, 0x00, 0x04, 0x00, 0xa0, 0x0e, 0x02, 0x04, 0x56, 0x4d, 0x4d, 0x49, 0x02, 0x01, 0x00, 0x02, 0x01,
    0x00, 0x30, 0x00};  // scoped PDU

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses resolve(const Endpoint& endpoint, std::string& reason) {
  addrinfo hints{};
  hints.ai_family = endpoint.ipv6 ? AF_INET6 : AF_INET;
  hints.ai_socktype = endpoint.tcp ? SOCK_STREAM : SOCK_DGRAM;
  addrinfo* list = nullptr;
  if (int error = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &list)) reason = ::gai_strerror(error);
  return Addresses{list};
}

std::string localAddressOf(int fd) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return "";
  if (own.ss_family == AF_INET) return {reinterpret_cast<const char*>(&reinterpret_cast<sockaddr_in&>(own).sin_addr), 4};
  return {reinterpret_cast<const char*>(&reinterpret_cast<sockaddr_in6&>(own).sin6_addr), 16};
}

Reach failed(int error) {
  Is is = error == ECONNREFUSED ? Is::refused : error == ETIMEDOUT ? Is::noConnection : Is::noRoute;
  return {.is = is, .localAddress = {}, .reason = std::strerror(error)};
}

/// Until the socket can be written (or read), or the time is over: false.
Task<bool> ready(EventLoop& loop, int fd, bool toWrite, Clock::duration limit) {
  std::unique_ptr<Writable> writable;
  EventLoop::TimerId timer = 0;
  bool is = co_await Completion<bool>([&](Completion<bool>::Finish finish) {
    auto decided = std::make_shared<bool>(false);
    auto decide = [decided, finish, &loop](bool answer) {
      if (!std::exchange(*decided, true)) loop.post([finish, answer] { finish(answer); });
    };
    timer = loop.after(limit, [decide] { decide(false); });
    if (toWrite)
      writable = std::make_unique<Writable>(loop, fd, [decide] { decide(true); });
    else
      loop.watch(fd, [decide] { decide(true); });
  });
  loop.cancel(timer);
  if (!toWrite) loop.unwatch(fd);
  co_return is;
}

Task<Reach> exchange(EventLoop& loop, int fd, Clock::duration limit) {
  constexpr auto again = std::chrono::milliseconds{500};  // a datagram may be lost
  auto start = Clock::now();
  auto end = start + limit;
  bool isStream = false;
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0) isStream = type == SOCK_STREAM;
  for (bool first = true; Clock::now() < end; first = false) {
    if ((first || !isStream) && ::send(fd, discovery, sizeof discovery, MSG_NOSIGNAL) < 0) co_return failed(errno);
    auto wait = std::min<Clock::duration>(end - Clock::now(), isStream ? limit : again);
    if (!co_await ready(loop, fd, false, wait)) continue;
    char answer[2048];
    auto got = ::recv(fd, answer, sizeof answer, MSG_DONTWAIT);
    if (got > 0) {
      std::chrono::duration<double, std::milli> took = Clock::now() - start;
      co_return Reach{.is = Is::answers, .milliseconds = took.count(), .localAddress = {}, .reason = {}};
    }
    if (got == 0) co_return Reach{.is = Is::silent, .localAddress = {}, .reason = "it closed the connection"};
    if (errno != EAGAIN && errno != EINTR) co_return failed(errno);
  }
  co_return Reach{.is = Is::silent, .localAddress = {}, .reason = "no answer"};
}

Task<Reach> reachAt(EventLoop& loop, int fd, const sockaddr* address, socklen_t length, Clock::duration limit) {
  if (::connect(fd, address, length) != 0) {
    if (errno != EINPROGRESS) co_return failed(errno);
    if (!co_await ready(loop, fd, true, limit)) co_return failed(ETIMEDOUT);
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) co_return failed(error);
  }
  auto local = localAddressOf(fd);
  auto found = co_await exchange(loop, fd, limit);
  found.localAddress = local;
  co_return found;
}

bool among(const std::string& word, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (strcasecmp(word.c_str(), name) == 0) return true;
  return false;
}

}  // namespace

std::optional<Endpoint> endpointOf(const std::string& peer) {
  Endpoint endpoint;
  auto rest = peer;
  if (auto colon = peer.find(':'); colon != std::string::npos) {
    auto word = peer.substr(0, colon);
    bool isUdp = among(word, {"udp"}), isTcp = among(word, {"tcp"});
    bool isUdp6 = among(word, {"udp6", "udpv6", "udpipv6"}), isTcp6 = among(word, {"tcp6", "tcpv6", "tcpipv6"});
    if (among(word, {"unix", "dtlsudp", "tlstcp", "ssh", "alias", "std", "ipx", "aal5pvc"})) return std::nullopt;
    endpoint.tcp = isTcp || isTcp6;
    endpoint.ipv6 = isUdp6 || isTcp6;
    if (isUdp || isTcp || isUdp6 || isTcp6) rest = peer.substr(colon + 1);
  }
  bool isBracketed = rest.starts_with('[') && rest.find(']') != std::string::npos;
  auto colon = rest.rfind(':');
  if (isBracketed) {
    auto end = rest.find(']');
    endpoint.ipv6 = true;
    endpoint.host = rest.substr(1, end - 1);
    if (rest.size() > end + 2 && rest[end + 1] == ':') endpoint.port = rest.substr(end + 2);
  } else if (colon != std::string::npos && rest.find(':') == colon) {
    endpoint.host = rest.substr(0, colon);
    if (colon + 1 < rest.size()) endpoint.port = rest.substr(colon + 1);
  } else {
    endpoint.ipv6 = endpoint.ipv6 || colon != std::string::npos;
    endpoint.host = rest;
  }
  if (endpoint.host.empty()) endpoint.host = endpoint.ipv6 ? "::1" : "127.0.0.1";
  return endpoint;
}

std::string toString(const Endpoint& endpoint) {
  return std::string{endpoint.tcp ? "TCP" : "UDP"} + " port " + endpoint.port + " of " + endpoint.host;
}

Task<Reach> reach(EventLoop& loop, Endpoint endpoint, Clock::duration limit) {
  std::string reason;
  auto addresses = resolve(endpoint, reason);
  if (!addresses) co_return Reach{.is = Is::unknownHost, .localAddress = {}, .reason = reason};
  UniqueFd fd{::socket(addresses->ai_family, addresses->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) co_return failed(errno);
  co_return co_await reachAt(loop, fd.get(), addresses->ai_addr, addresses->ai_addrlen, limit);
}

}  // namespace vmmig

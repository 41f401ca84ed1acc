// SPDX-License-Identifier: GPL-2.0-or-later
// A strict Linux firewall between a VM and its peer, each in a network namespace, all in one process; and real TCP through it.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>

#include "tests/unit/network_namespace.h"

namespace vmmig {

/// Asks again and again until it is true or the deadline has passed.
inline bool eventually(const std::function<bool()>& isTrue, std::chrono::milliseconds limit = std::chrono::seconds{10}) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (!isTrue()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

inline std::string outputOf(const std::string& command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen((command + " 2>&1").c_str(), "r"), pclose};
  std::string output;
  std::array<char, 4096> buffer;
  while (auto size = fread(buffer.data(), 1, buffer.size(), pipe.get())) output.append(buffer.data(), size);
  return output;
}

struct SocketAddress {
  SocketAddress(const std::string& address, std::uint16_t port) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    if (inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(port);
      size = sizeof v6;
    } else if (inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      size = sizeof v4;
    }
  }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  sockaddr_storage storage{};
  socklen_t size = 0;
};

/// Both ends of one connection, in this process.
struct TcpPair {
  UniqueFd client;
  UniqueFd server;

  /// Opens it from one namespace to another; `to` is what the client knows, `listenAt` where the server is.
  TcpPair(const NetworkNamespace& from, const NetworkNamespace& at, SocketAddress to, SocketAddress listenAt) {
    at.enter();
    UniqueFd listener{socket(listenAt.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int on = 1;
    setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener.get(), listenAt.get(), listenAt.size) != 0 || listen(listener.get(), 1) != 0)
      throw std::runtime_error("cannot listen");
    from.enter();
    client = UniqueFd{socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    timeval limit{5, 0};
    setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(client.get(), to.get(), to.size) != 0) throw std::runtime_error("cannot connect");
    server = UniqueFd{accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  }

  /// Sends that much in both directions; true when all of it arrived in time.
  bool exchange(std::size_t octets, std::chrono::milliseconds limit = std::chrono::seconds{20}) const {
    std::size_t sent[2] = {0, 0}, received[2] = {0, 0};
    std::string chunk(131072, 'x');
    int ends[2] = {client.get(), server.get()};
    return eventually(
        [&] {
          for (int i : {0, 1}) {
            if (sent[i] < octets) {
              auto n = send(ends[i], chunk.data(), std::min(chunk.size(), octets - sent[i]), MSG_DONTWAIT | MSG_NOSIGNAL);
              if (n > 0) sent[i] += static_cast<std::size_t>(n);
            }
            auto n = recv(ends[i], chunk.data(), chunk.size(), MSG_DONTWAIT);
            if (n > 0) received[i] += static_cast<std::size_t>(n);
          }
          return received[0] >= octets && received[1] >= octets;
        },
        limit);
  }
};

/// vm 10.0.0.5, fd00::5  -  firewall  -  peer 192.0.2.9, 2001:db8::9. The firewall drops what is invalid and opens connections by
/// SYN only, and other flows only from the VM; it translates the VM's connections and UDP flows to port 8443 and its pings
/// (source 192.0.2.1), and what comes to 192.0.2.1 port 2222 (to the VM's 22).
class FirewallLab {
 public:
  FirewallLab() {
    for (const auto* each : {&vm, &peer, &firewall}) prepare(*each);
    firewall.run("ip link add in type veth peer name vm netns " + vm.path() +
                 " && ip link add out type veth peer name peer netns " + peer.path());
    setUp(firewall);
    vm.run(
        "ip addr add 10.0.0.5/24 dev vm && ip addr add fd00::5/64 dev vm nodad && ip link set vm up && ip route add default via "
        "10.0.0.1 && ip -6 route add default via fd00::1");
    peer.run(
        "ip addr add 192.0.2.9/24 dev peer && ip addr add 2001:db8::9/64 dev peer nodad && ip link set peer up && ip route add "
        "default via 192.0.2.1 && ip -6 route add default via 2001:db8::1");
    awaitLinks(firewall);
  }

  /// The links of the firewall now end at another one, with the same rules and without any connection.
  void moveTo(const NetworkNamespace& other) {
    prepare(other);
    firewall.run("ip link set in netns " + other.path() + " && ip link set out netns " + other.path());
    setUp(other);
    awaitLinks(other);
    // The other end of a link learns anew who is there.
    vm.run("ip neigh flush dev vm && ip -6 neigh flush dev vm");
    peer.run("ip neigh flush dev peer && ip -6 neigh flush dev peer");
    other.enter();
  }

  /// Packets that the firewall has dropped as invalid.
  long invalidPackets() const { return counter("invalid"); }
  /// Packets that came in from the VM's or the peer's side, dropped or not.
  long packetsFrom(const char* interface) const {
    firewall.enter();
    // /sys shows the namespace that mounted it; this file that of the reader.
    auto line = outputOf(std::string{"grep -w "} + interface + ": /proc/net/dev");
    long octets = 0, packets = 0;
    std::sscanf(line.c_str() + line.find(':') + 1, "%ld %ld", &octets, &packets);
    return packets;
  }

  NetworkNamespace vm, peer, firewall;

 private:
  /// Without duplicate address detection IPv6 works at once.
  static void prepare(const NetworkNamespace& each) {
    each.run("echo 0 | tee /proc/sys/net/ipv6/conf/all/accept_dad > /proc/sys/net/ipv6/conf/default/accept_dad");
  }
  static void setUp(const NetworkNamespace& firewall) {
    for (const char* command :
         {"ip link set lo up", "ip link set in up", "ip link set out up", "ip addr add 10.0.0.1/24 dev in",
          "ip addr add 192.0.2.1/24 dev out", "ip addr add fd00::1/64 dev in nodad", "ip addr add 2001:db8::1/64 dev out nodad",
          "echo 1 > /proc/sys/net/ipv4/ip_forward", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
          "echo 0 > /proc/sys/net/netfilter/nf_conntrack_tcp_loose"})
      firewall.run(command);
    firewall.run(std::string{"nft -f - <<'END'\n"} + ruleset + "END\n");
  }
  /// The kernel gives an interface its link-local address some time after its carrier came.
  static void awaitLinks(const NetworkNamespace& firewall) {
    firewall.enter();
    for (const std::string interface : {"in", "out"})
      if (!eventually(
              [&] { return outputOf("ip -6 addr show dev " + interface + " scope link").find("fe80::") != std::string::npos; }))
        throw std::runtime_error("no IPv6 at " + interface);
  }

  long counter(const std::string& name) const {
    firewall.enter();
    auto text = outputOf("nft list counter inet strict " + name);
    auto at = text.find("packets ");
    return at == std::string::npos ? -1 : std::atol(text.c_str() + at + 8);
  }

  static constexpr const char* ruleset = R"(
table inet strict {
  counter invalid {}
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state invalid counter name invalid drop
    ct state established,related accept
    tcp flags & (syn|ack|fin|rst) == syn ct state new accept
    iifname "in" meta l4proto { udp, icmp, sctp } ct state new accept
    meta l4proto ipv6-icmp accept
  }
  # Else the firewall itself answers what comes for a translated connection that it does not know, by a reset.
  chain input {
    type filter hook input priority 0;
    ct state invalid counter name invalid drop
    iifname "out" meta l4proto udp ct state new drop
  }
  chain source {
    type nat hook postrouting priority 100;
    ip saddr 10.0.0.5 meta l4proto { tcp, udp } th dport 8443 snat ip to 192.0.2.1:40000-50000
    ip saddr 10.0.0.5 meta l4proto icmp snat ip to 192.0.2.1
  }
  chain destination { type nat hook prerouting priority -100; ip daddr 192.0.2.1 tcp dport 2222 dnat ip to 10.0.0.5:22; }
}
)";
};

/// The ways in which a connection of the VM can come about.
struct Path {
  const char* name;
  bool isOpenedByVm;
  SocketAddress to, listenAt;
  bool isTranslated;
  friend void PrintTo(const Path& path, std::ostream* out) { *out << path.name; }
};
inline const Path paths[] = {
    {"IPv4", true, {"192.0.2.9", 80}, {"192.0.2.9", 80}, false},
    {"IPv6", true, {"2001:db8::9", 80}, {"2001:db8::9", 80}, false},
    {"IPv4OpenedByThePeer", false, {"10.0.0.5", 80}, {"10.0.0.5", 80}, false},
    {"IPv6OpenedByThePeer", false, {"fd00::5", 80}, {"fd00::5", 80}, false},
    {"SourceTranslated", true, {"192.0.2.9", 8443}, {"192.0.2.9", 8443}, true},
    {"DestinationTranslated", false, {"192.0.2.1", 2222}, {"10.0.0.5", 22}, true},
};

inline TcpPair openPair(const FirewallLab& lab, const Path& path) {
  if (path.isOpenedByVm) return {lab.vm, lab.peer, path.to, path.listenAt};
  return {lab.peer, lab.vm, path.to, path.listenAt};
}

}  // namespace vmmig

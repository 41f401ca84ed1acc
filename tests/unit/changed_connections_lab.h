// SPDX-License-Identifier: GPL-2.0-or-later
// A firewall whose packets are followed, for the tests of LinuxChangedConnections and its filter of events.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <filesystem>

#include "subagent/linux_changed_connections.h"
#include "tests/unit/firewall_lab.h"

namespace vmmig {

using Entry = LinuxChangedConnections::Entry;

inline InetAddress address(const char* text) { return parseInetAddress(text).value(); }

/// A socket at an address of the VM or the peer.
inline UniqueFd socketAt(const NetworkNamespace& at, SocketAddress local, int type = SOCK_DGRAM, int protocol = 0) {
  at.enter();
  UniqueFd fd{socket(local.storage.ss_family, type | SOCK_CLOEXEC, protocol)};
  if (!fd || bind(fd.get(), local.get(), local.size) != 0) throw std::runtime_error("no socket");
  return fd;
}
inline void sendTo(const UniqueFd& fd, SocketAddress to, std::string_view octets = "x") {
  ASSERT_EQ(sendto(fd.get(), octets.data(), octets.size(), 0, to.get(), to.size), static_cast<ssize_t>(octets.size()));
}

inline Endpoint nameOf(const UniqueFd& fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  SocketAddress name{"", 0};
  name.size = sizeof name.storage;
  EXPECT_EQ(ask(fd.get(), name.get(), &name.size), 0);
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(name.storage);
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(name.storage);
  if (name.storage.ss_family == AF_INET6) return {InetAddress::v6(&v6.sin6_addr), ntohs(v6.sin6_port)};
  return {InetAddress::v4(&v4.sin_addr), ntohs(v4.sin_port)};
}

class ChangedConnections : public testing::Test {
 protected:
  ChangedConnections() {
    lab_.vm.run("ip addr add 10.0.0.6/24 dev vm && ip addr add fd00::6/64 dev vm nodad preferred_lft 0");
    lab_.firewall.enter();
  }
  LinuxChangedConnections open(std::uint32_t capacity = LinuxChangedConnections::defaultCapacity) {
    auto opened = LinuxChangedConnections::open(capacity);
    if (!opened) throw std::runtime_error(opened.error().text);
    return std::move(*opened);
  }
  void follow(LinuxChangedConnections& list, std::vector<InetAddress> addresses) {
    lab_.firewall.enter();
    auto status = list.follow(addresses);
    ASSERT_TRUE(status) << status.error().text;
  }
  static std::vector<Entry> take(LinuxChangedConnections& list) {
    std::vector<Entry> entries;
    auto taken = list.take(entries);
    EXPECT_TRUE(taken) << taken.error().text;
    EXPECT_TRUE(taken.value_or(true)) << "changes were lost";
    return entries;
  }
  /// Waits for it; whatever else is told belongs to something else.
  static std::optional<Entry> await(LinuxChangedConnections& list, std::uint8_t protocol, Endpoint source) {
    std::optional<Entry> found;
    eventually([&] {
      for (const auto& each : take(list))
        if (each.protocol == protocol && each.tuples.original.source == source) found = each;
      return found.has_value();
    });
    return found;
  }
  /// Links to netfilter that this process holds, by the kernel's number.
  static std::vector<std::string> links() {
    std::vector<std::string> ids;
    for (const auto& each : std::filesystem::directory_iterator{"/proc/self/fdinfo"}) {
      std::ifstream info{each.path()};
      bool isLink = false;
      for (std::string line; std::getline(info, line);) {
        if (line.starts_with("link_type:")) isLink = true;
        if (isLink && line.starts_with("link_id:")) ids.push_back(line.substr(line.find('\t') + 1));
      }
    }
    return ids;
  }

  FirewallLab lab_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Bridges in a network namespace of their own, for tests of vmMigMulticastTable.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "mibs/multicast_table.h"
#include "subagent/linux_multicast_table.h"
#include "tests/unit/network_namespace.h"

namespace vmmig {

inline const Uuid uuid = parseUuid("6ba7b810-9dad-41d1-80b4-00c04fd430c8").value();

inline std::string outputOf(const std::string& command) {
  std::string text;
  std::array<char, 4096> buffer;
  auto* pipe = popen(command.c_str(), "r");
  while (auto size = fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), size);
  pclose(pipe);
  return text;
}

/// A bridge br0 with the ports p0 (the VM), p1 and p2; br1 does not snoop, has the port q0, and is not configured.
class MulticastSwitch : public testing::Test {
 protected:
  MulticastSwitch() {
    space.run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");  // no joins of their own
    space.run("ip link add br0 type bridge mcast_snooping 1 mcast_igmp_version 3 mcast_mld_version 2");
    space.run("ip link add br1 type bridge mcast_snooping 0");
    for (const std::string port : {"p0", "p1", "p2", "q0"})
      space.run("ip link add " + port + " type veth peer name far-" + port + " && ip link set " + port + " master " +
                (port == "q0" ? "br1" : "br0") + " && ip link set " + port + " up && ip link set far-" + port + " up");
    space.run("ip link set br0 up && ip link set br1 up");
    vm.port = "p0";
  }

  /// As iproute2 6.1 can say it: groups, and single sources.
  void join(const std::string& words) { space.run("bridge mdb add dev br0 " + words); }
  void learn(const std::string& port, const std::string& mac) {
    space.run("bridge fdb add " + mac + " dev " + port + " master dynamic");
  }

  std::vector<AnyRow> rows(const Vm& of) {
    std::vector<AnyRow> result;
    auto cursor = table->read(of);
    while (true) {
      auto more = cursor->next(result);
      EXPECT_TRUE(more) << (more ? "" : more.error().text);
      if (!more || !*more) return result;
    }
  }
  /// "239.1.1.1 -", "239.1.1.2 from 10.0.0.9 include permanent".
  std::vector<std::string> told(const Vm& of) {
    std::vector<std::string> result;
    for (const auto& any : rows(of)) {
      const auto& row = any.as<MulticastRow>();
      std::string text = toString(row.group) + " " + toString(row.source);
      if (row.filterMode == FilterMode::include) text += " include";
      if (row.permanent) text += " permanent";
      if (row.vlan.value) text += " vlan " + std::to_string(row.vlan.value);
      result.push_back(text + " " + row.port.value);
    }
    return result;
  }

  static MulticastRow row(const std::string& group, const std::string& source = "", FilterMode mode = FilterMode::exclude) {
    MulticastRow result;
    result.uuid = uuid;
    result.group = parseInetAddress(group).value();
    if (!source.empty()) result.source = parseInetAddress(source).value();
    result.port.value = "p0";
    result.filterMode = mode;
    return result;
  }
  void make(const Vm& of, const std::vector<MulticastRow>& list) {
    std::vector<AnyRow> any{list.begin(), list.end()};
    auto result = table->create(of, any);
    ASSERT_FALSE(result.error) << result.error->text;
    ASSERT_EQ(result.done, list.size());
  }
  Vm as(VmPresence presence, const std::string& port = {}) {
    Vm result = vm;
    result.presence = presence;
    result.port = port;
    return result;
  }
  std::string mdb() { return outputOf("bridge -d mdb show"); }

  NetworkNamespace space;
  Vm vm{.uuid = uuid, .name = "web-1", .addresses = {}};
  std::unique_ptr<LinuxMulticastTable> table = std::make_unique<LinuxMulticastTable>(std::vector<std::string>{"br0"});
};

}  // namespace vmmig

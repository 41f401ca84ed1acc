// SPDX-License-Identifier: GPL-2.0-or-later
// Listens to DHCP at the ports of the bridges that are configured (a packet socket a port, with a filter in the kernel), and
// tells what it learns. Ports that come and go are followed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "subagent/linux_bridge_ports.h"
#include "subagent/linux_dhcp_learner.h"

namespace vmmig {

class LinuxDhcpSnooper {
 public:
  using Learned = std::function<void(const DhcpLearner::Change&)>;
  struct Port {
    BridgePort port;
    bool isTrusted;
  };

  LinuxDhcpSnooper(EventLoop& loop, Learned learned) : loop_(loop), learned_(std::move(learned)) {}
  ~LinuxDhcpSnooper();
  LinuxDhcpSnooper(const LinuxDhcpSnooper&) = delete;
  LinuxDhcpSnooper& operator=(const LinuxDhcpSnooper&) = delete;

  /// From now on exactly these.
  void listen(const std::vector<Port>& ports);
  /// What keeps it from listening, by port.
  const std::map<std::string, std::string>& deaf() const { return deaf_; }
  std::size_t sockets() const { return listening_.size(); }

 private:
  struct Listening {
    Port at;
    UniqueFd socket;
  };
  void open(const Port& port);
  void close(unsigned index);
  void receive(unsigned index);
  void receiveRequests();
  void hear(const Port& at, std::string_view frame, std::uint16_t tag);

  EventLoop& loop_;
  Learned learned_;
  DhcpLearner learner_;
  std::map<unsigned, Listening> listening_;  // by the interface's index
  std::map<std::string, std::string> deaf_;
};

}  // namespace vmmig

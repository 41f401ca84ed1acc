// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_sysctl.h"

#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include <charconv>
#include <string>

#include "common/unique_fd.h"

namespace vmmig {

std::optional<std::uint32_t> conntrackSysctl(std::string_view name) {
  auto path = "/proc/sys/net/netfilter/nf_conntrack_" + std::string{name};
  UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  char text[32];
  auto size = file ? ::read(file.get(), text, sizeof text) : -1;
  std::uint32_t value = 0;
  if (size <= 0 || std::from_chars(text, text + size, value).ec != std::errc{}) return std::nullopt;
  return value;
}

TcpTimeouts TcpTimeouts::read() {
  TcpTimeouts result;
  auto set = [&](std::uint8_t state, std::string_view name) {
    result.seconds_[state] = conntrackSysctl("tcp_timeout_" + std::string{name}).value_or(0);
  };
  set(TCP_CONNTRACK_SYN_SENT, "syn_sent");
  set(TCP_CONNTRACK_SYN_RECV, "syn_recv");
  set(TCP_CONNTRACK_ESTABLISHED, "established");
  set(TCP_CONNTRACK_FIN_WAIT, "fin_wait");
  set(TCP_CONNTRACK_CLOSE_WAIT, "close_wait");
  set(TCP_CONNTRACK_LAST_ACK, "last_ack");
  set(TCP_CONNTRACK_TIME_WAIT, "time_wait");
  set(TCP_CONNTRACK_CLOSE, "close");
  set(TCP_CONNTRACK_SYN_SENT2, "syn_sent");
  return result;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_sysctl.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <ctime>
#include <string>

#include "common/unique_fd.h"

namespace vmmig {

namespace {

UniqueFd openConntrackSysctl(std::string_view name, int flags) {
  auto path = "/proc/sys/net/netfilter/nf_conntrack_" + std::string{name};
  return UniqueFd{::open(path.c_str(), flags | O_CLOEXEC)};
}

}  // namespace

std::optional<std::uint32_t> conntrackSysctl(std::string_view name) {
  auto file = openConntrackSysctl(name, O_RDONLY);
  char text[32];
  auto size = file ? ::read(file.get(), text, sizeof text) : -1;
  std::uint32_t value = 0;
  if (size <= 0 || std::from_chars(text, text + size, value).ec != std::errc{}) return std::nullopt;
  return value;
}

bool setConntrackSysctl(std::string_view name, std::uint32_t value) {
  auto file = openConntrackSysctl(name, O_WRONLY);
  auto text = std::to_string(value);
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::uint32_t longestConntrackTimeout() {
  static const std::uint32_t seconds = [] {
    // The resolution of the coarse clock is one tick.
    timespec tick{};
    if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0 || tick.tv_nsec <= 0) tick.tv_nsec = 1'000'000;
    auto ticksPerSecond = (1'000'000'000 + tick.tv_nsec / 2) / tick.tv_nsec;
    return static_cast<std::uint32_t>(INT_MAX / ticksPerSecond);
  }();
  return seconds;
}

std::uint32_t flowTimeout(std::uint8_t protocol, bool isReplied) {
  auto read = [](std::string_view name) { return conntrackSysctl(name).value_or(30); };
  switch (protocol) {
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE: return read(isReplied ? "udp_timeout_stream" : "udp_timeout");
    case IPPROTO_GRE: return read(isReplied ? "gre_timeout_stream" : "gre_timeout");
    case IPPROTO_ICMP: return read("icmp_timeout");
    case IPPROTO_ICMPV6: return read("icmpv6_timeout");
    default: return read("generic_timeout");
  }
}

std::uint32_t sctpTimeout(std::uint8_t kernelState) {
  static constexpr const char* names[] = {"closed",        "closed",        "cookie_wait",       "cookie_echoed", "established",
                                          "shutdown_sent", "shutdown_recd", "shutdown_ack_sent", "heartbeat_sent"};
  auto name = kernelState < std::size(names) ? names[kernelState] : names[0];
  return conntrackSysctl("sctp_timeout_" + std::string{name}).value_or(30);
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
  result.unacknowledged_ = conntrackSysctl("tcp_timeout_unacknowledged").value_or(UINT32_MAX);
  result.maxRetrans_ = conntrackSysctl("tcp_timeout_max_retrans").value_or(UINT32_MAX);
  return result;
}

std::uint32_t TcpTimeouts::idle(std::uint8_t kernelState, bool isUnacknowledged, std::uint32_t remaining) const {
  auto life = of(kernelState);
  if (isUnacknowledged) life = std::min(life, unacknowledged_);
  // With so little left it may have been shortened: the least idle time that explains it is the one that is sure.
  if (remaining <= maxRetrans_) life = std::min(life, maxRetrans_);
  return life > remaining ? life - remaining : 0;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_dhcp_snooper.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/log.h"
#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

constexpr std::uint16_t load(int size, int mode) { return static_cast<std::uint16_t>(BPF_LD | size | mode); }
constexpr std::uint16_t equal = BPF_JMP | BPF_JEQ | BPF_K;

// IPv4, UDP, no later fragment, destination port 67 or 68; IPv6, UDP, destination port 546 or 547. A VLAN tag is not in the
// frame: the kernel has taken it off.
constexpr sock_filter filter[] = {
    {load(BPF_H, BPF_ABS), 0, 0, 12},
    {equal, 0, 8, ETH_P_IP},
    {load(BPF_B, BPF_ABS), 0, 0, 23},
    {equal, 0, 13, IPPROTO_UDP},
    {load(BPF_H, BPF_ABS), 0, 0, 20},
    {BPF_JMP | BPF_JSET | BPF_K, 11, 0, 0x1fff},
    {BPF_LDX | BPF_B | BPF_MSH, 0, 0, 14},
    {load(BPF_H, BPF_IND), 0, 0, 16},
    {equal, 7, 0, 67},
    {equal, 6, 7, 68},
    {equal, 0, 6, ETH_P_IPV6},
    {load(BPF_B, BPF_ABS), 0, 0, 20},
    {equal, 0, 4, IPPROTO_UDP},
    {load(BPF_H, BPF_ABS), 0, 0, 56},
    {equal, 1, 0, 546},
    {equal, 0, 1, 547},
    {BPF_RET | BPF_K, 0, 0, 0xffff},
    {BPF_RET | BPF_K, 0, 0, 0},
};

template <class T>
bool setOption(int fd, int level, int option, const T& value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// Bound last: no frame gets past the filter.
UniqueFd openAt(unsigned index) {
  UniqueFd fd{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  sock_fprog program{static_cast<unsigned short>(std::size(filter)), const_cast<sock_filter*>(filter)};
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);  // others do not see what a bridge takes
  address.sll_ifindex = static_cast<int>(index);
  if (!fd || !setOption(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, program) || !setOption(fd.get(), SOL_PACKET, PACKET_AUXDATA, 1) ||
      !setOption(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, 1) ||
      ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return {};
  return fd;
}

/// 0 without a tag (or with one that only has a priority).
std::uint16_t tagOf(msghdr& message) {
  for (auto* control = CMSG_FIRSTHDR(&message); control; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata data{};
    std::copy_n(CMSG_DATA(control), sizeof data, reinterpret_cast<unsigned char*>(&data));
    if (data.tp_status & TP_STATUS_VLAN_VALID) return data.tp_vlan_tci & 0xfff;
  }
  return 0;
}

}  // namespace

LinuxDhcpSnooper::~LinuxDhcpSnooper() {
  while (!listening_.empty()) close(listening_.begin()->first);
}

void LinuxDhcpSnooper::listen(const std::vector<Port>& ports) {
  deaf_.clear();
  std::vector<unsigned> gone;
  for (const auto& [index, each] : listening_) {
    bool stays = std::any_of(ports.begin(), ports.end(),
                             [&](const Port& port) { return port.port.index == index && port.port.name == each.at.port.name; });
    if (!stays) gone.push_back(index);
  }
  for (auto index : gone) close(index);
  for (const auto& port : ports) {
    if (auto found = listening_.find(port.port.index); found != listening_.end())
      found->second.at = port;
    else
      open(port);
  }
}

void LinuxDhcpSnooper::open(const Port& port) {
  auto fd = openAt(port.port.index);
  if (!fd) {
    deaf_[port.port.name] = errnoText(errno);
    log::error("DHCP at port " + port.port.name + " is not heard (" + errnoText(errno) + "): its clients get no bindings");
    return;
  }
  auto index = port.port.index;
  loop_.watch(fd.get(), [this, index] { receive(index); });
  listening_.emplace(index, Listening{port, std::move(fd)});
}

void LinuxDhcpSnooper::close(unsigned index) {
  auto found = listening_.find(index);
  loop_.unwatch(found->second.socket.get());
  learner_.forgetPort(found->second.at.port.name);
  listening_.erase(found);
}

/// A few at a time: the loop comes back while there are more.
void LinuxDhcpSnooper::receive(unsigned index) {
  for (int i = 0; i < 32; ++i) {
    auto found = listening_.find(index);
    if (found == listening_.end()) return;
    std::array<char, 4096> frame;
    alignas(cmsghdr) std::array<char, 256> control;
    sockaddr_ll from{};
    iovec part{frame.data(), frame.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto size = ::recvmsg(found->second.socket.get(), &message, 0);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size < 0) continue;  // ENETDOWN: told once; the link's events say whether it is gone
    if (from.sll_pkttype == PACKET_OUTGOING || message.msg_flags & MSG_TRUNC) continue;
    const auto at = found->second.at;
    hear(at, {frame.data(), static_cast<std::size_t>(size)}, tagOf(message));
  }
}

void LinuxDhcpSnooper::receiveRequests() {
  std::vector<pollfd> fds;
  std::vector<unsigned> indexes;
  for (const auto& [index, each] : listening_) {
    if (each.at.isTrusted) continue;
    fds.push_back({each.socket.get(), POLLIN, 0});
    indexes.push_back(index);
  }
  if (::poll(fds.data(), fds.size(), 0) <= 0) return;
  for (std::size_t i = 0; i < fds.size(); ++i)
    if (fds[i].revents) receive(indexes[i]);
}

void LinuxDhcpSnooper::hear(const Port& at, std::string_view frame, std::uint16_t tag) {
  auto message = readDhcpFrame(frame);
  if (!message) return;
  DhcpLearner::Arrival arrival{at.port.name, at.isTrusted, tag ? tag : at.port.pvid};
  // Sockets are served in no order, so the answer can be here before its request.
  if (message->isFromServer() && at.isTrusted && !learner_.isAwaited(*message, arrival.vlan)) receiveRequests();
  for (const auto& change : learner_.learn(*message, arrival, DhcpLearner::Clock::now())) learned_(change);
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_events.h"

#include <linux/membarrier.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "subagent/linux_conntrack_tuples.h"
#include "subagent/linux_netlink.h"
#include "subagent/linux_sysctl.h"

namespace vmmig {

namespace {

// Holds what happens while vmmigd is busy for a second: 57,000 events of 10,000 new connections.
constexpr int receiveBufferOctets = 64 << 20;
constexpr std::size_t messageSize = 8192;
// An event is a datagram; that many are fetched by one system call.
constexpr unsigned batch = 64;
constexpr int receivesPerTurn = 16;
// To be woken for each event would cost more than the events. Whoever wants to know all of them calls drain().
constexpr std::chrono::milliseconds restAfterReceiving{10};

}  // namespace

bool waitForPacketsUnderWay(LinuxTap* tap) {
  return (tap && tap->waitForPackets()) || syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0;
}

Status ConntrackEvents::open() {
  if (conntrackSysctl("events").value_or(0) == 0)
    return failure("the kernel tells no events of connections: set net.netfilter.nf_conntrack_events to 1");
  if (!changed_) {
    auto changed = LinuxChangedConnections::open();
    if (!changed) return failure(changed.error());
    changed_ = std::move(*changed);
    changed_->disregard(ownInterface_);
  }
  UniqueFd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)};
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (!socket || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return failure("the kernel gives no netlink socket for events of connections: " + errnoText(errno));
  if (setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receiveBufferOctets, sizeof receiveBufferOctets) != 0)
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &receiveBufferOctets, sizeof receiveBufferOctets);
  for (int group : {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_DESTROY})
    if (setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
      return failure("the kernel tells no events of connections: " + errnoText(errno));
  if (auto filtered = changed_->filter(socket.get()); !filtered) return filtered;
  buffer_.resize(batch * messageSize);
  socket_ = std::move(socket);
  if (loop_) watch();
  return {};
}

void ConntrackEvents::watch() {
  loop_->watch(socket_.get(), [this] {
    if (receive(receivesPerTurn)) return;
    loop_->unwatch(socket_.get());
    rest_ = loop_->after(restAfterReceiving, [this] {
      rest_.reset();
      watch();
    });
  });
}

void ConntrackEvents::close() {
  if (rest_)
    loop_->cancel(*std::exchange(rest_, std::nullopt));
  else if (socket_ && loop_)
    loop_->unwatch(socket_.get());
  socket_ = {};
  buffer_ = {};
}

Status ConntrackEvents::add(Listener& listener, std::span<const InetAddress> addresses) {
  if (!socket_)
    if (auto opened = open(); !opened) return opened;
  bool isFollowed = std::all_of(addresses.begin(), addresses.end(), [&](const auto& each) { return listeners_.contains(each); });
  if (auto followed = changed_->follow(addresses); !followed) {
    if (listeners_.empty()) close();
    return followed;
  }
  for (const auto& address : addresses) listeners_.emplace(address, &listener);
  lastName_.clear();
  // A packet that was under way may have passed the list before it knew the address.
  if (!isFollowed) waitForPackets_();
  return {};
}

void ConntrackEvents::remove(Listener& listener) {
  std::vector<InetAddress> addresses;
  for (const auto& [address, each] : listeners_)
    if (each == &listener) addresses.push_back(address);
  if (addresses.empty()) return;
  std::erase_if(listeners_, [&](const auto& each) { return each.second == &listener; });
  changed_->unfollow(addresses);
  if (listeners_.empty()) close();
}

void ConntrackEvents::drain() {
  if (!socket_) return;
  while (receive(receivesPerTurn)) {
  }
  takeChanged();
  lastName_.clear();
}

void ConntrackEvents::takeChanged() {
  entries_.clear();
  auto taken = changed_->take(entries_);
  for (const auto& entry : entries_) tell({{entry.protocol, entry.tuples}, entry.zone}, Touch::packet);
  if (!taken) return lose("the list of changed connections cannot be read: " + taken.error().text);
  if (!*taken) lose("more connections had packets than vmmigd could follow");
}

bool ConntrackEvents::receive(int most) {
  std::array<mmsghdr, batch> messages;
  std::array<iovec, batch> parts;
  for (; most > 0; --most) {
    for (unsigned i = 0; i < batch; ++i) {
      parts[i] = {buffer_.data() + i * messageSize, messageSize};
      messages[i] = {};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(socket_.get(), messages.data(), batch, MSG_DONTWAIT, nullptr);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (count < 0 && errno != ENOBUFS) {
      lose("events of connections cannot be read: " + errnoText(errno));
      return false;
    }
    if (count < 0) {
      lose("more happened to connections than vmmigd could follow");
      continue;
    }
    for (unsigned i = 0; i < static_cast<unsigned>(count); ++i) {
      int left = static_cast<int>(messages[i].msg_len);
      for (auto* m = reinterpret_cast<const nlmsghdr*>(parts[i].iov_base); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left))
        take(m);
    }
  }
  return true;
}

void ConntrackEvents::take(const nlmsghdr* message) {
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK) return;
  Attributes attributes{message};
  // A new connection makes five events or six, one behind the other: one is enough until a listener looks.
  auto name = attributes.octets(CTA_TUPLE_ORIG);
  bool isSame = attributes.has(CTA_ID) && attributes.u32(CTA_ID) == lastId_ && name == lastName_;
  if (isSame) return;
  lastId_ = attributes.u32(CTA_ID);
  lastName_ = name;
  tell({wireTuplesOf(attributes), attributes.u16(CTA_ZONE)}, Touch::event);
}

void ConntrackEvents::tell(const ConntrackEntry& entry, Touch touch) {
  const auto& [original, reply] = entry.wire.tuples;
  const InetAddress* addresses[] = {&original.source.address, &original.destination.address, &reply.source.address,
                                    &reply.destination.address};
  // A listener hears twice of an entry of which two addresses are its own: it looks once all the same.
  for (const auto* address : addresses) {
    auto [from, to] = listeners_.equal_range(*address);
    for (auto at = from; at != to; ++at) at->second->touched(entry, touch);
  }
}

void ConntrackEvents::lose(const std::string& why) {
  Listener* last = nullptr;
  for (const auto& [address, listener] : listeners_) {
    if (listener != last) listener->lost(why);
    last = listener;
  }
}

}  // namespace vmmig

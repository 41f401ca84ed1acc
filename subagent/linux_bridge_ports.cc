// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_bridge_ports.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <string_view>

#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

struct Close {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, Close>;

struct Link {
  std::string name;
  unsigned master = 0;
  bool isBridge = false, isPort = false, filtersVlans = false;
  std::uint16_t pvid = 0;
};
using Links = std::map<unsigned, Link>;

template <class Take>
int takeAttribute(const nlattr* attribute, void* take) {
  (*static_cast<Take*>(take))(attribute, mnl_attr_get_type(attribute));
  return MNL_CB_OK;
}
template <class Take>
void forEachIn(const nlattr* nested, Take take) {
  mnl_attr_parse_nested(nested, takeAttribute<Take>, &take);
}
template <class Take>
void forEach(const nlmsghdr* message, Take take) {
  mnl_attr_parse(message, sizeof(ifinfomsg), takeAttribute<Take>, &take);
}

unsigned indexOf(const nlmsghdr* message) {
  return static_cast<unsigned>(static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message))->ifi_index);
}

bool isText(const nlattr* attribute, std::string_view text) {
  return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 && mnl_attr_get_str(attribute) == text;
}

void readLinkInfo(const nlattr* info, Link& link) {
  const nlattr* data = nullptr;
  forEachIn(info, [&](const nlattr* attribute, int type) {
    if (type == IFLA_INFO_KIND) link.isBridge = isText(attribute, "bridge");
    if (type == IFLA_INFO_SLAVE_KIND) link.isPort = isText(attribute, "bridge");
    if (type == IFLA_INFO_DATA) data = attribute;
  });
  if (!link.isBridge || !data) return;
  forEachIn(data, [&](const nlattr* attribute, int type) {
    if (type == IFLA_BR_VLAN_FILTERING && mnl_attr_validate(attribute, MNL_TYPE_U8) >= 0)
      link.filtersVlans = mnl_attr_get_u8(attribute) != 0;
  });
}

int takeLink(const nlmsghdr* message, void* links) {
  auto& link = (*static_cast<Links*>(links))[indexOf(message)];
  forEach(message, [&](const nlattr* attribute, int type) {
    if (type == IFLA_IFNAME && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) link.name = mnl_attr_get_str(attribute);
    if (type == IFLA_MASTER && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0) link.master = mnl_attr_get_u32(attribute);
    if (type == IFLA_LINKINFO) readLinkInfo(attribute, link);
  });
  return MNL_CB_OK;
}

int takePvid(const nlmsghdr* message, void* links) {
  (*static_cast<Links*>(links))[indexOf(message)].pvid = pvidFrom(message);
  return MNL_CB_OK;
}

tl::unexpected<Error> cannotList() { return failure("the kernel does not list its links (" + errnoText(errno) + ")"); }

/// False: interrupted, because links changed meanwhile; what came is not all, and the rest is still on the socket.
Result<bool> dump(mnl_socket* socket, unsigned char family, std::uint32_t wanted, mnl_cb_t take, Links& links) {
  std::array<char, 32768> buffer;
  auto* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = RTM_GETLINK;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  auto* header = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
  header->ifi_family = family;
  mnl_attr_put_u32(message, IFLA_EXT_MASK, wanted);
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) return cannotList();
  for (;;) {
    auto size = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (size < 0) return cannotList();
    auto answer = mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), 0, mnl_socket_get_portid(socket), take, &links);
    if (answer < 0 && errno == EINTR) return false;  // NLM_F_DUMP_INTR
    if (answer < 0) return cannotList();
    if (answer == 0) return true;
  }
}

/// On a socket of its own; false when it was interrupted.
Result<bool> readLinks(Links& links) {
  Socket socket{mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)};
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return cannotList();
  auto dumped = dump(socket.get(), AF_UNSPEC, RTEXT_FILTER_SKIP_STATS, takeLink, links);
  if (!dumped || !*dumped) return dumped;
  if (std::none_of(links.begin(), links.end(), [](const auto& each) { return each.second.filtersVlans; })) return true;
  return dump(socket.get(), AF_BRIDGE, RTEXT_FILTER_BRVLAN, takePvid, links);
}

// Half a list would take ports for gone, so it is none. Links that change that often are told again, and then read again.
Result<Links> readAllLinks() {
  for (int attempt = 0; attempt < 3; ++attempt) {
    Links links;
    auto read = readLinks(links);
    if (!read) return failure(read.error());
    if (*read) return links;
  }
  return failure("the links of this device change faster than the kernel lists them; they are read again at the next change");
}

}  // namespace

bool Bridges::has(const std::string& bridge) const { return std::find(names.begin(), names.end(), bridge) != names.end(); }

const BridgePort* Bridges::port(const std::string& name) const {
  auto found = std::find_if(ports.begin(), ports.end(), [&](const BridgePort& port) { return port.name == name; });
  return found == ports.end() ? nullptr : &*found;
}

std::uint16_t pvidFrom(const nlmsghdr* message) {
  std::uint16_t pvid = 0;
  forEach(message, [&](const nlattr* vlans, int type) {
    if (type != IFLA_AF_SPEC) return;
    forEachIn(vlans, [&](const nlattr* vlan, int kind) {
      if (kind != IFLA_BRIDGE_VLAN_INFO || mnl_attr_get_payload_len(vlan) < sizeof(bridge_vlan_info)) return;
      const auto* info = static_cast<const bridge_vlan_info*>(mnl_attr_get_payload(vlan));
      if (info->flags & BRIDGE_VLAN_INFO_PVID) pvid = info->vid;
    });
  });
  return pvid;
}

Result<Bridges> readBridges() {
  auto links = readAllLinks();
  if (!links) return failure(links.error());
  Bridges bridges;
  for (const auto& [index, link] : *links) {
    if (link.isBridge) bridges.names.push_back(link.name);
    auto bridge = links->find(link.master);
    if (!link.isPort || bridge == links->end()) continue;
    bridges.ports.push_back({index, link.name, bridge->second.name, bridge->second.filtersVlans ? link.pvid : std::uint16_t{0}});
  }
  return bridges;
}

LinkWatch::LinkWatch(EventLoop& loop, std::function<void()> changed) : loop_(loop), changed_(std::move(changed)) {
  socket_.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket_ && mnl_socket_bind(socket_.get(), RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0) socket_.reset();
  if (socket_) loop_.watch(mnl_socket_get_fd(socket_.get()), [this] { drain(); });
}

LinkWatch::~LinkWatch() {
  if (socket_) loop_.unwatch(mnl_socket_get_fd(socket_.get()));
}

/// What it says does not matter, nor that some of it was lost (ENOBUFS): the reader reads everything.
void LinkWatch::drain() {
  std::array<char, 32768> buffer;
  do {
    errno = 0;
  } while (mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size()) >= 0 || errno == ENOBUFS || errno == EINTR ||
           errno == ENOSPC);
  changed_();
}

}  // namespace vmmig

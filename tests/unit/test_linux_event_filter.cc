// SPDX-License-Identifier: GPL-2.0-or-later
// Which of ctnetlink's events reach a socket that is filtered: those of addresses that are followed, and what is no event.
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <set>

#include "subagent/linux_conntrack_tuples.h"
#include "tests/unit/changed_connections_lab.h"

namespace vmmig {
namespace {

/// Type (IPCTNL_MSG_CT_*) and the opener's address.
using Event = std::pair<int, std::string>;

/// A socket to ctnetlink that asked for all events of connections.
class Events {
 public:
  Events() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)) {
    sockaddr_nl any{};
    any.nl_family = AF_NETLINK;
    if (bind(socket_.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) throw std::runtime_error("no address");
    for (int group : {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_DESTROY})
      if (setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        throw std::runtime_error("no events");
  }
  int socket() const { return socket_.get(); }

  std::set<Event> receive() {
    std::set<Event> events;
    alignas(nlmsghdr) char buffer[8192];
    for (;;) {
      auto size = recv(socket_.get(), buffer, sizeof buffer, 0);
      if (size <= 0) return events;
      const auto* message = reinterpret_cast<const nlmsghdr*>(buffer);
      if (message->nlmsg_type == NLMSG_ERROR) {
        events.emplace(NLMSG_ERROR, "");
        continue;
      }
      Attributes original{Attributes{message}[CTA_TUPLE_ORIG]};
      events.emplace(message->nlmsg_type & 0xff, toString(tupleFrom(original, protocolOf(original)).source.address));
    }
  }
  /// All that came, once those did.
  std::set<Event> await(const std::set<Event>& wanted) {
    std::set<Event> all;
    EXPECT_TRUE(eventually([&] {
      all.merge(receive());
      return std::includes(all.begin(), all.end(), wanted.begin(), wanted.end());
    }));
    return all;
  }

 private:
  UniqueFd socket_;
};

class EventFilter : public ChangedConnections {
 protected:
  EventFilter() : list_(open()) { lab_.firewall.run("echo 1 > /proc/sys/net/netfilter/nf_conntrack_events"); }
  void filter(Events& events) {
    auto status = list_.filter(events.socket());
    ASSERT_TRUE(status) << status.error().text;
  }
  /// A datagram each, the one that is awaited last.
  void sendFrom(std::initializer_list<const char*> sources, std::uint16_t port = 53) {
    for (const char* each : sources) {
      bool isV6 = std::string_view{each}.find(':') != std::string_view::npos;
      sendTo(socketAt(lab_.vm, {each, 5000}), {isV6 ? "2001:db8::9" : "192.0.2.9", port});
    }
    lab_.firewall.enter();
  }
  LinuxChangedConnections list_;
};

TEST_F(EventFilter, LetsThroughWhatHasAFollowedAddress) {
  Events all, some;
  filter(some);
  follow(list_, {address("10.0.0.5"), address("fd00::5")});
  sendFrom({"10.0.0.6", "fd00::6", "10.0.0.5", "fd00::5"});
  std::set<Event> created{{IPCTNL_MSG_CT_NEW, "10.0.0.5"}, {IPCTNL_MSG_CT_NEW, "fd00::5"}};
  EXPECT_EQ(some.await({{IPCTNL_MSG_CT_NEW, "fd00::5"}}), created);
  auto unfiltered = all.await({{IPCTNL_MSG_CT_NEW, "fd00::5"}});
  EXPECT_TRUE(unfiltered.contains({IPCTNL_MSG_CT_NEW, "10.0.0.6"})) << "which would have come";
  EXPECT_TRUE(unfiltered.contains({IPCTNL_MSG_CT_NEW, "fd00::6"}));

  lab_.firewall.run("conntrack -F 2> /dev/null");
  all.await({{IPCTNL_MSG_CT_DELETE, "10.0.0.5"}, {IPCTNL_MSG_CT_DELETE, "fd00::5"}, {IPCTNL_MSG_CT_DELETE, "fd00::6"}});
  auto told = some.receive();
  EXPECT_EQ(told, (std::set<Event>{{IPCTNL_MSG_CT_DELETE, "10.0.0.5"}, {IPCTNL_MSG_CT_DELETE, "fd00::5"}}));
}

TEST_F(EventFilter, LooksAtTheTranslatedAddressesToo) {
  Events some;
  filter(some);
  follow(list_, {address("192.0.2.1")});
  sendFrom({"10.0.0.6"});
  sendFrom({"10.0.0.5"}, 8443);  // from 192.0.2.1 on the way
  EXPECT_EQ(some.await({{IPCTNL_MSG_CT_NEW, "10.0.0.5"}}), (std::set<Event>{{IPCTNL_MSG_CT_NEW, "10.0.0.5"}}));
}

TEST_F(EventFilter, LooksAtTheAddressBehindATranslatedDestination) {
  Events some;
  filter(some);
  follow(list_, {address("10.0.0.5")});
  TcpPair direct{lab_.vm, lab_.peer, {"192.0.2.9", 80}, {"192.0.2.9", 80}};
  some.await({{IPCTNL_MSG_CT_NEW, "10.0.0.5"}});
  TcpPair translated{lab_.peer, lab_.vm, {"192.0.2.1", 2222}, {"10.0.0.5", 22}};
  some.await({{IPCTNL_MSG_CT_NEW, "192.0.2.9"}});
}

TEST_F(EventFilter, FollowsTheAddressesAsTheyChange) {
  Events all, some;
  filter(some);
  sendFrom({"10.0.0.6"});
  all.await({{IPCTNL_MSG_CT_NEW, "10.0.0.6"}});
  EXPECT_TRUE(some.receive().empty()) << "nobody follows";
  const std::vector both{address("10.0.0.5"), address("10.0.0.6")};
  follow(list_, both);
  sendFrom({"10.0.0.5"});
  some.await({{IPCTNL_MSG_CT_NEW, "10.0.0.5"}});
  list_.unfollow({&both[0], 1});
  lab_.firewall.run("conntrack -F 2> /dev/null");
  EXPECT_EQ(some.await({{IPCTNL_MSG_CT_DELETE, "10.0.0.6"}}), (std::set<Event>{{IPCTNL_MSG_CT_DELETE, "10.0.0.6"}}));
}

TEST_F(EventFilter, LetsThroughWhatIsNoEvent) {
  Events some;
  filter(some);
  nlmsghdr request{};
  request.nlmsg_len = sizeof request;
  request.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | 0xff;
  request.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  ASSERT_EQ(send(some.socket(), &request, sizeof request, 0), static_cast<ssize_t>(sizeof request));
  some.await({{NLMSG_ERROR, ""}});
}

TEST_F(EventFilter, SaysWhatIsNoSocket) {
  auto status = list_.filter(-1);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().text.find("EBADF"), std::string::npos);
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The physical limit that the other figures are held against: ctnetlink alone, dump and batched insertion of N TCP connections in
// one process and a namespace of its own; and the back end `linux` over the same connections. Prints one JSON object.

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sched.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "bench/measure.h"
#include "subagent/linux_back_end.h"
#include "subagent/linux_netlink.h"
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {
namespace {

/// A connection of the VM 10.0.0.5: 50,000 ports, then the next peer.
struct Conn {
  explicit Conn(std::uint32_t number)
      : localPort(static_cast<std::uint16_t>(1024 + number % 50000)), peer(htonl(0xc0000201 + number / 50000)) {}
  std::uint16_t localPort;
  std::uint32_t peer;
};
constexpr std::uint16_t peerPort = 443;
const std::uint32_t vmAddress = htonl(0x0a000005);

void putTuple(nlmsghdr* message, std::uint16_t type, std::uint32_t from, std::uint16_t fromPort, std::uint32_t to,
              std::uint16_t toPort) {
  auto* tuple = mnl_attr_nest_start(message, type);
  auto* ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
  mnl_attr_put_u32(message, CTA_IP_V4_SRC, from);
  mnl_attr_put_u32(message, CTA_IP_V4_DST, to);
  mnl_attr_nest_end(message, ip);
  auto* protocol = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(message, CTA_PROTO_NUM, IPPROTO_TCP);
  mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(fromPort));
  mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(toPort));
  mnl_attr_nest_end(message, protocol);
  mnl_attr_nest_end(message, tuple);
}

void putConn(nlmsghdr* message, const Conn& conn) {
  putTuple(message, CTA_TUPLE_ORIG, vmAddress, conn.localPort, conn.peer, peerPort);
  putTuple(message, CTA_TUPLE_REPLY, conn.peer, peerPort, vmAddress, conn.localPort);
  mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(3000));
  mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
  auto* info = mnl_attr_nest_start(message, CTA_PROTOINFO);
  auto* tcp = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);
  nf_ct_tcp_flags flags{3, 15};
  mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
  mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 7);
  mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_WSCALE_REPLY, 9);
  mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof flags, &flags);
  mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof flags, &flags);
  mnl_attr_nest_end(message, tcp);
  mnl_attr_nest_end(message, info);
}

void rawInsert(NetlinkSocket& socket, std::uint32_t count) {
  NetlinkBatch batch;
  auto run = [&] {
    for (auto code : need(batch.run(socket)))
      if (code) fail("insertion: " + errnoText(code));
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    auto* message = batch.begin(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, AF_INET);
    putConn(message, Conn{i});
    batch.finish(message);
    if (batch.isFull()) run();
  }
  run();
}

/// Receives a dump and looks at nothing in it.
std::uint32_t rawDump(NetlinkSocket& socket) {
  alignas(nlmsghdr) char request[conntrackMessageSize];
  auto* header = beginConntrackMessage(request, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_INET);
  need(socket.send({request, header->nlmsg_len}));
  for (std::uint32_t count = 0;;) {
    auto answer = need(socket.receive());
    int left = static_cast<int>(answer.size());
    for (auto* m = reinterpret_cast<const nlmsghdr*>(answer.data()); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
      if (m->nlmsg_type == NLMSG_DONE) return count;
      ++count;
    }
  }
}

std::vector<AnyRow> readAll(TableBackEnd& table, const Vm& vm) {
  std::vector<AnyRow> rows;
  auto cursor = table.read(vm);
  while (need(cursor->next(rows))) continue;
  return rows;
}

int measure(std::uint32_t count) {
  if (unshare(CLONE_NEWNET) != 0) fail("cannot make a network namespace: root or a user namespace is needed");
  auto socket = need(NetlinkSocket::open());
  auto insertMs = millisecondsOf([&] { rawInsert(socket, count); });
  std::uint32_t dumped = 0;
  auto dumpMs = millisecondsOf([&] { dumped = rawDump(socket); });
  if (dumped != count) fail("dumped " + std::to_string(dumped) + " of " + std::to_string(count));

  auto device = makeLinuxBackEnd();
  auto& table = *device->tables()[0];
  Vm vm{{{1}}, "bench", {InetAddress::v4(&vmAddress)}};
  std::vector<AnyRow> rows;
  auto readMs = millisecondsOf([&] { rows = readAll(table, vm); });
  if (rows.size() != count) fail("read " + std::to_string(rows.size()) + " of " + std::to_string(count));
  BatchResult result;
  auto removeMs = millisecondsOf([&] { result = table.remove(vm, rows); });
  if (result.error) fail(result.error->text);
  auto createMs = millisecondsOf([&] { result = table.create(vm, rows); });
  if (result.error) fail(result.error->text);
  std::printf(
      "{\"rows\": %u, \"insertMs\": %.2f, \"dumpMs\": %.2f, \"backEndCreateMs\": %.2f, \"backEndReadMs\": %.2f, "
      "\"backEndRemoveMs\": %.2f}\n",
      count, insertMs, dumpMs, createMs, readMs, removeMs);
  return 0;
}

}  // namespace
}  // namespace vmmig

int main(int argc, char** argv) {
  auto count = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : 0;
  if (count == 0) vmmig::fail("usage: raw_ctnetlink ROWS");
  return vmmig::measure(static_cast<std::uint32_t>(count));
}

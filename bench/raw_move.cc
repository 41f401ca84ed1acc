// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel alone needs to carry the connections of one network namespace to another: one process dumps them and makes them
// there by ctnetlink, in batches, all of them, and then only every STRIDE-th (each asked for by its tuple, and made). Nothing is
// decoded, sent, compared or primed, and no packet is blocked. Prints one JSON object; the second namespace is empty afterwards.
#include <fcntl.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sched.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/measure.h"
#include "common/unique_fd.h"
#include "subagent/linux_netlink.h"

namespace vmmig {
namespace {

NetlinkSocket socketIn(const char* netns) {
  UniqueFd there{open(netns, O_RDONLY | O_CLOEXEC)};
  if (!there || setns(there.get(), CLONE_NEWNET) != 0) fail(std::string{netns} + ": " + std::strerror(errno));
  return need(NetlinkSocket::open());
}

/// A request with these attributes of a message that the kernel sent.
class Request {
 public:
  explicit Request(const nlmsghdr* told) : family_(static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(told))->nfgen_family) {
    const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(told));
    const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(told, sizeof(nfgenmsg)));
    for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)));
         attribute = mnl_attr_next(attribute)) {
      switch (mnl_attr_get_type(attribute)) {
        case CTA_TUPLE_ORIG: key_.append(reinterpret_cast<const char*>(attribute), MNL_ALIGN(attribute->nla_len)); break;
        case CTA_TUPLE_REPLY:
        case CTA_STATUS:
        case CTA_TIMEOUT:
        case CTA_PROTOINFO:
        case CTA_MARK: rest_.append(reinterpret_cast<const char*>(attribute), MNL_ALIGN(attribute->nla_len)); break;
        default: break;
      }
    }
  }
  void addGet(NetlinkBatch& batch) const { add(batch, IPCTNL_MSG_CT_GET, 0, false); }
  void addCreation(NetlinkBatch& batch) const { add(batch, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, true); }
  void addRemoval(NetlinkBatch& batch) const { add(batch, IPCTNL_MSG_CT_DELETE, 0, false); }

 private:
  void add(NetlinkBatch& batch, int type, int flags, bool whole) const {
    auto* message = batch.begin(type, flags, family_);
    for (const auto* part : {&key_, &rest_}) {
      if (part == &rest_ && !whole) break;
      std::memcpy(mnl_nlmsg_get_payload_tail(message), part->data(), part->size());
      message->nlmsg_len += static_cast<std::uint32_t>(part->size());
    }
    batch.finish(message);
  }
  int family_;
  std::string key_, rest_;
};

std::vector<Request> dump(NetlinkSocket& socket) {
  std::vector<Request> rows;
  alignas(nlmsghdr) char request[conntrackMessageSize];
  auto* header = beginConntrackMessage(request, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_INET);
  need(socket.send({request, header->nlmsg_len}));
  for (;;) {
    auto answer = need(socket.receive());
    int left = static_cast<int>(answer.size());
    for (auto* m = reinterpret_cast<const nlmsghdr*>(answer.data()); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
      if (m->nlmsg_type == NLMSG_DONE) return rows;
      rows.emplace_back(m);
    }
  }
}

void inBatches(NetlinkSocket& socket, const std::vector<Request>& rows, std::size_t stride,
               void (Request::*add)(NetlinkBatch&) const) {
  NetlinkBatch batch;
  auto run = [&] {
    for (auto code : need(batch.run(socket)))
      if (code) fail("the kernel refuses: " + errnoText(code));
  };
  for (std::size_t i = 0; i < rows.size(); i += stride) {
    (rows[i].*add)(batch);
    if (batch.isFull()) run();
  }
  run();
}

std::vector<Request> askEach(NetlinkSocket& socket, const std::vector<Request>& rows, std::size_t stride) {
  std::vector<Request> found;
  NetlinkBatch batch;
  auto ask = [&] {
    need(batch.ask(socket, [&](std::size_t, const nlmsghdr* answer, int error) {
      if (error) fail("a connection is gone: " + errnoText(error));
      found.emplace_back(answer);
    }));
  };
  for (std::size_t i = 0; i < rows.size(); i += stride) {
    rows[i].addGet(batch);
    if (batch.isFull()) ask();
  }
  ask();
  return found;
}

int measure(NetlinkSocket from, NetlinkSocket to, std::size_t stride) {
  std::vector<Request> rows, changed;
  auto dumpMs = millisecondsOf([&] { rows = dump(from); });
  auto insertMs = millisecondsOf([&] { inBatches(to, rows, 1, &Request::addCreation); });
  inBatches(to, rows, 1, &Request::addRemoval);
  auto changedGetMs = millisecondsOf([&] { changed = askEach(from, rows, stride); });
  auto changedInsertMs = millisecondsOf([&] { inBatches(to, changed, 1, &Request::addCreation); });
  inBatches(to, changed, 1, &Request::addRemoval);
  std::printf(
      "{\"rows\": %zu, \"dumpMs\": %.3f, \"insertMs\": %.3f, \"changed\": %zu, \"changedGetMs\": %.3f, \"changedInsertMs\": "
      "%.3f}\n",
      rows.size(), dumpMs, insertMs, changed.size(), changedGetMs, changedInsertMs);
  return 0;
}

}  // namespace
}  // namespace vmmig

int main(int argc, char** argv) {
  auto stride = argc == 4 ? std::strtoul(argv[3], nullptr, 10) : 0;
  if (stride == 0) vmmig::fail("usage: raw_move FROM_NETNS TO_NETNS STRIDE");
  auto from = vmmig::socketIn(argv[1]);
  return vmmig::measure(std::move(from), vmmig::socketIn(argv[2]), stride);
}

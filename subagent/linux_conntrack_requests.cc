// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_requests.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>

#include "common/log.h"

namespace vmmig {

namespace {

// CTA_FILTER_F_CTA_IP_SRC and CTA_FILTER_F_CTA_PROTO_NUM: part of the interface (since Linux 5.8), but in no header that is
// installed.
constexpr std::uint32_t filterBySource = 1 << 0, filterByProtocol = 1 << 3;

/// What one of an entry's tuples has to have; the kernel's flags for it.
std::uint32_t putTuple(nlmsghdr* request, int type, const InetAddress& source, std::uint8_t protocol) {
  std::uint32_t flags = 0;
  Nest tuple{request, type};
  if (source.isSet()) {
    Nest ip{request, CTA_TUPLE_IP};
    putOctets(request, source.type == InetAddressType::ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, source.bytes());
    flags |= filterBySource;
  }
  if (protocol) {
    Nest proto{request, CTA_TUPLE_PROTO};
    put8(request, CTA_PROTO_NUM, protocol);
    flags |= filterByProtocol;
  }
  return flags;
}

void putFilter(nlmsghdr* request, const DumpFilter& filter) {
  bool isReply = filter.replySource.isSet();
  const auto& source = isReply ? filter.replySource : filter.originalSource;
  if (filter.family != AF_UNSPEC && (filter.protocol || source.isSet())) {
    auto wanted = putTuple(request, isReply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG, source, filter.protocol);
    Nest flags{request, CTA_FILTER};
    mnl_attr_put_u32(request, isReply ? CTA_FILTER_REPLY_FLAGS : CTA_FILTER_ORIG_FLAGS, wanted);
  }
  if (filter.statusMask) {
    put32(request, CTA_STATUS, filter.status);
    put32(request, CTA_STATUS_MASK, filter.statusMask);
  }
}

}  // namespace

Result<NetlinkSocket*> ConntrackRequests::socket() {
  if (!socket_) {
    auto opened = NetlinkSocket::open();
    if (!opened) return failure(opened.error());
    socket_ = std::move(*opened);
  }
  return &*socket_;
}

Result<std::vector<int>> ConntrackRequests::run() {
  auto netlink = socket();
  if (!netlink) {
    batch_.clear();
    return failure(netlink.error());
  }
  auto codes = batch_.run(**netlink);
  if (!codes) socket_.reset();
  return codes;
}

Status ConntrackRequests::ask(const NetlinkBatch::TakeAnswer& take) {
  auto netlink = socket();
  if (!netlink) {
    batch_.clear();
    return failure(netlink.error());
  }
  auto asked = batch_.ask(**netlink, take);
  if (!asked) socket_.reset();
  return asked;
}

Result<int> ConntrackRequests::get(const nlmsghdr* request, const TakeMessage& take) {
  auto netlink = socket();
  if (!netlink) return failure(netlink.error());
  auto lost = [this](Error error) {
    socket_.reset();
    return failure(std::move(error));
  };
  if (auto sent = (*netlink)->send({reinterpret_cast<const char*>(request), request->nlmsg_len}); !sent)
    return lost(sent.error());
  for (Status taken;;) {
    auto answer = (*netlink)->receive();
    if (!answer) return lost(answer.error());
    int left = static_cast<int>(answer->size());
    for (auto* m = reinterpret_cast<const nlmsghdr*>(answer->data()); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
      if (m->nlmsg_type != NLMSG_ERROR) {
        if (taken) taken = take(m);
        continue;
      }
      if (!taken) return failure(taken.error());
      return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(m))->error;
    }
  }
}

int dumpFamily(const Vm& vm) {
  bool hasV4 = false, hasV6 = false;
  for (const auto& address : vm.addresses) (address.type == InetAddressType::ipv6 ? hasV6 : hasV4) = true;
  if (hasV4 == hasV6) return AF_UNSPEC;
  return hasV4 ? AF_INET : AF_INET6;
}

Status ConntrackDump::start(const nlmsghdr* request) {
  // A socket carries one dump at a time; closing it ends the dump.
  auto socket = NetlinkSocket::open();
  if (!socket) return failure(socket.error());
  socket_ = std::move(*socket);
  return socket_->send({reinterpret_cast<const char*>(request), request->nlmsg_len});
}

Status ConntrackDump::start(const DumpFilter& filter) {
  alignas(nlmsghdr) char buffer[conntrackMessageSize];
  auto* request = beginConntrackMessage(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, filter.family);
  putFilter(request, filter);
  return start(request);
}

Result<bool> ConntrackDump::next(const TakeMessage& take) {
  auto answer = socket_->receive();
  if (!answer) return failure(answer.error());
  int left = static_cast<int>(answer->size());
  for (auto* m = reinterpret_cast<const nlmsghdr*>(answer->data()); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
    auto more = this->take(m, take);
    if (!more || !*more) return more;
  }
  return true;
}

Result<bool> ConntrackDump::take(const nlmsghdr* message, const TakeMessage& take) const {
  if (message->nlmsg_flags & NLM_F_DUMP_INTR)
    return failure("the kernel's table changed its shape while it told " + what_ + ": read again");
  if (message->nlmsg_type == NLMSG_DONE) return false;
  if (message->nlmsg_type == NLMSG_ERROR) {
    auto code = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
    return failure("the kernel does not tell " + what_ + ": " + errnoText(code));
  }
  if (auto taken = take(message); !taken) return failure(taken.error());
  return true;
}

Result<std::vector<InboundTuple>> translatedInboundOf(const Vm& vm) {
  std::vector<InboundTuple> result;
  if (vm.addresses.empty()) return result;
  // Entries with one of the two kinds of translation, each once.
  for (auto [status, mask] : {std::pair{IPS_SRC_NAT, IPS_SRC_NAT}, std::pair{IPS_DST_NAT, IPS_NAT_MASK}}) {
    ConntrackDump dump{"the translated connections of VM " + vm.label()};
    auto started = dump.start(
        {.family = dumpFamily(vm), .status = static_cast<std::uint32_t>(status), .statusMask = static_cast<std::uint32_t>(mask)});
    if (!started) return failure(started.error());
    for (bool isMore = true; isMore;) {
      auto more = dump.next([&](const nlmsghdr* message) -> Status {
        if (auto tuple = translatedInbound(wireTuplesOf(Attributes{message}), vm)) result.push_back(*tuple);
        return {};
      });
      if (!more) return failure(more.error());
      isMore = *more;
    }
  }
  // A kernel without the filter (before 5.19) tells all of them twice; so does one that goes on behind an entry that has gone.
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

BatchResult ConntrackTable::createSome(const Vm& vm, std::span<const AnyRow> rows) {
  std::optional<Error> refusal;
  auto& batch = requests_.batch();
  for (const auto& row : rows) {
    if (auto status = check(vm, row); !status) {
      refusal = status.error();
      break;
    }
    addCreation(batch, row);
  }
  auto asked = rows.first(batch.size());
  auto codes = requests_.run();
  if (!codes) {
    auto settled = settleLost(vm, asked, codes.error());
    if (!settled.error) settled.error = std::move(refusal);
    return settled;
  }
  auto failed = std::find_if(codes->begin(), codes->end(), [](int code) { return code != 0; });
  auto done = static_cast<std::size_t>(failed - codes->begin());
  made(rows.first(done));
  if (failed == codes->end()) return {done, std::move(refusal)};
  // The kernel went on behind the row that failed: take those back.
  std::vector<AnyRow> behind;
  for (auto i = done + 1; i < codes->size(); ++i)
    if ((*codes)[i] == 0) behind.push_back(rows[i]);
  takeBack(behind);
  return {done, createError(vm, rows[done], *failed)};
}

/// The answer was lost, but not what the kernel did: what stands as it was asked for, from the front on, counts as made, and what
/// stands so behind a gap goes. What stands otherwise was there before.
BatchResult ConntrackTable::settleLost(const Vm& vm, std::span<const AnyRow> rows, Error error) {
  std::size_t done = 0;
  std::vector<AnyRow> behind;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto stands = standsAsMade(vm, rows[i]);
    if (!stands) {
      log::error("nobody knows whether " + describeRow(vm, rows[i]) + " and those behind it were made: " + stands.error().text);
      break;
    }
    if (!*stands) continue;
    if (done == i)
      made(rows.subspan(done++, 1));
    else
      behind.push_back(rows[i]);
  }
  takeBack(behind);
  if (done == rows.size()) return {done, std::nullopt};
  error.text = "cannot create " + describeRow(vm, rows[done]) + ": " + error.text;
  return {done, std::move(error)};
}

void ConntrackTable::takeBack(std::span<const AnyRow> rows) {
  if (rows.empty()) return;
  for (const auto& row : rows) addRemoval(requests_.batch(), row);
  if (auto undone = requests_.run(); !undone) log::error("after a failed creation: " + undone.error().text);
}

BatchResult ConntrackTable::remove(const Vm& vm, std::span<const AnyRow> keys) {
  std::size_t done = 0;
  while (done < keys.size()) {
    auto result = removeSome(vm, keys.subspan(done, std::min(keys.size() - done, NetlinkBatch::capacity)));
    done += result.done;
    if (result.error) return {done, std::move(result.error)};
  }
  return {done, std::nullopt};
}

BatchResult ConntrackTable::removeSome(const Vm& vm, std::span<const AnyRow> keys) {
  Result<std::vector<int>> codes;
  // What is gone is no error, hence after a lost answer all of it is asked for again.
  for (int tries = 0; tries < 2; ++tries) {
    for (const auto& key : keys) {
      addRemoval(requests_.batch(), key);
      going(key);
    }
    codes = requests_.run();
    if (codes) break;
  }
  if (!codes) return {0, codes.error()};
  for (std::size_t i = 0; i < codes->size(); ++i) {
    auto code = (*codes)[i];
    if (code != 0 && code != ENOENT)
      return {i, Error{SnmpStatus::genErr, "cannot delete " + describeRow(vm, keys[i]) + ": " + errnoText(code)}};
  }
  return {keys.size(), std::nullopt};
}

}  // namespace vmmig

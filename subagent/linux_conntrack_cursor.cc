// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_cursor.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>

#include "subagent/linux_conntrack_codec.h"

namespace vmmig {

namespace {

// The kernel rehashes long before a bucket has that many.
constexpr std::size_t longestBucket = 32;

/// When all addresses are of one family the kernel need not tell of the other.
int dumpFamily(const Vm& vm) {
  bool hasV4 = false, hasV6 = false;
  for (const auto& address : vm.addresses) (address.type == InetAddressType::ipv6 ? hasV6 : hasV4) = true;
  if (hasV4 == hasV6) return AF_UNSPEC;
  return hasV4 ? AF_INET : AF_INET6;
}

bool isSameKey(const TcpConnRow& a, const TcpConnRow& b) {
  return a.localPort == b.localPort && a.remPort == b.remPort && a.zone == b.zone && a.remAddress == b.remAddress &&
         a.localAddress == b.localAddress;
}

}  // namespace

ConntrackCursor::ConntrackCursor(Vm vm, const TcpTimeouts& timeouts, StatusFilter filter, const LinuxWindowLearning* learning)
    : vm_(std::move(vm)), timeouts_(timeouts), filter_(filter), learning_(learning) {
  ended_ = vm_.addresses.empty();
}

Status ConntrackCursor::start() {
  // A socket carries one dump at a time; closing it ends the dump.
  auto socket = NetlinkSocket::open();
  if (!socket) return failure(socket.error());
  socket_ = std::move(*socket);
  alignas(nlmsghdr) char buffer[conntrackMessageSize];
  auto* request = beginConntrackMessage(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, dumpFamily(vm_));
  if (filter_.mask) {
    // A kernel without this filter (before 5.19) tells all, and the rows are looked at here in any case.
    mnl_attr_put_u32(request, CTA_STATUS, htonl(filter_.status));
    mnl_attr_put_u32(request, CTA_STATUS_MASK, htonl(filter_.mask));
  }
  return socket_->send({buffer, request->nlmsg_len});
}

Result<bool> ConntrackCursor::next(std::vector<AnyRow>& rows) {
  std::vector<TcpConnRow> batch;
  auto more = next(batch);
  rows.reserve(rows.size() + batch.size());
  for (auto& row : batch) rows.emplace_back(std::move(row));
  return more;
}

Result<bool> ConntrackCursor::next(std::vector<TcpConnRow>& rows) {
  if (ended_) return false;
  if (!socket_)
    if (auto status = start(); !status) return failure(status.error());
  auto answer = socket_->receive();
  if (!answer) return failure(answer.error());
  auto before = rows.size();
  int left = static_cast<int>(answer->size());
  for (auto* m = reinterpret_cast<const nlmsghdr*>(answer->data()); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left))
    if (auto status = takeMessage(m, rows); !status) return failure(status.error());
  auto added = rows.size() - before;
  last_.assign(rows.end() - static_cast<std::ptrdiff_t>(std::min(added, longestBucket)), rows.end());
  // An empty batch is no end: the VM has no row among the entries of this message.
  return !ended_ || added > 0;
}

Status ConntrackCursor::takeMessage(const nlmsghdr* message, std::vector<TcpConnRow>& rows) {
  if (message->nlmsg_flags & NLM_F_DUMP_INTR)
    return failure("the kernel's connection table changed its shape while the rows of VM " + vm_.label() +
                   " were read: read again");
  if (message->nlmsg_type == NLMSG_DONE) {
    ended_ = true;
    return {};
  }
  if (message->nlmsg_type == NLMSG_ERROR) {
    auto code = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
    return failure("the kernel does not tell the connections of VM " + vm_.label() + ": " + errnoText(code));
  }
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK) return {};
  auto row = rowFromMessage(message, vm_, timeouts_);
  if (!row) return failure(row.error());
  if (!*row || isRepeated(**row)) return {};
  if (learning_) learning_->conceal(**row);
  rows.push_back(std::move(**row));
  return {};
}

// When the entry at which a dump paused has gone meanwhile, the kernel tells that hash bucket again.
bool ConntrackCursor::isRepeated(const TcpConnRow& row) const {
  return std::any_of(last_.begin(), last_.end(), [&](const TcpConnRow& each) { return isSameKey(each, row); });
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_cursor.h"

#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

namespace vmmig {

namespace {

// The kernel rehashes long before a bucket has that many.
constexpr std::size_t longestBucket = 32;

// Of more addresses, or fewer entries, one dump of everything costs less.
constexpr std::size_t mostAddresses = 8;
constexpr std::uint32_t manyEntries = 20'000;

}  // namespace

template <class Row>
ConntrackCursor<Row>::ConntrackCursor(const Vm& vm, std::uint8_t protocol, std::uint32_t entries, Parse parse, Complete complete)
    : what_("the connections of VM " + vm.label()), parse_(std::move(parse)), complete_(std::move(complete)) {
  bool isOneDump = entries < manyEntries || vm.addresses.size() > mostAddresses;
  if (isOneDump && !vm.addresses.empty()) filters_.push_back({.family = dumpFamily(vm), .protocol = protocol});
  if (isOneDump) return;
  for (const auto& address : vm.addresses) {
    if (address.type == InetAddressType::ipv6) continue;
    filters_.push_back({.family = familyOf(address), .protocol = protocol, .originalSource = address});
    filters_.push_back({.family = familyOf(address), .protocol = protocol, .replySource = address});
  }
  // Of IPv6 the kernel tells those of every other address (the comparison in ctnetlink_filter_match_tuple() is the wrong way
  // round).
  if (!vm.addresses.empty() && dumpFamily(vm) != AF_INET) filters_.push_back({.family = AF_INET6, .protocol = protocol});
}

template <class Row>
Result<bool> ConntrackCursor<Row>::next(std::vector<AnyRow>& rows) {
  if (filters_.empty()) return false;
  if (!dump_) {
    dump_.emplace(what_);
    if (auto status = dump_->start(filters_.front()); !status) return failure(status.error());
  }
  std::vector<Row> batch;
  auto more = dump_->next([&](const nlmsghdr* message) { return takeMessage(message, batch); });
  if (!more) return failure(more.error());
  if (auto completed = complete_(batch); !completed) return failure(completed.error());
  last_.assign(batch.end() - static_cast<std::ptrdiff_t>(std::min(batch.size(), longestBucket)), batch.end());
  rows.reserve(rows.size() + batch.size());
  for (auto& row : batch) rows.emplace_back(std::move(row));
  if (!*more) {
    dump_.reset();
    filters_.pop_front();
  }
  // An empty batch is no end: the VM has no row among the entries of this message.
  return !filters_.empty() || !batch.empty();
}

template <class Row>
Status ConntrackCursor<Row>::takeMessage(const nlmsghdr* message, std::vector<Row>& rows) {
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK) return {};
  auto row = parse_(message);
  if (!row) return failure(row.error());
  if (*row && isOfThisDump(**row) && !isRepeated(**row)) rows.push_back(std::move(**row));
  return {};
}

// Also where the kernel does not filter: each row belongs to one of the dumps.
template <class Row>
bool ConntrackCursor<Row>::isOfThisDump(const Row& row) const {
  const auto& filter = filters_.front();
  const auto& source = row.opener == TcpOpener::local ? filter.originalSource : filter.replySource;
  bool isAny = !filter.originalSource.isSet() && !filter.replySource.isSet();
  return isAny || source == row.localAddress;
}

// When the entry at which a dump paused has gone meanwhile, the kernel tells that hash bucket again.
template <class Row>
bool ConntrackCursor<Row>::isRepeated(const Row& row) const {
  return std::any_of(last_.begin(), last_.end(), [&](const Row& each) { return isSameKey(each, row); });
}

template class ConntrackCursor<TcpConnRow>;
template class ConntrackCursor<FlowRow>;

}  // namespace vmmig

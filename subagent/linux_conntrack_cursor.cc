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

// Also where the kernel does not filter: each row belongs to one of the dumps.
template <class Row>
bool isOf(const DumpFilter& filter, const Row& row) {
  const auto& source = row.opener == TcpOpener::local ? filter.originalSource : filter.replySource;
  bool isAny = !filter.originalSource.isSet() && !filter.replySource.isSet();
  return isAny || source == row.localAddress;
}

}  // namespace

template <class Row>
Result<bool> ConntrackReaderOf<Row>::take(const nlmsghdr* message, const DumpFilter& filter) {
  auto row = parse_(message);
  if (!row) return failure(row.error());
  if (!*row || !isOf(filter, **row) || isRepeated(**row)) return false;
  taken_.push_back(std::move(**row));
  return true;
}

template <class Row>
Status ConntrackReaderOf<Row>::give(std::vector<AnyRow>& rows) {
  if (auto completed = complete_(taken_); !completed) return completed;
  last_.assign(taken_.end() - static_cast<std::ptrdiff_t>(std::min(taken_.size(), longestBucket)), taken_.end());
  rows.reserve(rows.size() + taken_.size());
  for (auto& row : taken_) rows.emplace_back(std::move(row));
  taken_.clear();
  return {};
}

// When the entry at which a dump paused has gone meanwhile, the kernel tells that hash bucket again.
template <class Row>
bool ConntrackReaderOf<Row>::isRepeated(const Row& row) const {
  return std::any_of(last_.begin(), last_.end(), [&](const Row& each) { return isSameKey(each, row); });
}

ConntrackCursor::ConntrackCursor(const Vm& vm, std::uint8_t protocol, std::uint32_t entries, Readers readers)
    : what_("the connections of VM " + vm.label()), readers_(std::move(readers)) {
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

Result<bool> ConntrackCursor::next(std::vector<AnyRow>& rows) {
  if (filters_.empty()) return false;
  if (!dump_) {
    dump_.emplace(what_);
    if (auto status = dump_->start(filters_.front()); !status) return failure(status.error());
  }
  auto more = dump_->next([this](const nlmsghdr* message) { return takeMessage(message); });
  if (!more) return failure(more.error());
  auto before = rows.size();
  for (auto& reader : readers_)
    if (auto given = reader->give(rows); !given) return failure(given.error());
  if (!*more) {
    dump_.reset();
    filters_.pop_front();
  }
  // An empty batch is no end: the VM has no row among the entries of this message.
  return !filters_.empty() || rows.size() > before;
}

Status ConntrackCursor::takeMessage(const nlmsghdr* message) {
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK) return {};
  for (auto& reader : readers_) {
    auto taken = reader->take(message, filters_.front());
    if (!taken) return failure(taken.error());
    if (*taken) break;
  }
  return {};
}

template class ConntrackReaderOf<TcpConnRow>;
template class ConntrackReaderOf<FlowRow>;

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_conntrack_cursor.h"

#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

namespace vmmig {

namespace {

// The kernel rehashes long before a bucket has that many.
constexpr std::size_t longestBucket = 32;

}  // namespace

template <class Row>
ConntrackCursor<Row>::ConntrackCursor(const Vm& vm, DumpFilter filter, Parse parse, Complete complete)
    : filter_(filter), parse_(std::move(parse)), complete_(std::move(complete)), dump_("the connections of VM " + vm.label()) {
  ended_ = vm.addresses.empty();
}

template <class Row>
Result<bool> ConntrackCursor<Row>::next(std::vector<AnyRow>& rows) {
  if (ended_) return false;
  if (!dump_.isStarted())
    if (auto status = dump_.start(filter_); !status) return failure(status.error());
  std::vector<Row> batch;
  auto more = dump_.next([&](const nlmsghdr* message) { return takeMessage(message, batch); });
  if (!more) return failure(more.error());
  ended_ = !*more;
  if (auto completed = complete_(batch); !completed) return failure(completed.error());
  last_.assign(batch.end() - static_cast<std::ptrdiff_t>(std::min(batch.size(), longestBucket)), batch.end());
  rows.reserve(rows.size() + batch.size());
  for (auto& row : batch) rows.emplace_back(std::move(row));
  // An empty batch is no end: the VM has no row among the entries of this message.
  return !ended_ || !batch.empty();
}

template <class Row>
Status ConntrackCursor<Row>::takeMessage(const nlmsghdr* message, std::vector<Row>& rows) {
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK) return {};
  auto row = parse_(message);
  if (!row) return failure(row.error());
  if (*row && !isRepeated(**row)) rows.push_back(std::move(**row));
  return {};
}

// When the entry at which a dump paused has gone meanwhile, the kernel tells that hash bucket again.
template <class Row>
bool ConntrackCursor<Row>::isRepeated(const Row& row) const {
  return std::any_of(last_.begin(), last_.end(), [&](const Row& each) { return isSameKey(each, row); });
}

template class ConntrackCursor<TcpConnRow>;
template class ConntrackCursor<FlowRow>;

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_window_learning.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>

#include "common/log.h"
#include "subagent/linux_conntrack_codec.h"

namespace vmmig {

namespace {

constexpr auto interval = std::chrono::milliseconds{250};
// Thousands that have no packets to learn from may cost a twentieth of the time, as long as that does not take too long.
constexpr int restAfterLooking = 19;
constexpr auto longestRest = std::chrono::seconds{5};
// TCP sends again after two minutes at the latest (TCP_RTO_MAX); who was silent for so long has nothing under way.
constexpr auto longest = std::chrono::minutes{2};
constexpr std::size_t sliceRows = NetlinkBatch::capacity;

}  // namespace

LinuxWindowLearning::~LinuxWindowLearning() {
  loop_.cancel(timer_);
  ConntrackRequests requests;
  for (auto& [key, entry] : entries_) entry.longest = {};
  while (!entries_.empty() && look(requests)) continue;
}

LinuxWindowLearning::Key LinuxWindowLearning::keyOf(const TcpConnRow& row) {
  return {row.zone, {row.localAddress, row.localPort}, {row.remAddress, row.remPort}};
}

TcpConnRow LinuxWindowLearning::rowOf(const Entries::value_type& entry) {
  TcpConnRow row;
  const auto& [key, value] = entry;
  row.zone = key.zone;
  row.localAddress = key.local.address;
  row.localPort = key.local.port;
  row.remAddress = key.rem.address;
  row.remPort = key.rem.port;
  row.opener = value.opener;
  row.localFlags = value.localFlags;
  row.remFlags = value.remFlags;
  return row;
}

TcpConnRow LinuxWindowLearning::lenient(TcpConnRow row) {
  row.localFlags.set(TcpFlag::beLiberal);
  row.remFlags.set(TcpFlag::beLiberal);
  return row;
}

void LinuxWindowLearning::begin(const TcpConnRow& row) {
  entries_.insert_or_assign(keyOf(row), Entry{row.opener, row.localFlags, row.remFlags, Clock::now() + longest});
  arm(interval);
}

void LinuxWindowLearning::forget(const TcpConnRow& key) {
  if (!entries_.empty()) entries_.erase(keyOf(key));
}

void LinuxWindowLearning::conceal(TcpConnRow& row) const {
  if (entries_.empty()) return;
  auto found = entries_.find(keyOf(row));
  if (found == entries_.end()) return;
  row.localFlags.set(TcpFlag::beLiberal, found->second.localFlags.has(TcpFlag::beLiberal));
  row.remFlags.set(TcpFlag::beLiberal, found->second.remFlags.has(TcpFlag::beLiberal));
}

void LinuxWindowLearning::arm(Clock::duration delay) {
  if (std::exchange(armed_, true)) return;
  timer_ = loop_.after(delay, [this] {
    armed_ = false;
    work();
  });
}

void LinuxWindowLearning::work() {
  auto began = Clock::now();
  ConntrackRequests requests;
  auto status = look(requests);
  if (!status) log::warning("cannot look whether the kernel has learned the windows of new connections: " + status.error().text);
  // The next slices would fare no better.
  if (!status) next_ = {};
  spent_ += Clock::now() - began;
  bool isThrough = next_ == Key{} || entries_.empty();
  auto rest = isThrough ? restAfterLooking * std::exchange(spent_, {}) : Clock::duration::zero();
  if (entries_.empty()) return;
  arm(isThrough ? std::clamp<Clock::duration>(rest, interval, longestRest) : rest);
}

LinuxWindowLearning::Slice LinuxWindowLearning::nextSlice() {
  Slice slice;
  auto at = entries_.lower_bound(std::exchange(next_, Key{}));
  for (; at != entries_.end() && slice.size() < sliceRows; ++at) slice.push_back(at);
  if (at != entries_.end()) next_ = at->first;
  return slice;
}

/// An entry that has gone learns no more.
Result<std::vector<bool>> LinuxWindowLearning::areLearning(ConntrackRequests& requests, const Slice& slice) {
  auto& batch = requests.batch();
  for (auto at : slice) {
    auto row = rowOf(*at);
    auto* request = batch.begin(IPCTNL_MSG_CT_GET, 0, familyOf(row.localAddress));
    putKey(request, row);
    batch.finish(request);
  }
  std::vector<bool> result(slice.size(), false);
  auto asked = requests.ask([&](std::size_t at, const nlmsghdr* answer, int) { result[at] = answer && !knowsWindows(answer); });
  if (!asked) return failure(asked.error());
  return result;
}

/// One slice: which of the entries have learned, and out with the leniency of those.
Status LinuxWindowLearning::look(ConntrackRequests& requests) {
  auto slice = nextSlice();
  auto isLearning = areLearning(requests, slice);
  if (!isLearning) return failure(isLearning.error());
  auto now = Clock::now();
  auto& batch = requests.batch();
  Slice over;
  for (std::size_t i = 0; i < slice.size(); ++i) {
    if ((*isLearning)[i] && now < slice[i]->second.longest) continue;
    auto row = rowOf(*slice[i]);
    auto* message = batch.begin(IPCTNL_MSG_CT_NEW, 0, familyOf(row.localAddress));
    putLeniency(message, row);
    batch.finish(message);
    over.push_back(slice[i]);
  }
  if (over.empty()) return {};
  auto codes = requests.run();
  if (!codes) return failure(codes.error());
  for (std::size_t i = 0; i < over.size(); ++i) {
    // One that has gone meanwhile has nothing to learn.
    if (int code = (*codes)[i]; code != 0 && code != ENOENT)
      log::warning("the kernel does not make TCP connection " + toString(over[i]->first.local.address) + " port " +
                   std::to_string(over[i]->first.local.port) + " strict again: " + errnoText(code));
    entries_.erase(over[i]);
  }
  return {};
}

}  // namespace vmmig

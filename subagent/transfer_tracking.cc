// SPDX-License-Identifier: GPL-2.0-or-later
// What a source does while its VM runs, and in the stop: reads every table once, then tells only what changes, so that the last
// read costs what changed last and not what there is. A table that cannot be followed is read again in the stop.
#include <algorithm>

#include "common/log.h"
#include "subagent/transfer_clock.h"
#include "subagent/transfer_source.h"

namespace vmmig {

namespace {

// A row that is about to go by itself would be gone before it is made at the destination.
constexpr std::chrono::seconds leastLife{3};
// Between one telling of changes and the next: what the last one left untold is the work of the stop. While much changes it is a
// twentieth of the time, as long as that does not leave too much.
constexpr std::chrono::milliseconds shortestRest{50}, longestRest{200};
constexpr int restAfterTelling = 19;
// How often it is asked whether packets under way are through; they take milliseconds.
constexpr std::chrono::microseconds settleInterval{500};

}  // namespace

void SourceTransfer::startFollowing() {
  stopFollowing();
  // Ahead of the reading: what changes behind it is told again.
  backEnd().prepareBlock(vm_);
  KnownRows told = [this](const AnyRow& key) { return log_->find(key); };
  for (auto* table : backEnd().tables()) followed_.push_back({table, table->follow(vm_, told)});
}

void SourceTransfer::stopFollowing() {
  followed_.clear();
  if (followTimer_) loop().cancel(*followTimer_);
  followTimer_.reset();
}

Task<> SourceTransfer::track(unsigned work) {
  co_await nextTurn(loop());
  if (!isCurrent(work)) co_return;
  startFollowing();
  auto began = Clock::now();
  auto told = co_await update(work, Which::all);
  if (isCurrent(work)) followSoon(work, told, began);
}

Task<> SourceTransfer::followOnce(unsigned work) {
  auto began = Clock::now();
  auto told = co_await update(work, Which::followed);
  if (isCurrent(work)) followSoon(work, told, began);
}

void SourceTransfer::followSoon(unsigned work, Status told, Clock::time_point began) {
  if (told) told = log_->flush();
  if (!told) return keepRows(TransferOper::failed, "the VM's rows cannot be read: " + told.error().text);
  showImage();
  auto rest = std::clamp<Clock::duration>(restAfterTelling * (Clock::now() - began), shortestRest, longestRest);
  followTimer_ = loop().after(rest, [this, work] {
    followTimer_.reset();
    if (isCurrent(work)) start(followOnce(work));
  });
}

Status SourceTransfer::tell(TableBackEnd& table, const AnyRow& row) {
  auto life = remainingLifeSeconds(row);
  if (!table.moves(row) || (life && std::chrono::seconds{*life} <= leastLife)) {
    log_->remove(row);
    return {};
  }
  auto told = log_->observe(row, Clock::now());
  showImage();
  return told;
}

Task<Status> SourceTransfer::readUnread(unsigned work, Which which) {
  TableList unread;
  for (const auto& each : followed_)
    if (!each.isRead && (each.follower || which == Which::all)) unread.push_back(&each.table->table());
  if (unread.empty()) co_return Status{};
  log_->beginReading(unread);
  Visitor visit = [this](TableBackEnd& table, const AnyRow& row) { return tell(table, row); };
  auto read = co_await forEachRowOf(work, unread, std::move(visit));
  if (!isCurrent(work) || !read) co_return read;
  while (log_->removeGone(context().limits.sliceRows)) {
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  // Not sooner: should this be given up in the middle, whoever goes on reads them again.
  for (auto& each : followed_)
    if (each.follower && std::count(unread.begin(), unread.end(), &each.table->table()) > 0) each.isRead = true;
  co_return Status{};
}

Task<Status> SourceTransfer::update(unsigned work, Which which) {
  for (auto& each : followed_) {
    if (!each.isRead) continue;
    auto told = co_await tellChanges(work, each);
    if (!told || !isCurrent(work)) co_return told;
  }
  co_return co_await readUnread(work, which);
}

Task<Status> SourceTransfer::tellChanges(unsigned work, Followed& followed) {
  std::vector<AnyRow> rows, gone;
  std::size_t unflushed = 0;
  for (bool isMore = true; isMore;) {
    rows.clear();
    gone.clear();
    auto more = followed.follower->next(rows, gone);
    if (!more) {
      log::notice(label() + ": all rows of " + std::string{followed.table->table().name} +
                  " are read again: " + more.error().text);
      followed.isRead = false;
      co_return Status{};
    }
    for (const auto& row : rows)
      if (auto told = tell(*followed.table, row); !told) co_return told;
    for (const auto& key : gone) log_->remove(key);
    isMore = *more;
    if (!isMore) break;
    // In the stop the manager fetches what there is while this goes on.
    unflushed += rows.size();
    if (row_.operStatus == TransferOper::freezing && unflushed >= context().limits.sliceRows) {
      if (auto flushed = log_->flush(); !flushed) co_return flushed;
      showImage();
      unflushed = 0;
    }
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  co_return Status{};
}

Task<Status> SourceTransfer::waitSettled(unsigned work) {
  while (!backEnd().isSettled(row_.uuid)) {
    co_await sleepFor(loop(), settleInterval);
    if (!isCurrent(work)) co_return Status{};
  }
  co_return Status{};
}

Task<> SourceTransfer::freeze(unsigned work) {
  co_await nextTurn(loop());
  if (!isCurrent(work)) co_return;
  if (auto blocked = backEnd().block(vm_); !blocked)
    co_return keepRows(TransferOper::failed, "the VM's traffic cannot be blocked: " + blocked.error().text);
  row_.blockedTime = nowUtc();
  // Frozen before all had been read once.
  if (followed_.empty()) startFollowing();
  // Nearly all of it now, so that the manager can fetch it while packets under way come through; then what those changed.
  auto told = co_await update(work, Which::followed);
  if (!isCurrent(work)) co_return;
  if (told) told = log_->flush();
  showImage();
  if (told) told = co_await waitSettled(work);
  if (!isCurrent(work)) co_return;
  if (told) told = co_await update(work, Which::all);
  if (!isCurrent(work)) co_return;
  row_.lastReadTime = nowUtc();
  if (told) {
    log_->removeEnding(Clock::now() + leastLife);
    told = log_->end();
  }
  if (!told) co_return keepRows(TransferOper::failed, "the VM's rows cannot be read: " + told.error().text);
  stopFollowing();
  row_.complete = true;
  row_.digest.value = log_->digest().octets();
  showImage();
  row_.operStatus = TransferOper::frozen;
  log::info(label() + " is frozen with " + std::to_string(row_.rows) + " rows");
  notify();
}

}  // namespace vmmig

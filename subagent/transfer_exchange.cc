// SPDX-License-Identifier: GPL-2.0-or-later
// The tables that are exchanged, at the destination: in commit and in undo, each time one transaction of the device. What was
// there before may be an operator's own (a static policy), so the state file keeps it before anything happens.
#include <algorithm>
#include <set>

#include "common/log.h"
#include "subagent/transfer_clock.h"
#include "subagent/transfer_destination.h"

namespace vmmig {

namespace {

bool same(const std::vector<AnyRow>& left, const std::vector<AnyRow>& right) {
  if (left.size() != right.size()) return false;
  image::Digest a, b;
  for (const auto& row : left) a.add(row);
  for (const auto& row : right) b.add(row);
  return a == b;
}

}  // namespace

// Without it a crash from here on would leave rows behind, or lose some.
Task<Status> DestinationTransfer::keepFormer(unsigned work) {
  std::vector<AnyRow> present;
  auto read = co_await readRows(work, Tables::exchanged, present);
  if (!isCurrent(work) || !read) co_return read;
  if (hasExchanged()) {
    FormerRows former{nowUtc(), std::move(present)};
    context().stateFile.putFormer(row_.uuid, std::move(former));
  }
  co_return save();
}

DestinationTransfer::Places DestinationTransfer::exchangedPlaces() {
  Places places;
  for (const auto* table : backEnd().tables()) {
    if (!table->isExchanged()) continue;
    for (auto& entry : rows().of(table->table())) places.push_back(&entry);
  }
  return places;
}

Task<> DestinationTransfer::leaveOutRefused(unsigned work, Places& places) {
  Places kept;
  std::size_t looked = 0;
  for (auto place : places) {
    auto row = rows().unpack(*place);
    auto checked = checkRow(row);
    if (checked) kept.push_back(place);
    if (!checked) leaveOut(describe(row) + " cannot be made: " + checked.error().text);
    if (++looked % context().limits.sliceRows != 0) continue;
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return;
  }
  places = std::move(kept);
}

Task<Status> DestinationTransfer::exchangeRows(unsigned work) {
  auto places = exchangedPlaces();
  if (isBestEffort()) co_await leaveOutRefused(work, places);
  if (!isCurrent(work)) co_return Status{};
  for (int attempt = 1;;) {
    std::vector<AnyRow> present;
    auto read = co_await readRows(work, Tables::exchanged, present);
    if (!isCurrent(work) || !read) co_return read;
    if (present.empty() && places.empty()) co_return Status{};
    auto wanted = unpackAged(places);
    Exchange exchange{present, wanted};
    auto refusal = backEnd().exchange(vm_, exchange);
    if (!refusal) {
      for (auto place : places) place->second.created = true;
      isExchangeDone_ = true;
      former_ = {std::move(present), Clock::now()};
      co_return Status{};
    }
    if (refusal->created && isBestEffort()) {
      leaveOut(refusal->error.text);
      places.erase(places.begin() + static_cast<std::ptrdiff_t>(*refusal->created));
    } else if (refusal->created || attempt++ == exchangeAttempts) {
      co_return failure(refusal->error);
    }
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
}

void DestinationTransfer::recoverFormer() {
  const auto* kept = context().stateFile.former(row_.uuid);
  // A transfer that has kept nothing has not come to its exchange.
  isExchangeDone_ = kept != nullptr;
  if (!kept) return;
  auto since = static_cast<std::int64_t>(nowUtc().value - kept->readTime.value);
  former_ = {kept->rows, Clock::now() - std::chrono::microseconds{std::max<std::int64_t>(since, 0)}};
}

Task<std::size_t> DestinationTransfer::exchangeBack(unsigned work) {
  std::size_t lost = 0;
  if (!isExchangeDone_) co_return lost;
  auto restored = former_.take(former_.rows.size());
  for (int attempt = 1;;) {
    std::vector<AnyRow> present;
    auto read = co_await readRows(work, Tables::exchanged, present);
    if (!isCurrent(work)) co_return lost;
    if (!read) {
      log::error(label() + ": " + read.error().text);
      co_return lost + restored.size() + exchangedPlaces().size();
    }
    // What came by itself meanwhile stays, unless it is in the way.
    std::set<std::string> inTheWay;
    for (const auto& row : restored) inTheWay.insert(image::packKey(row));
    std::erase_if(present, [&](const AnyRow& row) {
      auto* found = rows().find(row);
      bool isOurs = found && found->second.created;
      return !isOurs && !inTheWay.contains(image::packKey(row));
    });
    if (same(present, restored)) break;
    Exchange exchange{present, restored, true};
    auto refusal = backEnd().exchange(vm_, exchange);
    if (!refusal) break;
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return lost;
    if (!refusal->created && attempt++ < exchangeAttempts) continue;
    log::error(label() + ": rows that were here before cannot be restored: " + refusal->error.text);
    if (refusal->created) {
      ++lost;
      restored.erase(restored.begin() + static_cast<std::ptrdiff_t>(*refusal->created));
      continue;
    }
    lost += restored.empty() ? present.size() : restored.size();
    if (restored.empty()) break;
    // What was made must go at least.
    restored.clear();
    attempt = 1;
  }
  isExchangeDone_ = false;
  for (auto place : exchangedPlaces()) place->second.created = false;
  co_return lost;
}

}  // namespace vmmig

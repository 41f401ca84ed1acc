// SPDX-License-Identifier: GPL-2.0-or-later
// Taking a destination back to what it was, in slices; and telling from the rows whether the VM runs here when nobody says so.
#include <utility>

#include "common/log.h"
#include "mibs/registry.h"
#include "subagent/transfer_clock.h"
#include "subagent/transfer_destination.h"

namespace vmmig {

void DestinationTransfer::startUndo(TransferOper after, std::string error) {
  auto work = beginWork();
  disarmDeadline();
  afterUndo_ = after;
  row_.error = shortened(std::move(error));
  row_.operStatus = TransferOper::aborting;
  if (!row_.error.value.empty()) log::warning(label() + " is taken back: " + row_.error.value);
  // Should this not be written: a restart undoes a commit as well.
  if (auto saved = save(); !saved) log::error(label() + " is aborting, but a restart would not know it: " + saved.error().text);
  start(undo(work));
}

Task<> DestinationTransfer::undo(unsigned work) {
  co_await nextTurn(loop());
  if (!isCurrent(work)) co_return;
  auto known = co_await adoptPresent(work);
  if (!isCurrent(work)) co_return;
  if (!known)
    co_return finish(TransferOper::failed, "vmmigd was restarted in the middle, and the VM's rows cannot be read: " +
                                               known.error().text + "; remove them by hand");
  // In the reverse order of the commit.
  auto lost = co_await exchangeBack(work);
  if (!isCurrent(work)) co_return;
  lost += co_await removeCreated(work);
  if (!isCurrent(work)) co_return;
  lost += co_await removeLeftovers(work);
  if (!isCurrent(work)) co_return;
  lost += co_await restoreStale(work);
  if (!isCurrent(work)) co_return;
  endUndo(lost);
}

Task<std::size_t> DestinationTransfer::removeCreated(unsigned work) {
  std::size_t lost = 0;
  for (auto& [subid, entries] : rows().tables()) {
    if (isExchanged(*mib::table(subid))) continue;
    for (auto at = entries.begin(); at != entries.end();) {
      std::vector<AnyRow> slice;
      for (std::size_t looked = 0; at != entries.end() && looked < context().limits.sliceRows; ++at, ++looked)
        if (std::exchange(at->second.created, false)) slice.push_back(rows().unpack(*at));
      lost += removeAll(slice);
      co_await nextTurn(loop());
      if (!isCurrent(work)) co_return lost;
    }
  }
  co_return lost;
}

Task<std::size_t> DestinationTransfer::removeLeftovers(unsigned work) {
  if (early_)
    for (auto& table : early_->tables()) leftovers_.insert(leftovers_.end(), table.toRemove.begin(), table.toRemove.end());
  std::size_t lost = 0;
  while (!leftovers_.empty()) {
    std::vector<AnyRow> slice;
    while (!leftovers_.empty() && slice.size() < context().limits.sliceRows) {
      auto row = rowOfKey(row_.uuid, leftovers_.back());
      if (row && !slice.empty() && &slice.front().table() != &row->table()) break;
      leftovers_.pop_back();
      if (row) slice.push_back(std::move(*row));
    }
    lost += removeAll(slice);
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return lost;
  }
  co_return lost;
}

// All of one table. The number of those that stay.
std::size_t DestinationTransfer::removeAll(std::span<const AnyRow> rows) {
  if (rows.empty()) return 0;
  auto* table = backEnd().tableFor(rows.front().table());
  // A device that is configured otherwise now.
  if (!table) return rows.size();
  std::size_t lost = 0;
  for (std::size_t from = 0; from < rows.size();) {
    auto result = table->remove(vm_, rows.subspan(from));
    from += result.done;
    if (!result.error) continue;
    log::error(label() + ": a row cannot be removed again: " + result.error->text);
    ++lost;
    ++from;
  }
  return lost;
}

Task<std::size_t> DestinationTransfer::restoreStale(unsigned work) {
  std::size_t lost = 0;
  while (!stale_.rows.empty()) {
    auto slice = stale_.take(sliceOf(stale_.rows, 0).size());
    for (std::size_t from = 0; from < slice.size();) {
      auto& table = *backEnd().tableFor(slice.front().table());
      auto result = table.create(vm_, std::span{slice}.subspan(from));
      from += result.done;
      if (!result.error) continue;
      // A packet that passes here has made it anew already.
      auto present = table.find(vm_, slice[from++]);
      if (present && *present) continue;
      log::error(label() + ": a row that was here before cannot be restored: " + result.error->text);
      ++lost;
    }
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return lost;
  }
  co_return lost;
}

// What would have ended by itself meanwhile is not brought back.
std::vector<AnyRow> DestinationTransfer::Stale::take(std::size_t count) {
  std::vector<AnyRow> result;
  auto elapsed = Clock::now() - readAt;
  auto end = rows.begin() + static_cast<std::ptrdiff_t>(count);
  for (auto row = rows.begin(); row != end; ++row) {
    auto life = remainingLifeSeconds(*row);
    if (life && *life > 0 && std::chrono::seconds{*life} <= elapsed) continue;
    age(result.emplace_back(std::move(*row)), elapsed);
  }
  rows.erase(rows.begin(), end);
  return result;
}

void DestinationTransfer::endUndo(std::size_t lost) {
  auto error = row_.error.value;
  if (lost > 0) {
    // In front, because it is what has to be mended by hand.
    error = std::to_string(lost) + " rows could not be taken back, see the log; " + error;
    log::error(label() + ": " + std::to_string(lost) +
               " rows could not be taken back: compare the VM's rows on this device with "
               "what they should be");
  }
  if (afterUndo_ != TransferOper::prepared) return finish(afterUndo_, std::move(error));
  prepare();
  if (row_.operStatus == TransferOper::prepared) row_.error = shortened(std::move(error));
}

Task<> DestinationTransfer::conclude(unsigned work, TransferOper after, std::string error) {
  co_await nextTurn(loop());
  if (!isCurrent(work)) co_return;
  bool alive = false;
  auto looked = co_await lookForLife(work, alive);
  if (!isCurrent(work)) co_return;
  // Rows that cannot be read cannot be judged, and a VM that runs must not lose them.
  if (looked && !alive) co_return startUndo(afterUndo_, std::move(error));
  auto why = looked ? std::string{"its rows show that the VM runs here"} : "its rows cannot be judged: " + looked.error().text;
  log::warning(label() + " was committed, and nobody said done; the rows are kept, because " + why);
  if (after != TransferOper::prepared) co_return finish(TransferOper::done);
  if (afterUndo_ != TransferOper::prepared) co_return finish(TransferOper::done, "the claim was aborted; " + why);
  prepare();
}

Task<Status> DestinationTransfer::lookForLife(unsigned work, bool& alive) {
  // Without what the rows were, nothing tells whether they changed.
  if (!isCreatedKnown_) co_return failure("they have not been read since vmmigd was restarted");
  ++reading_;
  Visitor compare = [this, &alive](TableBackEnd&, const AnyRow& row) -> Status {
    auto* found = rows().find(row);
    if (!found) return {};
    found->second.seenIn = reading_;
    alive = alive || !isUndisturbed(rows().unpack(*found), row, Clock::now() - found->second.at);
    return {};
  };
  auto read = co_await forEachRow(work, std::move(compare));
  if (!isCurrent(work) || !read) co_return read;
  std::size_t looked = 0;
  for (auto& [subid, entries] : rows().tables())
    for (auto at = entries.begin(); at != entries.end() && !alive; ++at) {
      if (at->second.created && !isSeen(at->second)) {
        // Gone before its time: closed, not timed out. What has no time can go without the VM (a multicast membership by a query).
        auto life = remainingLifeSeconds(rows().unpack(*at));
        alive = life && std::chrono::seconds{*life} > Clock::now() - at->second.at + clockTolerance;
      }
      if (++looked % context().limits.sliceRows != 0) continue;
      co_await nextTurn(loop());
      if (!isCurrent(work)) co_return Status{};
    }
  co_return Status{};
}

Task<Status> DestinationTransfer::adoptPresent(unsigned work) {
  if (isCreatedKnown_) co_return Status{};
  Visitor adopt = [this](TableBackEnd&, const AnyRow& row) -> Status {
    rows().put(row, Clock::now())->second.created = true;
    return {};
  };
  auto read = co_await forEachRow(work, std::move(adopt));
  if (isCurrent(work) && read) isCreatedKnown_ = true;
  co_return read;
}

Task<> DestinationTransfer::stayCommitted(unsigned work) {
  co_await nextTurn(loop());
  if (!isCurrent(work)) co_return;
  auto known = co_await adoptPresent(work);
  if (!isCurrent(work)) co_return;
  if (!known) log::error(label() + ": the VM's rows cannot be read after the restart: " + known.error().text);
  armDeadline();
}

}  // namespace vmmig

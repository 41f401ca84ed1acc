// SPDX-License-Identifier: GPL-2.0-or-later
// Commit at the destination, in slices: stale rows out, those of the image's rows in that were not made early, and all compared
// (transfer_verify.cc). What was done is noted before each turn of the event loop, so that an undo can begin at any of them.
// transfer_exchange.cc has the part of the tables that are exchanged: it comes last, because it is all or nothing by itself.
#include "common/log.h"
#include "mibs/registry.h"
#include "subagent/transfer_clock.h"
#include "subagent/transfer_destination.h"

namespace vmmig {

namespace {
// More of them help nobody who reads the log.
constexpr std::uint32_t maxRefusalsLogged = 10;

}  // namespace

void DestinationTransfer::startCommit() {
  row_.operStatus = TransferOper::committing;
  row_.error = {};
  start(commit(beginWork()));
}

Task<> DestinationTransfer::commit(unsigned work) {
  co_await nextTurn(loop());
  if (!isCurrent(work)) co_return;
  while (staging_->takeWaiting(Clock::now())) {
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return;
  }
  showImage();
  if (!staging_->isWhole()) co_return giveUp(TransferOper::failed, notWhole());
  auto status = co_await keepFormer(work);
  if (!isCurrent(work)) co_return;
  if (status) co_await finishFirstCopy(work);
  if (!isCurrent(work)) co_return;
  // The state file says now that more than early rows is to be taken back.
  if (status && early_) status = early_->close();
  if (status) {
    status = co_await removeStale(work);
    if (!isCurrent(work)) co_return;
  }
  if (status) {
    status = co_await createRows(work);
    if (!isCurrent(work)) co_return;
  }
  if (status) {
    status = co_await exchangeRows(work);
    if (!isCurrent(work)) co_return;
  }
  if (status) {
    status = co_await verify(work);
    if (!isCurrent(work)) co_return;
  }
  if (status) {
    row_.operStatus = TransferOper::committed;
    row_.commitTime = nowUtc();
    row_.rows = rows().size();
    row_.digest.value = rows().digest().octets();
    status = save();
  }
  if (!status) co_return startUndo(TransferOper::failed, status.error().text);
  log::info(label() + " is committed with " + std::to_string(row_.rows) + " rows" +
            (row_.missing ? ", " + std::to_string(row_.missing) + " are missing" : ""));
  notify();
  // Not sooner: the VM waits for the manager to hear of it.
  co_await nextTurn(loop());
  if (isCurrent(work)) stopEarly();
}

Task<Status> DestinationTransfer::findStale(unsigned work, TableBackEnd& table, std::vector<AnyRow>& present) {
  auto* early = early_ ? early_->find(table.table()) : nullptr;
  if (early) {
    auto known = co_await bringUpToDate(work, *early);
    if (!isCurrent(work) || !known) co_return known;
  }
  if (early && early->isRead && early->others.size() <= context().limits.sliceRows) {
    for (const auto& key : early->others) {
      auto found = table.find(vm_, *rowOfKey(row_.uuid, key));
      if (!found) co_return failure(found.error());
      if (*found) present.push_back(std::move(**found));
    }
    co_return Status{};
  }
  Visitor collect = [this, &present](TableBackEnd&, const AnyRow& row) -> Status {
    if (!early_ || !early_->isOurs(row)) present.push_back(row);
    return {};
  };
  TableList tables{&table.table()};
  auto read = co_await forEachRowOf(work, std::move(tables), std::move(collect));
  if (!isCurrent(work)) co_return Status{};
  if (!read) co_return failure(read.error().status, "the VM's rows cannot be read: " + read.error().text);
  co_return Status{};
}

Task<Status> DestinationTransfer::removeStale(unsigned work) {
  std::vector<AnyRow> present;
  for (auto* table : backEnd().tables()) {
    if (table->isExchanged()) continue;
    auto found = co_await findStale(work, *table, present);
    if (!isCurrent(work) || !found) co_return found;
    auto* early = early_ ? early_->find(table->table()) : nullptr;
    while (early && !early->toRemove.empty()) {
      if (auto removed = removeUnwanted(*early); !removed) co_return removed;
      co_await nextTurn(loop());
      if (!isCurrent(work)) co_return Status{};
    }
  }
  stale_.readAt = Clock::now();
  for (std::size_t at = 0; at < present.size();) {
    auto slice = sliceOf(present, at);
    auto result = backEnd().tableFor(slice.front().table())->remove(vm_, slice);
    stale_.rows.insert(stale_.rows.end(), slice.begin(), slice.begin() + static_cast<std::ptrdiff_t>(result.done));
    if (result.error) co_return failure("a stale row of the VM cannot be removed: " + result.error->text);
    at += slice.size();
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  if (!stale_.rows.empty())
    log::info(label() + ": " + std::to_string(stale_.rows.size()) + " stale rows of the VM were in the way");
  co_return Status{};
}

Task<Status> DestinationTransfer::createRows(unsigned work) {
  for (const auto* table : mib::tables()) {
    if (isExchanged(*table)) continue;
    auto* early = early_ ? early_->find(*table) : nullptr;
    Status created;
    if (early)
      created = co_await makeRest(work, *early);
    else
      created = co_await createRowsOf(work, *table);
    if (!isCurrent(work) || !created) co_return created;
  }
  co_return Status{};
}

Task<Status> DestinationTransfer::createRowsOf(unsigned work, const TableInfo& table) {
  Refused refused = [this](ImageRows::Place, const Error& error) -> Status {
    if (!isBestEffort()) return failure(error);
    leaveOut(error.text);
    return {};
  };
  Places places;
  auto& entries = rows().of(table);
  for (auto at = entries.begin(); at != entries.end();) {
    places.clear();
    for (; at != entries.end() && places.size() < context().limits.sliceRows; ++at) places.push_back(&*at);
    if (auto created = createSlice(places, refused); !created) co_return created;
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  co_return Status{};
}

std::vector<AnyRow> DestinationTransfer::unpackAged(const Places& places) {
  std::vector<AnyRow> result;
  auto now = Clock::now();
  for (auto place : places) age(result.emplace_back(rows().unpack(*place)), now - place->second.at);
  return result;
}

void DestinationTransfer::leaveOut(const std::string& why) {
  // The log may be on a machine that nobody looks at.
  if (row_.missing == 0) row_.error = shortened("left out (bestEffort): " + why);
  if (++row_.missing <= maxRefusalsLogged) log::warning(label() + ": " + why + "; it is left out (bestEffort)");
}

Status DestinationTransfer::createSlice(const Places& places, const Refused& refused) {
  if (places.empty()) return {};
  auto slice = unpackAged(places);
  auto* table = backEnd().tableFor(slice.front().table());
  auto* early = early_ ? early_->find(slice.front().table()) : nullptr;
  for (std::size_t at = 0; at < slice.size();) {
    BatchResult result{0, Error{SnmpStatus::wrongValue, "this device has no " + std::string{slice.front().table().name}}};
    if (table) result = table->create(vm_, std::span{slice}.subspan(at));
    for (std::size_t i = at; i < at + result.done; ++i) {
      places[i]->second.created = true;
      places[i]->second.differs = false;
      if (early) early->unseen.insert(places[i]);
    }
    at += result.done;
    if (!result.error) continue;
    auto text = describe(slice[at]) + " cannot be made: " + result.error->text;
    if (auto goesOn = refused(places[at], Error{result.error->status, std::move(text)}); !goesOn) return goesOn;
    ++at;
  }
  return {};
}

}  // namespace vmmig

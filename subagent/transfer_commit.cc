// SPDX-License-Identifier: GPL-2.0-or-later
// Commit at the destination, in slices: stale rows out, the image's rows in, everything read back and compared. What was done is
// noted before each turn of the event loop, so that an undo can begin at any of them. transfer_exchange.cc has the part of the
// tables that are exchanged: it comes last, because it is all or nothing by itself.
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
  if (!staging_->isWhole()) co_return finish(TransferOper::failed, notWhole());
  auto status = co_await keepFormer(work);
  if (!isCurrent(work)) co_return;
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
}

Task<Status> DestinationTransfer::removeStale(unsigned work) {
  std::vector<AnyRow> present;
  auto read = co_await readRows(work, Tables::rowByRow, present);
  if (!isCurrent(work) || !read) co_return read;
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
  Places places;
  for (const auto* table : mib::tables()) {
    if (isExchanged(*table)) continue;
    auto [at, end] = rows().of(*table);
    while (at != end) {
      places.clear();
      for (; at != end && places.size() < context().limits.sliceRows; ++at) places.push_back(at);
      if (auto created = createSlice(places); !created) co_return created;
      co_await nextTurn(loop());
      if (!isCurrent(work)) co_return Status{};
    }
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
  if (++row_.missing <= maxRefusalsLogged) log::warning(label() + ": " + why + "; it is left out (bestEffort)");
}

Status DestinationTransfer::createSlice(const Places& places) {
  auto slice = unpackAged(places);
  auto* table = backEnd().tableFor(slice.front().table());
  for (std::size_t at = 0; at < slice.size();) {
    BatchResult result{0, Error{SnmpStatus::wrongValue, "this device has no " + std::string{slice.front().table().name}}};
    if (table) result = table->create(vm_, std::span{slice}.subspan(at));
    for (std::size_t i = at; i < at + result.done; ++i) places[i]->second.created = true;
    at += result.done;
    if (!result.error) continue;
    auto text = describe(slice[at]) + " cannot be made: " + result.error->text;
    if (!isBestEffort()) return failure(text);
    leaveOut(text);
    ++at;
  }
  return {};
}

Task<Status> DestinationTransfer::verify(unsigned work) {
  ++reading_;
  Difference difference;
  Visitor compare = [this, &difference](TableBackEnd& table, const AnyRow& row) -> Status {
    readBack(table, row, difference);
    return {};
  };
  auto read = co_await forEachRow(work, std::move(compare));
  if (!isCurrent(work)) co_return Status{};
  if (!read) co_return failure("what was made cannot be read back: " + read.error().text);
  std::size_t looked = 0;
  for (auto at = rows().entries().begin(); at != rows().entries().end();) {
    auto entry = at++;
    if (!isSeen(entry->second)) {
      if (entry->second.created && difference.gone++ == 0) difference.example = describe(rows().unpack(*entry)) + " is not there";
      // An undo still removes what was created, hence it needs the entry; bestEffort has none behind it but the manager's own.
      if (isBestEffort() || !entry->second.created) rows().erase(entry);
    }
    if (++looked % context().limits.sliceRows != 0) continue;
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  row_.missing += difference.altered + difference.gone;
  co_return judge(difference);
}

void DestinationTransfer::readBack(TableBackEnd& table, const AnyRow& row, Difference& difference) {
  // What begins here by itself while the path still leads elsewhere is no part of the image.
  if (!table.moves(row)) return;
  auto found = rows().find(row);
  if (found == rows().entries().end()) {
    if (difference.surplus++ == 0) difference.example = describe(row) + " is there, but was not in the image";
    return;
  }
  if (!rows().unpack(*found).equals(row, Carry::exact) && difference.altered++ == 0)
    difference.example = describe(row) + " is there with other values";
  // From here on the entry is what is really there, and what signs of life are measured from.
  rows().put(row, Clock::now())->second.seenIn = reading_;
}

Status DestinationTransfer::judge(const Difference& difference) const {
  bool isEqual = difference.none() && row_.missing == 0 && staging_->isWhole();
  if (isEqual) return {};
  if (!isBestEffort()) return failure("what was made does not read back as it was written: " + difference.text());
  if (!difference.none()) log::warning(label() + ": read back with differences, kept (bestEffort): " + difference.text());
  return {};
}

std::string DestinationTransfer::Difference::text() const {
  if (none()) return "count or digest are not those of the end mark";
  return std::to_string(altered) + " rows altered, " + std::to_string(gone) + " gone, " + std::to_string(surplus) +
         " too many; first: " + example;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The end of a commit at the destination: what is really there is compared with the image. Tables that are followed have told of
// most rows already.
#include <algorithm>

#include "common/log.h"
#include "mibs/registry.h"
#include "subagent/transfer_destination.h"

namespace vmmig {

Task<Status> DestinationTransfer::verify(unsigned work) {
  ++reading_;
  Difference difference;
  for (const auto* table : mib::tables()) {
    auto* early = early_ ? early_->find(*table) : nullptr;
    auto* device = backEnd().tableFor(*table);
    Status looked;
    if (early)
      looked = co_await verifyDoubtful(work, *early, difference);
    else if (device)
      looked = co_await verifyByReading(work, *device, difference);
    else
      looked = co_await noteUnread(work, *table, difference);
    if (!isCurrent(work)) co_return Status{};
    if (!looked) co_return failure("what was made cannot be read back: " + looked.error().text);
  }
  row_.missing += difference.altered + difference.gone;
  co_return judge(difference);
}

Task<Status> DestinationTransfer::verifyDoubtful(unsigned work, EarlyTable& table, Difference& difference) {
  auto heard = co_await listen(work, table);
  if (!isCurrent(work) || !heard) co_return heard;
  if (!table.isRead || isMany(table.left.size() + table.unseen.size() + table.others.size()))
    co_return co_await verifyByReading(work, table.table, difference);
  table.left.merge(table.unseen);
  Places made{table.left.begin(), table.left.end()};
  std::vector<AnyRow> keys;
  for (auto place : made) keys.push_back(*rowOfKey(row_.uuid, place->first));
  for (const auto& key : table.others) keys.push_back(*rowOfKey(row_.uuid, key));
  for (std::size_t from = 0; from < keys.size();) {
    auto slice = std::span{keys}.subspan(from, std::min<std::size_t>(context().limits.sliceRows, keys.size() - from));
    auto found = table.table.findAll(vm_, slice);
    if (!found) co_return failure(found.error());
    for (std::size_t i = 0; i < slice.size(); ++i) {
      if ((*found)[i])
        readBack(table.table, *(*found)[i], difference);
      else if (from + i < made.size())
        noteMissing(made[from + i], difference);
    }
    from += slice.size();
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  co_return Status{};
}

Task<Status> DestinationTransfer::verifyByReading(unsigned work, TableBackEnd& table, Difference& difference) {
  Visitor compare = [this, &difference](TableBackEnd& each, const AnyRow& row) -> Status {
    readBack(each, row, difference);
    return {};
  };
  TableList tables{&table.table()};
  auto read = co_await forEachRowOf(work, std::move(tables), std::move(compare));
  if (!isCurrent(work) || !read) co_return read;
  co_return co_await noteUnread(work, table.table(), difference);
}

Task<Status> DestinationTransfer::noteUnread(unsigned work, const TableInfo& table, Difference& difference) {
  std::size_t looked = 0;
  auto& entries = rows().of(table);
  for (auto at = entries.begin(); at != entries.end();) {
    auto* entry = &*at++;  // it may be erased
    if (!isSeen(entry->second)) noteMissing(entry, difference);
    if (++looked % context().limits.sliceRows != 0) continue;
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  co_return Status{};
}

void DestinationTransfer::noteMissing(ImageRows::Place place, Difference& difference) {
  bool isCreated = place->second.created;
  if (isCreated && difference.gone++ == 0) difference.example = describe(rows().unpack(*place)) + " is not there";
  // An undo still removes what was created, hence it needs the entry; bestEffort has none behind it but the manager's own.
  if (isBestEffort() || !isCreated) rows().erase(place);
}

void DestinationTransfer::readBack(TableBackEnd& table, const AnyRow& row, Difference& difference) {
  // What begins here by itself while the path still leads elsewhere is no part of the image.
  if (!table.moves(row)) return;
  auto* found = rows().find(row);
  if (!found) {
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

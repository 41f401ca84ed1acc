// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/early_rows.h"

#include <algorithm>

#include "common/log.h"

namespace vmmig {

EarlyTable* EarlyRows::find(const TableInfo& table) {
  auto found = std::find_if(tables_.begin(), tables_.end(), [&](const auto& each) { return &each.table.table() == &table; });
  return found == tables_.end() ? nullptr : &*found;
}

bool EarlyRows::hasWork() const {
  return std::any_of(tables_.begin(), tables_.end(), [](const auto& each) { return each.hasWork(); });
}

std::size_t EarlyRows::waiting() const {
  std::size_t rows = 0;
  for (const auto& each : tables_) rows += each.toMake.size();
  return rows;
}

bool EarlyRows::isOurs(const AnyRow& row) {
  auto* place = rows_.find(row);
  if (place && place->second.created) return true;
  auto* table = find(row.table());
  return table && table->toRemove.contains(image::packKey(row));
}

void EarlyRows::onPut(Place place) {
  auto* table = find(rows_.tableOf(*place));
  if (!table) return;
  if (table->toRemove.erase(place->first) > 0) place->second.created = place->second.differs = true;
  drop(*table, place);
  table->toMake.insert(place);
}

void EarlyRows::onErase(Place place) {
  auto* table = find(rows_.tableOf(*place));
  if (!table) return;
  drop(*table, place);
  if (place->second.created) table->toRemove.insert(place->first);
}

void EarlyRows::drop(EarlyTable& table, Place place) {
  table.toMake.erase(place);
  table.left.erase(place);
  table.unseen.erase(place);
}

EarlyRows::Place EarlyRows::note(EarlyTable& table, const AnyRow& row) {
  auto key = image::packKey(row);
  auto* place = rows_.find(row.table(), key);
  bool isOurs = place && place->second.created;
  if (!isOurs) {
    if (!table.toRemove.contains(key)) table.others.insert(std::move(key));
    return place;
  }
  table.others.erase(key);
  table.unseen.erase(place);
  // It will be made anew, whatever it is now.
  if (table.toMake.contains(place)) return place;
  if (!rows_.unpack(*place).equals(row, Carry::exact)) {
    place->second.differs = true;
    table.left.insert(place);
    return place;
  }
  if (table.isClosing) table.left.erase(place);
  // What signs of life are measured from.
  rows_.refresh(place, row, Clock::now());
  return place;
}

void EarlyRows::noteGone(EarlyTable& table, const std::string& key) {
  table.others.erase(key);
  if (table.toRemove.erase(key) > 0) file_.drop(key);
  auto* place = rows_.find(table.table.table(), key);
  if (!place || !place->second.created) return;
  table.unseen.erase(place);
  if (!table.toMake.contains(place)) table.left.insert(place);
  if (table.isClosing) return;
  // Whoever makes it now is another.
  place->second.created = false;
  file_.drop(key);
}

void EarlyRows::beginReading(EarlyTable& table) {
  table.others.clear();
  table.gone.clear();
  table.isRead = false;
}

void EarlyRows::noteUnread(EarlyTable& table, std::uint32_t reading) {
  for (auto& entry : rows_.of(table.table.table())) {
    // One that left the image and came back during the reading was told as nobody's; it will be made anew, there or not.
    bool isUnread = entry.second.created && entry.second.seenIn != reading && !table.toMake.contains(&entry);
    if (isUnread) noteGone(table, entry.first);
  }
  table.isRead = true;
}

std::vector<EarlyRows::Place> EarlyRows::pick(EarlyTable& table, std::size_t most) {
  std::vector<Place> places;
  while (!table.toMake.empty() && places.size() < most) {
    auto place = *table.toMake.begin();
    table.toMake.erase(table.toMake.begin());
    if (!table.isClosing && table.others.contains(place->first))
      table.left.insert(place);
    else
      places.push_back(place);
  }
  return places;
}

Status EarlyRows::announce(const std::vector<Place>& places) {
  for (auto place : places)
    if (!place->second.created) file_.add(place->first);
  return file_.flush();
}

void EarlyRows::settle(EarlyTable& table, const std::vector<Place>& places) {
  for (auto place : places) {
    if (table.unseen.contains(place)) continue;
    table.left.insert(place);
    if (!place->second.created) file_.drop(place->first);
  }
  flush();
}

std::vector<AnyRow> EarlyRows::someToRemove(EarlyTable& table, std::size_t most) const {
  std::vector<AnyRow> keys;
  for (auto at = table.toRemove.begin(); at != table.toRemove.end() && keys.size() < most; ++at)
    keys.push_back(*rowOfKey(vm_, *at));
  return keys;
}

void EarlyRows::removed(EarlyTable& table, const AnyRow& key) {
  auto packed = image::packKey(key);
  table.toRemove.erase(packed);
  file_.drop(packed);
}

EarlyTable::Keys EarlyRows::ours() const {
  EarlyTable::Keys keys;
  for (const auto& [subid, entries] : rows_.tables())
    for (const auto& [key, entry] : entries)
      if (entry.created) keys.insert(key);
  for (const auto& table : tables_) keys.insert(table.toRemove.begin(), table.toRemove.end());
  return keys;
}

// What is not written here is only taken back once too often after a crash: what is gone already is no error.
void EarlyRows::flush() {
  if (!file_.exists()) return;
  auto written = file_.isWasteful() ? file_.rewrite(ours()) : file_.flush();
  if (!written) log::warning(written.error().text);
}

}  // namespace vmmig

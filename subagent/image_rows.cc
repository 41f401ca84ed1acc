// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/image_rows.h"

#include "mibs/registry.h"

namespace vmmig {

ImageRows::Place ImageRows::find(const TableInfo& table, const std::string& key) {
  auto& entries = of(table);
  auto found = entries.find(key);
  return found == entries.end() ? nullptr : &*found;
}

ImageRows::Place ImageRows::put(const AnyRow& row, std::string octets, Clock::time_point at) {
  auto [found, isNew] = of(row.table()).try_emplace(image::packKey(row));
  auto* place = &*found;
  change(place, isNew ? std::nullopt : std::optional{unpack(*place)}, row, std::move(octets), at);
  return place;
}

void ImageRows::change(Place place, const AnyRow& before, const AnyRow& row, Clock::time_point at) {
  change(place, std::optional{before}, row, image::packRow(row, image::Form::full), at);
}

void ImageRows::change(Place place, const std::optional<AnyRow>& before, const AnyRow& row, std::string octets,
                       Clock::time_point at) {
  place->second.octets = std::move(octets);
  place->second.at = at;
  // What a clock changes is not in the digest.
  if (before && before->equals(row, Carry::exact)) return;
  place->second.differs = true;
  if (before) digest_.remove(*before);
  digest_.add(row);
}

void ImageRows::erase(Place place) {
  digest_.remove(unpack(*place));
  of(tableOf(*place)).erase(place->first);
}

ImageRows::Map::iterator ImageRows::erase(Map& table, Map::iterator at) {
  digest_.remove(unpack(*at));
  return table.erase(at);
}

void ImageRows::refresh(Place place, const AnyRow& row, Clock::time_point at) {
  place->second.octets = image::packRow(row, image::Form::full);
  place->second.at = at;
}

// The key begins with the table's number (image::packKey), and the octets are our own packing: neither can fail.
const TableInfo& ImageRows::tableOf(const Map::value_type& entry) { return *mib::table(*OerReader{entry.first}.uint16()); }

AnyRow ImageRows::unpack(const Map::value_type& entry) const {
  return image::unpackRow(tableOf(entry), vm_, entry.second.octets).value();
}

std::optional<AnyRow> rowOfKey(const Uuid& vm, std::string_view key) {
  OerReader in{key};
  auto subid = in.uint16();
  const auto* table = subid ? mib::table(*subid) : nullptr;
  if (!table || !table->moves) return std::nullopt;
  AnyRow row{*table};
  table->index().front().set(row.data(), Codec<Uuid>::toValue(vm));
  for (const auto& column : table->index().subspan(1))
    if (!column.decode(in, row.data())) return std::nullopt;
  if (!in.atEnd()) return std::nullopt;
  return row;
}

}  // namespace vmmig

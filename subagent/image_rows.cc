// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/image_rows.h"

#include "mibs/registry.h"

namespace vmmig {

ImageRows::Map::iterator ImageRows::put(const AnyRow& row, std::string octets, Clock::time_point at) {
  auto [place, isNew] = entries_.try_emplace(image::packKey(row));
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

std::pair<ImageRows::Map::iterator, ImageRows::Map::iterator> ImageRows::of(const TableInfo& table) {
  auto prefix = [](std::uint32_t subid) { return std::string{static_cast<char>(subid >> 8), static_cast<char>(subid)}; };
  return {entries_.lower_bound(prefix(table.subid)), entries_.lower_bound(prefix(table.subid + 1))};
}

void ImageRows::erase(const AnyRow& key) {
  if (auto found = find(key); found != entries_.end()) erase(found);
}

ImageRows::Map::iterator ImageRows::erase(Map::iterator at) {
  digest_.remove(unpack(*at));
  return entries_.erase(at);
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

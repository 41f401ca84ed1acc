// SPDX-License-Identifier: GPL-2.0-or-later
// The moving rows of one VM as a transfer knows them, packed to be small, with their count and digest always up to date.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/event_loop.h"
#include "mibs/image.h"

namespace vmmig {

class ImageRows {
 public:
  struct Entry {
    std::string octets;        // image::packRow, full
    Clock::time_point at;      // when its clock columns were true
    std::uint32_t seenIn = 0;  // the number of the reading that saw it last
    bool created = false;      // destination: made on the device by this transfer
    bool differs = false;      // what was made has other values than these, also where no packet changes them
    Clock::time_point ends = Clock::time_point::max();  // source: when it goes by itself, if that is soon
  };
  /// By image::packKey, hence table after table. Iterators stay valid while others are put and erased.
  using Map = std::map<std::string, Entry>;
  using Place = Map::iterator;

  explicit ImageRows(const Uuid& vm) : vm_(vm) {}

  const Map& entries() const { return entries_; }
  Map& entries() { return entries_; }
  /// Those of one table: from, and behind the last.
  std::pair<Map::iterator, Map::iterator> of(const TableInfo& table);
  Map::iterator find(const AnyRow& row) { return entries_.find(image::packKey(row)); }

  /// Adds it, or replaces the one of its key; what is known of that one besides its columns stays.
  Map::iterator put(const AnyRow& row, Clock::time_point at) { return put(row, image::packRow(row, image::Form::full), at); }
  /// `octets`: image::packRow, full.
  Map::iterator put(const AnyRow& row, std::string octets, Clock::time_point at);
  /// As put(), for one that is there: `before` is what unpack() has of it.
  void change(Place place, const AnyRow& before, const AnyRow& row, Clock::time_point at);
  void erase(const AnyRow& key);
  Map::iterator erase(Map::iterator at);

  /// The row itself, as put.
  AnyRow unpack(const Map::value_type& entry) const;
  static const TableInfo& tableOf(const Map::value_type& entry);

  /// It is there with the same columns but those that a clock and packets change: takes those of `row`.
  void refresh(Place place, const AnyRow& row, Clock::time_point at);

  const image::Digest& digest() const { return digest_; }
  std::uint32_t size() const { return digest_.rows(); }

 private:
  void change(Place place, const std::optional<AnyRow>& before, const AnyRow& row, std::string octets, Clock::time_point at);

  Uuid vm_;
  Map entries_;
  image::Digest digest_;
};

/// A row of which only the INDEX counts; nothing when it is no image::packKey.
std::optional<AnyRow> rowOfKey(const Uuid& vm, std::string_view key);

}  // namespace vmmig

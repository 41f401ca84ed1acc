// SPDX-License-Identifier: GPL-2.0-or-later
// The moving rows of one VM as a transfer knows them, packed to be small, with their count and digest always up to date.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

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
  /// By image::packKey. A tree would cost a cache miss for each of its 17 levels, at 100,000 rows; they are looked up in the
  /// stop.
  using Map = std::unordered_map<std::string, Entry>;
  /// Stays valid while others are put and erased.
  using Place = Map::value_type*;

  explicit ImageRows(const Uuid& vm) : vm_(vm) {}

  /// By the table's number. A walk through a table may erase, but must not put.
  std::map<std::uint32_t, Map>& tables() { return tables_; }
  const std::map<std::uint32_t, Map>& tables() const { return tables_; }
  Map& of(const TableInfo& table) { return tables_[table.subid]; }
  /// nullptr: it is not there.
  Place find(const AnyRow& row) { return find(row.table(), image::packKey(row)); }
  /// By image::packKey.
  Place find(const TableInfo& table, const std::string& key);

  /// Adds it, or replaces the one of its key; what is known of that one besides its columns stays.
  Place put(const AnyRow& row, Clock::time_point at) { return put(row, image::packRow(row, image::Form::full), at); }
  /// `octets`: image::packRow, full.
  Place put(const AnyRow& row, std::string octets, Clock::time_point at);
  /// As put(), for one that is there: `before` is what unpack() has of it.
  void change(Place place, const AnyRow& before, const AnyRow& row, Clock::time_point at);
  void erase(Place place);
  /// In a walk through `table`: the next one.
  Map::iterator erase(Map& table, Map::iterator at);

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
  std::map<std::uint32_t, Map> tables_;
  image::Digest digest_;
};

/// A row of which only the INDEX counts; nothing when it is no image::packKey.
std::optional<AnyRow> rowOfKey(const Uuid& vm, std::string_view key);

}  // namespace vmmig

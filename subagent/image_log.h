// SPDX-License-Identifier: GPL-2.0-or-later
// The source's end of a packed image: the append-only chunks, and what they told so far, so that a later reading appends only
// what differs.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "subagent/image_rows.h"
#include "subagent/transfer_limits.h"

namespace vmmig {

class ImageLog {
 public:
  ImageLog(const Uuid& vm, const TransferLimits& limits);

  /// A row is there as of now: tells it, unless it was told and only time has passed since. Errors: resourceUnavailable.
  Status observe(const AnyRow& row, Clock::time_point now);
  /// A row is not there any more: tells it when it was told to be there.
  void remove(const AnyRow& key);
  /// As it was told last; nothing when it is not told to be there.
  std::optional<AnyRow> find(const AnyRow& key);
  /// From here on what is not observed of these tables any more counts as gone.
  void beginReading(std::span<const TableInfo* const> tables);
  /// Looks at the next `most` rows of the tables that are read, and tells of those that are gone; false when all have been looked
  /// at.
  bool removeGone(std::size_t most);
  /// Tells of the rows that will have ended by themselves at `when` (at most nearEnd from now) as if they were gone.
  void removeEnding(Clock::time_point when);
  static constexpr std::chrono::minutes nearEnd{15};

  /// Makes everything that was told readable.
  Status flush();
  /// The end mark: no more will follow.
  Status end();

  /// The end of it: nothing but the chunks is left.
  ImageRows takeRows() { return std::move(rows_); }

  /// Chunk n stands at n - 1.
  const std::vector<std::string>& chunks() const { return chunks_; }
  std::uint64_t octets() const { return octets_; }
  const image::Digest& digest() const { return rows_.digest(); }

 private:
  using Place = ImageRows::Place;
  Status takeChunks();
  void noteEnd(Place place, const AnyRow& row);
  void forgetEnd(Place place);
  void tellGone(Place place);
  void drop(Place place);

  const TransferLimits& limits_;
  image::ChunkWriter writer_;
  std::vector<std::string> chunks_;
  std::uint64_t octets_ = 0;
  ImageRows rows_;
  std::uint32_t reading_ = 1;
  // The tables that are read, and how far the sweep of the first is; it begins behind the reading.
  std::deque<ImageRows::Map*> swept_;
  std::optional<ImageRows::Map::iterator> sweep_;
  // Rows that end before long, and when.
  std::set<std::pair<Clock::time_point, Place>> ending_;
};

}  // namespace vmmig

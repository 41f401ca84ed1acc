// SPDX-License-Identifier: GPL-2.0-or-later
// The source's end of a packed image: the append-only chunks, and what they told so far, so that a later reading appends only
// what differs.
#pragma once

#include <string>
#include <vector>

#include "subagent/image_rows.h"
#include "subagent/transfer_limits.h"

namespace vmmig {

class ImageLog {
 public:
  ImageLog(const Uuid& vm, const TransferLimits& limits);

  /// A row is there as of now: tells it, unless it was told and only time has passed since. Errors: resourceUnavailable.
  Status observe(const AnyRow& row, Clock::time_point now);
  /// From here on what is not observed any more counts as gone.
  void beginReading();
  /// Looks at the next `most` rows and tells of those that are gone; false when all have been looked at.
  bool removeGone(std::size_t most);

  /// Makes everything that was told readable.
  Status flush();
  /// The end mark: no more will follow.
  Status end();

  /// Chunk n stands at n - 1.
  const std::vector<std::string>& chunks() const { return chunks_; }
  std::uint64_t octets() const { return octets_; }
  const image::Digest& digest() const { return rows_.digest(); }

 private:
  Status takeChunks();

  const TransferLimits& limits_;
  image::ChunkWriter writer_;
  std::vector<std::string> chunks_;
  std::uint64_t octets_ = 0;
  ImageRows rows_;
  std::uint32_t reading_ = 1;
  ImageRows::Map::iterator sweep_;
};

}  // namespace vmmig

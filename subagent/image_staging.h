// SPDX-License-Identifier: GPL-2.0-or-later
// The destination's end of a packed image: chunks that arrive in any order, each once, and the rows that they come to as far as
// the chunks have no gap.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "subagent/image_rows.h"
#include "subagent/transfer_limits.h"

namespace vmmig {

/// Whom an image's rows concern while they arrive.
class ImageWatcher {
 public:
  virtual ~ImageWatcher() = default;
  /// The image has this row, new or anew.
  virtual void onPut(ImageRows::Place place) = 0;
  /// It is about to have it no more.
  virtual void onErase(ImageRows::Place place) = 0;
};

class ImageStaging {
 public:
  ImageStaging(const Uuid& vm, const TransferLimits& limits) : vm_(vm), limits_(limits), rows_(vm) {}

  /// Null: nobody.
  void watch(ImageWatcher* watcher) { watcher_ = watcher; }

  /// May this chunk come? Its records when it is new, none when it is here already; they stand until the next call. Errors:
  /// inconsistentName (no such number), inconsistentValue (not what this number was, or not its place), resourceUnavailable,
  /// wrongEncoding, wrongValue.
  Result<std::span<const image::Record>> check(std::uint32_t number, const std::string& data);
  /// Keeps a chunk that check() allowed, and applies it when none is missing before it.
  void take(std::uint32_t number, const std::string& data, Clock::time_point now);
  /// Applies the next chunk that waited for an earlier one; false when none does.
  bool takeWaiting(Clock::time_point now);

  /// By number.
  const std::map<std::uint32_t, std::string>& chunks() const { return chunks_; }
  /// Chunks 1..n are here, and so many octets of them.
  std::uint32_t inOrder() const { return inOrder_; }
  std::uint64_t octetsInOrder() const { return octetsInOrder_; }
  bool isComplete() const { return endNumber_ && inOrder_ == *endNumber_; }
  /// Are all chunks here, even if some still have to be applied?
  bool hasArrived() const { return endNumber_ && chunks_.size() == *endNumber_; }
  /// What the end mark says; the image is complete.
  const image::End& end() const { return *end_; }
  /// Are the rows those of the end mark?
  bool isWhole() const { return isComplete() && rows_.size() == end_->rows && rows_.digest().octets() == end_->digest; }

  ImageRows& rows() { return rows_; }
  const ImageRows& rows() const { return rows_; }
  /// The rows stay; their chunks are not needed any more.
  void dropChunks() { chunks_.clear(); }

 private:
  using Records = std::vector<image::Record>;
  /// What check() has read and take() will want.
  struct Checked {
    std::string data;
    Records records;
  };
  static constexpr std::size_t mostChecked = 64;  // chunks of one SET

  void apply(const Records& records, std::size_t octets, Clock::time_point now);
  void put(const image::Put& put, Clock::time_point now);
  std::optional<Records> takeChecked(std::uint32_t number, const std::string& data);
  void erase(const AnyRow& key);

  Uuid vm_;
  const TransferLimits& limits_;
  std::map<std::uint32_t, std::string> chunks_;
  std::map<std::uint32_t, Checked> checked_;
  std::uint64_t octets_ = 0;
  std::size_t records_ = 0;  // of all chunks
  std::uint32_t inOrder_ = 0;
  std::uint64_t octetsInOrder_ = 0;
  std::optional<std::uint32_t> endNumber_;
  std::optional<image::End> end_;
  ImageRows rows_;
  ImageWatcher* watcher_ = nullptr;
};

}  // namespace vmmig

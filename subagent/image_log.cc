// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/image_log.h"

#include <utility>

#include "subagent/transfer_clock.h"

namespace vmmig {

ImageLog::ImageLog(const Uuid& vm, const TransferLimits& limits) : limits_(limits), writer_(limits.chunkOctets), rows_(vm) {}

Status ImageLog::observe(const AnyRow& row, Clock::time_point now) {
  auto* place = rows_.find(row);
  if (place) {
    place->second.seenIn = reading_;
    auto before = rows_.unpack(*place);
    if (isUndisturbed(before, row, now - place->second.at)) return {};
    forgetEnd(place);
    rows_.change(place, before, row, now);
  } else if (rows_.size() >= limits_.maxRows) {
    return failure(SnmpStatus::resourceUnavailable, "the VM has more than " + std::to_string(limits_.maxRows) + " rows");
  } else {
    place = rows_.put(row, now);
    place->second.seenIn = reading_;
  }
  noteEnd(place, row);
  writer_.put(row.table(), place->second.octets);
  return takeChunks();
}

void ImageLog::noteEnd(Place place, const AnyRow& row) {
  auto& entry = place->second;
  auto life = remainingLifeSeconds(row);
  if (!life || std::chrono::seconds{*life} > nearEnd) return;
  entry.ends = entry.at + std::chrono::seconds{*life};
  ending_.emplace(entry.ends, place);
}

void ImageLog::forgetEnd(Place place) {
  auto& entry = place->second;
  ending_.erase({entry.ends, place});
  entry.ends = Clock::time_point::max();
}

void ImageLog::tellGone(Place place) {
  forgetEnd(place);
  writer_.remove(rows_.unpack(*place));
}

void ImageLog::drop(Place place) {
  tellGone(place);
  rows_.erase(place);
}

void ImageLog::remove(const AnyRow& key) {
  if (auto* found = rows_.find(key)) drop(found);
}

void ImageLog::removeEnding(Clock::time_point when) {
  while (!ending_.empty() && ending_.begin()->first <= when) drop(ending_.begin()->second);
}

std::optional<AnyRow> ImageLog::find(const AnyRow& key) {
  auto* place = rows_.find(key);
  return place ? std::optional{rows_.unpack(*place)} : std::nullopt;
}

void ImageLog::beginReading(std::span<const TableInfo* const> tables) {
  ++reading_;
  swept_.clear();
  sweep_.reset();
  for (const auto* table : tables) swept_.push_back(&rows_.of(*table));
}

bool ImageLog::removeGone(std::size_t most) {
  for (; !swept_.empty(); swept_.pop_front(), sweep_.reset()) {
    auto& rows = *swept_.front();
    if (!sweep_) sweep_ = rows.begin();
    for (; most > 0 && *sweep_ != rows.end(); --most) {
      if ((*sweep_)->second.seenIn == reading_) {
        ++*sweep_;
        continue;
      }
      tellGone(&**sweep_);
      sweep_ = rows_.erase(rows, *sweep_);
    }
    if (*sweep_ != rows.end()) return true;
  }
  return false;
}

Status ImageLog::takeChunks() {
  for (auto& chunk : writer_.take()) {
    octets_ += chunk.size();
    chunks_.push_back(std::move(chunk));
  }
  if (chunks_.size() > limits_.maxChunks || octets_ > limits_.maxOctets)
    return failure(SnmpStatus::resourceUnavailable, "the VM's image has more than " + std::to_string(limits_.maxChunks) +
                                                        " chunks or " + std::to_string(limits_.maxOctets) + " octets");
  return {};
}

Status ImageLog::flush() {
  writer_.flush();
  return takeChunks();
}

Status ImageLog::end() {
  writer_.end(rows_.digest());
  return takeChunks();
}

}  // namespace vmmig

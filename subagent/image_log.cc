// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/image_log.h"

#include <tuple>

#include "subagent/transfer_clock.h"

namespace vmmig {

ImageLog::ImageLog(const Uuid& vm, const TransferLimits& limits)
    : limits_(limits), writer_(limits.chunkOctets), rows_(vm), sweep_(rows_.entries().end()), sweepEnd_(sweep_) {}

Status ImageLog::observe(const AnyRow& row, Clock::time_point now) {
  auto place = rows_.find(row);
  if (place != rows_.entries().end()) {
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

void ImageLog::noteEnd(const Place& place, const AnyRow& row) {
  auto& [key, entry] = *place;
  auto life = remainingLifeSeconds(row);
  if (!life || std::chrono::seconds{*life} > nearEnd) return;
  entry.ends = entry.at + std::chrono::seconds{*life};
  ending_.emplace(entry.ends, key);
}

void ImageLog::forgetEnd(const Place& place) {
  auto& [key, entry] = *place;
  ending_.erase({entry.ends, key});
  entry.ends = Clock::time_point::max();
}

ImageLog::Place ImageLog::drop(Place place) {
  forgetEnd(place);
  writer_.remove(rows_.unpack(*place));
  return rows_.erase(place);
}

void ImageLog::remove(const AnyRow& key) {
  if (auto found = rows_.find(key); found != rows_.entries().end()) drop(found);
}

void ImageLog::removeEnding(Clock::time_point when) {
  while (!ending_.empty() && ending_.begin()->first <= when) drop(rows_.entries().find(std::string{ending_.begin()->second}));
}

std::optional<AnyRow> ImageLog::find(const AnyRow& key) {
  auto place = rows_.find(key);
  return place == rows_.entries().end() ? std::nullopt : std::optional{rows_.unpack(*place)};
}

void ImageLog::beginReading(const TableInfo& table) {
  ++reading_;
  read_ = &table;
}

bool ImageLog::removeGone(std::size_t most) {
  if (read_) std::tie(sweep_, sweepEnd_) = rows_.of(*std::exchange(read_, nullptr));
  for (; most > 0 && sweep_ != sweepEnd_; --most) sweep_ = sweep_->second.seenIn == reading_ ? std::next(sweep_) : drop(sweep_);
  return sweep_ != sweepEnd_;
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

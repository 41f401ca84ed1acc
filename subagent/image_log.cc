// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/image_log.h"

#include "subagent/transfer_clock.h"

namespace vmmig {

ImageLog::ImageLog(const Uuid& vm, const TransferLimits& limits)
    : limits_(limits), writer_(limits.chunkOctets), rows_(vm), sweep_(rows_.entries().end()) {}

Status ImageLog::observe(const AnyRow& row, Clock::time_point now) {
  if (auto found = rows_.find(row); found != rows_.entries().end()) {
    found->second.seenIn = reading_;
    auto before = rows_.unpack(*found);
    if (before.equals(row, Carry::exact) && before.equals(row, Carry::traffic) && explainedByTime(before, row, now - found->second.at)) return {};
  } else if (rows_.size() >= limits_.maxRows) {
    return failure(SnmpStatus::resourceUnavailable, "the VM has more than " + std::to_string(limits_.maxRows) + " rows");
  }
  rows_.put(row, now).seenIn = reading_;
  writer_.put(row);
  return takeChunks();
}

void ImageLog::beginReading() {
  ++reading_;
  sweep_ = rows_.entries().begin();
}

bool ImageLog::removeGone(std::size_t most) {
  for (; most > 0 && sweep_ != rows_.entries().end(); --most) {
    if (sweep_->second.seenIn == reading_) {
      ++sweep_;
      continue;
    }
    writer_.remove(rows_.unpack(*sweep_));
    sweep_ = rows_.erase(sweep_);
  }
  return sweep_ != rows_.entries().end();
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

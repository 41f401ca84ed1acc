// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/image_staging.h"

namespace vmmig {

namespace {

const image::End* endOf(const std::vector<image::Record>& records) {
  return records.empty() ? nullptr : std::get_if<image::End>(&records.back());
}

}  // namespace

Result<std::span<const image::Record>> ImageStaging::check(std::uint32_t number, const std::string& data) {
  if (auto here = chunks_.find(number); here != chunks_.end()) {
    if (here->second == data) return std::span<const image::Record>{};
    return failure(SnmpStatus::inconsistentValue,
                   "it arrived before with another content; abort, and begin again with a higher epoch");
  }
  if (number > limits_.maxChunks)
    return failure(SnmpStatus::inconsistentName,
                   "this device takes " + std::to_string(limits_.maxChunks) + " chunks of an image");
  if (endNumber_ && number > *endNumber_)
    return failure(SnmpStatus::inconsistentValue, "the image ended with chunk " + std::to_string(*endNumber_));
  if (octets_ + data.size() > limits_.maxOctets)
    return failure(SnmpStatus::resourceUnavailable,
                   "this device takes " + std::to_string(limits_.maxOctets) + " octets of an image");
  auto records = image::readChunk(vm_, data);
  if (!records) return failure(records.error());
  if (endOf(*records) && !chunks_.empty() && (endNumber_ || chunks_.rbegin()->first > number))
    return failure(SnmpStatus::inconsistentValue, "it has an end mark, but is not the last chunk");
  // Those that wait for an earlier chunk count as well.
  if (records_ + records->size() > limits_.maxRows)
    return failure(SnmpStatus::resourceUnavailable, "this device takes " + std::to_string(limits_.maxRows) + " rows of an image");
  // Those of a SET that was refused elsewhere are never taken.
  if (checked_.size() >= mostChecked) checked_.clear();
  return checked_.insert_or_assign(number, Checked{data, std::move(*records)}).first->second.records;
}

std::optional<ImageStaging::Records> ImageStaging::takeChecked(std::uint32_t number, const std::string& data) {
  auto checked = checked_.extract(number);
  if (checked && checked.mapped().data == data) return std::move(checked.mapped().records);
  auto records = image::readChunk(vm_, data);
  return records ? std::optional{std::move(*records)} : std::nullopt;
}

void ImageStaging::take(std::uint32_t number, const std::string& data, Clock::time_point now) {
  auto records = takeChecked(number, data);
  if (!records || !chunks_.try_emplace(number, data).second) return;
  octets_ += data.size();
  records_ += records->size();
  if (const auto* end = endOf(*records); end && !endNumber_) {
    endNumber_ = number;
    end_ = *end;
  }
  if (number == inOrder_ + 1) apply(*records, data.size(), now);
}

bool ImageStaging::takeWaiting(Clock::time_point now) {
  auto next = chunks_.find(inOrder_ + 1);
  if (next == chunks_.end()) return false;
  // It could be read when it came.
  apply(image::readChunk(vm_, next->second).value(), next->second.size(), now);
  return true;
}

void ImageStaging::apply(const Records& records, std::size_t octets, Clock::time_point now) {
  octetsInOrder_ += octets;
  ++inOrder_;
  for (const auto& record : records) {
    if (const auto* put = std::get_if<image::Put>(&record)) this->put(*put, now);
    if (const auto* removed = std::get_if<image::Remove>(&record)) erase(removed->key);
  }
}

void ImageStaging::put(const image::Put& put, Clock::time_point now) {
  auto place = rows_.put(put.row, put.octets, now);
  if (watcher_) watcher_->onPut(place);
}

void ImageStaging::erase(const AnyRow& key) {
  auto* place = rows_.find(key);
  if (!place) return;
  if (watcher_) watcher_->onErase(place);
  rows_.erase(place);
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/image_copier.h"

#include <algorithm>

#include "manager/backoff.h"
#include "manager/counted.h"
#include "mibs/image_table.h"

namespace vmmig {

namespace {
const std::vector<std::string_view> statusColumns = {
    "vmMigTransferEpoch",       "vmMigTransferOperStatus",  "vmMigTransferRows",   "vmMigTransferChunks",
    "vmMigTransferOctets",      "vmMigTransferComplete",    "vmMigTransferDigest", "vmMigTransferError",
    "vmMigTransferBlockedTime", "vmMigTransferLastReadTime"};
}

Task<Status> ImageCopier::run(SourceSeen seen) {
  Backoff backoff;
  while (!isHalted()) {
    TransferRow key;
    key.uuid = vm_;
    auto answer = co_await source_.read(key, statusColumns);
    if (!answer) {
      fail(answer.error());
      break;
    }
    if (!*answer) {
      fail({SnmpStatus::genErr, source_.name() + " has lost the transfer; was its vmmigd restarted?"});
      break;
    }
    const auto& row = (*answer)->as<TransferRow>();
    bool isOurs = row.epoch == epoch_;
    seen(row);
    if (isOurs && row.chunks > available_) {
      available_ = row.chunks;
      backoff.reset();
      pump();
    }
    // There is nothing left to look for, and the last chunks would wait for the look's answer.
    if (isOurs && row.complete) break;
    bool isHurried = hurried_;
    co_await wakeup_.wait(loop_, hurried_ ? backoff.next() : options_.idlePoll);
    if (hurried_ && !isHurried) backoff.reset();
  }
  while (gets_ + sets_ > 0) co_await wakeup_.wait(loop_, std::chrono::seconds{1});
  if (error_) co_return failure(*error_);
  if (stopped_) co_return failure("the copy was given up");
  co_return Status{};
}

void ImageCopier::hurry() {
  hurried_ = true;
  census_.postpone();
  wakeup_.notify();
}

void ImageCopier::stop() {
  stopped_ = true;
  wakeup_.notify();
}

void ImageCopier::pump() {
  while (!isHalted() && sets_ < options_.maxSets && !fetched_.empty()) {
    auto chunk = std::move(fetched_.front());
    fetched_.pop_front();
    ++sets_;
    spawn(store(std::move(chunk)));
  }
  // What was read waits for its turn to be written; do not read further ahead than that.
  auto waiting = [this] { return static_cast<int>(fetched_.size()); };
  while (!isHalted() && gets_ + waiting() < options_.maxGets && next_ <= available_) {
    ++gets_;
    spawn(fetch(next_++));
  }
}

Task<> ImageCopier::fetch(std::uint32_t number) {
  ImageRow key{.uuid = vm_, .epoch = {epoch_}, .number = {number}, .data = {}};
  std::vector<std::string_view> columns{"vmMigImageData"};
  auto answer = co_await source_.read(key, columns);
  --gets_;
  if (!answer)
    fail(answer.error());
  else if (!*answer)
    fail({SnmpStatus::genErr, source_.name() + " has no chunk " + std::to_string(number) + " of its image any more"});
  else
    fetched_.push_back({number, std::move((*answer)->as<ImageRow>().data.value)});
  bool isRead = answer && *answer;
  std::string octets = isRead ? fetched_.back().data : std::string{};
  pump();
  // Behind the requests, which others wait for.
  if (isRead) census_.add(number, std::move(octets));
  if (gets_ + sets_ == 0) wakeup_.notify();
}

Task<> ImageCopier::store(Chunk chunk) {
  auto size = chunk.data.size();
  if (options_.maxChunkSize != 0 && size > options_.maxChunkSize) {
    fail({SnmpStatus::wrongLength, "chunk " + std::to_string(chunk.number) + " has " + counted(size, "octet") + ", and " +
                                       destination_.name() + " takes " + std::to_string(options_.maxChunkSize) +
                                       "; use --row-by-row or make vmMigMaxChunkSize equal"});
  } else {
    ImageRow row{.uuid = vm_, .epoch = {epoch_}, .number = {chunk.number}, .data = {std::move(chunk.data)}};
    std::vector<std::string_view> columns{"vmMigImageData"};
    auto answer = co_await destination_.write(row, columns);
    if (!answer) {
      fail(answer.error());
    } else {
      ++totals_.chunks;
      totals_.octets += size;
    }
  }
  --sets_;
  pump();
  if (gets_ + sets_ == 0) wakeup_.notify();
}

void ImageCopier::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

}  // namespace vmmig

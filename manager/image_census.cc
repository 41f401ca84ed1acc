// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/image_census.h"

#include <functional>

#include "mibs/image_keys.h"

namespace vmmig {

void ImageCensus::add(std::uint32_t number, std::string chunk) {
  waiting_.emplace(number, std::move(chunk));
  if (!isPostponed_) countUp();
}

std::map<std::string, std::uint32_t> ImageCensus::rows() {
  countUp();
  std::map<std::string, std::uint32_t> result;
  if (isWrong_) return result;
  for (const auto& [table, keys] : keys_)
    if (!keys.empty()) result[std::string{table}] = static_cast<std::uint32_t>(keys.size());
  return result;
}

/// In their order, as a row may come, go and come again.
void ImageCensus::countUp() {
  for (auto at = waiting_.find(next_); at != waiting_.end(); at = waiting_.find(++next_)) {
    if (!isWrong_ && !count(at->second)) isWrong_ = true;
    waiting_.erase(at);
  }
}

bool ImageCensus::count(std::string_view chunk) {
  return image::forEachKey(chunk, [this](const TableInfo& table, bool isPut, std::string_view key) {
    auto& keys = keys_[table.name];
    auto hash = std::hash<std::string_view>{}(key);
    if (isPut)
      keys.insert(hash);
    else
      keys.erase(hash);
  });
}

}  // namespace vmmig

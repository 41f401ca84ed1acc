// SPDX-License-Identifier: GPL-2.0-or-later
// How many rows of each table an image holds, by the chunks that pass through the manager: for reports. What comes while the VM
// is stopped is counted later, since the VM waits.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>

namespace vmmig {

class ImageCensus {
 public:
  /// Chunk `number`, from 1, each once and in any order.
  void add(std::uint32_t number, std::string chunk);
  /// From now on chunks are kept until rows() asks.
  void postpone() { isPostponed_ = true; }
  /// By the table's descriptor, as far as there was no gap in the chunks. What is no image ends the counting, and tells nothing.
  std::map<std::string, std::uint32_t> rows();

 private:
  void countUp();
  bool count(std::string_view chunk);

  std::map<std::uint32_t, std::string> waiting_;
  std::uint32_t next_ = 1;
  bool isPostponed_ = false, isWrong_ = false;
  std::map<std::string_view, std::unordered_set<std::uint64_t>> keys_;  // by table: a hash of each row's INDEX
};

}  // namespace vmmig

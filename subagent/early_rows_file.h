// SPDX-License-Identifier: GPL-2.0-or-later
// Which rows of one VM a transfer has made ahead of its commit, for a restart after kill -9, which takes them back. They live in
// the kernel's memory and not longer than that, so the file need not be on the disk (no fsync): it is appended to.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/result.h"
#include "common/unique_fd.h"

namespace vmmig {

class EarlyRowsFile {
 public:
  using Keys = std::set<std::string>;  // image::packKey

  /// An empty path can keep nothing.
  explicit EarlyRowsFile(std::string path) : path_(std::move(path)) {}

  /// What the file of a process before has; nothing when there is none. What was being written when that one ended is left out:
  /// those rows were not made.
  static Result<std::optional<Keys>> read(const std::string& path);

  /// For the next flush(): this row is about to be made, or it is ours no longer. The first makes the file anew.
  void add(std::string_view key) { append('+', key); }
  void drop(std::string_view key) { append('-', key); }
  /// Without an error what was told is known even if this process is killed.
  Status flush();
  /// Has it become far longer than what it says?
  bool isWasteful() const { return octets_ > wasteful_; }
  /// Says the same with these keys alone.
  Status rewrite(const Keys& keys);

  bool exists() const { return static_cast<bool>(file_); }
  /// Deletes it: from here on nothing is kept.
  Status remove();
  static Status remove(const std::string& path);

 private:
  static constexpr std::size_t leastWasteful = 4 << 20;
  void append(char kind, std::string_view key);
  Status open(const std::string& path);
  Error error(const std::string& path) const;

  std::string path_;
  UniqueFd file_;
  std::size_t octets_ = 0;
  std::size_t wasteful_ = leastWasteful;
  std::string waiting_;
};

}  // namespace vmmig

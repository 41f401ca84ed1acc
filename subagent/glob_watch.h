// SPDX-License-Identifier: GPL-2.0-or-later
// The paths that match glob(7) patterns, now and whenever that changes: inotify(7) on each directory where something could
// appear that matches, so that it costs nothing while nothing happens.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/event_loop.h"

namespace vmmig {

class GlobWatch {
 public:
  /// `changed` is called from the loop when matches() may have changed. Throws when the kernel has no inotify left.
  GlobWatch(EventLoop& loop, std::vector<std::string> patterns, EventLoop::Callback changed);
  GlobWatch(const GlobWatch&) = delete;
  GlobWatch& operator=(const GlobWatch&) = delete;
  ~GlobWatch();

  std::set<std::string> matches() const;
  /// Directories that cannot be watched, hence what appears there is not seen.
  const std::set<std::string>& unwatched() const { return unwatched_; }

 private:
  void onReadable();
  void watchAll();
  std::set<int> watchPattern(const std::string& pattern);
  int watch(const std::string& directory, std::uint32_t changes);

  EventLoop& loop_;
  std::vector<std::string> patterns_;
  EventLoop::Callback changed_;
  UniqueFd inotify_;
  std::set<std::string> unwatched_;
};

}  // namespace vmmig

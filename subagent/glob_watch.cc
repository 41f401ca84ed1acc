// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/glob_watch.h"

#include <glob.h>
#include <sys/inotify.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace vmmig {

namespace {

constexpr std::uint32_t appearing = IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB;
constexpr std::uint32_t ending = IN_DELETE_SELF | IN_MOVE_SELF;

std::vector<std::string> expand(const std::string& pattern) {
  glob_t found{};
  std::unique_ptr<glob_t, decltype(&::globfree)> guard{&found, &::globfree};
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) != 0) return {};
  return {found.gl_pathv, found.gl_pathv + found.gl_pathc};
}

bool isPattern(const std::string& component) { return component.find_first_of("*?[\\") != component.npos; }

bool isDirectory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

}  // namespace

GlobWatch::GlobWatch(EventLoop& loop, std::vector<std::string> patterns, EventLoop::Callback changed)
    : loop_(loop),
      patterns_(std::move(patterns)),
      changed_(std::move(changed)),
      inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (!inotify_)
    throw std::runtime_error(std::string{"no files can be watched (inotify): "} + std::strerror(errno) +
                             "; raise the sysctl fs.inotify.max_user_instances");
  watchAll();
  loop_.watch(inotify_.get(), [this] { onReadable(); });
}

GlobWatch::~GlobWatch() { loop_.unwatch(inotify_.get()); }

std::set<std::string> GlobWatch::matches() const {
  std::set<std::string> all;
  for (const auto& pattern : patterns_)
    for (auto& path : expand(pattern)) all.insert(std::move(path));
  return all;
}

/// Which event it was does not matter: all is looked at anew. An overflow of the queue is one of them.
void GlobWatch::onReadable() {
  alignas(inotify_event) char buffer[16384];
  while (::read(inotify_.get(), buffer, sizeof buffer) > 0) {
  }
  watchAll();
  changed_();
}

/// The kernel knows a directory again that is watched already, and forgets those that are gone. What appears just before its
/// directory is watched tells no event; so it is done again until nothing new is found.
void GlobWatch::watchAll() {
  std::set<int> before, now;
  do {
    before = std::exchange(now, {});
    unwatched_.clear();
    for (const auto& pattern : patterns_) now.merge(watchPattern(pattern));
  } while (now != before);
}

/// From the root down: a directory needs a watch when the next component is a pattern, or the last, or not there yet.
std::set<int> GlobWatch::watchPattern(const std::string& pattern) {
  std::set<int> watches;
  std::filesystem::path before = pattern.starts_with('/') ? "/" : ".";
  auto rest = std::filesystem::path{pattern}.relative_path();
  for (auto component = rest.begin(); component != rest.end(); ++component) {
    auto behind = before / *component;
    bool isLast = std::next(component) == rest.end();
    if (isLast || isPattern(*component) || (!isPattern(before) && !isDirectory(behind)))
      for (const auto& directory : expand(before)) watches.insert(watch(directory, appearing | ending));
    else
      for (const auto& directory : expand(behind)) watches.insert(watch(directory, ending));
    before = behind;
  }
  return watches;
}

int GlobWatch::watch(const std::string& directory, std::uint32_t changes) {
  if (!isDirectory(directory)) return -1;
  int id = ::inotify_add_watch(inotify_.get(), directory.c_str(), changes | IN_ONLYDIR | IN_MASK_ADD);
  if (id < 0 && errno != ENOENT) unwatched_.insert(directory + ": " + std::strerror(errno));
  return id;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/replace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "common/unique_fd.h"

namespace vmmig {

bool writeAll(int fd, std::string_view text) {
  while (!text.empty()) {
    auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

namespace {

bool writeFile(const std::string& path, std::string_view text, mode_t mode, Survives survives) {
  UniqueFd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)};
  return fd && writeAll(fd.get(), text) && (survives == Survives::kill || ::fsync(fd.get()) == 0);
}

/// A new name is on the disk only when its directory is.
bool syncDirectoryOf(const std::string& path) {
  auto directory = std::filesystem::path{path}.parent_path();
  UniqueFd fd{::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  return fd && ::fsync(fd.get()) == 0;
}

}  // namespace

Status replaceFile(const std::string& path, std::string_view text, mode_t mode, Survives survives) {
  auto beside = path + ".new";
  bool isThere = writeFile(beside, text, mode, survives) && std::rename(beside.c_str(), path.c_str()) == 0;
  if (isThere && (survives == Survives::kill || syncDirectoryOf(path))) return {};
  auto reason = std::strerror(errno);
  ::unlink(beside.c_str());
  return failure(path + " cannot be written (" + reason + "); make room or mend the permissions of its directory");
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A TUN device (Documentation/networking/tuntap.rst) of this process's network namespace: what is written to it comes in at an
// interface of its own, in the same call. It goes when this process does, however it ends.
#pragma once

#include <span>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace vmmig {

class LinuxTun {
 public:
  /// `pattern` is the interface's name, with a %d for the first number that is free.
  static Result<LinuxTun> open(const std::string& pattern);
  const std::string& name() const { return name_; }
  /// One IP packet. Errors: the kernel has not taken it.
  Status write(std::span<const char> packet);

 private:
  LinuxTun(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  Status start();
  UniqueFd fd_;
  std::string name_;
};

}  // namespace vmmig

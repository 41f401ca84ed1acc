// SPDX-License-Identifier: GPL-2.0-or-later
// Network namespaces for tests: the test's process moves into them; what it opens there stays there. Needs root or an
// unprivileged user namespace.
#pragma once

#include <fcntl.h>
#include <sched.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include "common/unique_fd.h"

namespace vmmig {

class NetworkNamespace {
 public:
  /// A new one; the process is in it afterwards.
  NetworkNamespace() {
    becomeRoot();
    if (unshare(CLONE_NEWNET) != 0) throw std::runtime_error("unshare(CLONE_NEWNET) fails: root or a user namespace is needed");
    fd_ = UniqueFd{::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)};
  }

  void enter() const {
    if (setns(fd_.get(), CLONE_NEWNET) != 0) throw std::runtime_error("setns fails");
  }
  /// For `ip link set ... netns PATH`.
  std::string path() const { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_.get()); }
  /// Runs a shell command in it, and stays there.
  void run(const std::string& command) const {
    enter();
    if (std::system(command.c_str()) != 0) throw std::runtime_error("fails: " + command);
  }

 private:
  /// Once a process: root of a user namespace, when it is not root.
  static void becomeRoot() {
    if (geteuid() == 0) return;
    auto uid = geteuid();
    auto gid = getegid();
    if (unshare(CLONE_NEWUSER) != 0) throw std::runtime_error("unshare(CLONE_NEWUSER) fails");
    std::ofstream{"/proc/self/setgroups"} << "deny";
    std::ofstream{"/proc/self/uid_map"} << "0 " << uid << " 1";
    std::ofstream{"/proc/self/gid_map"} << "0 " << gid << " 1";
  }
  UniqueFd fd_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/start_up.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace vmmig {

Status checkStateDirectory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return failure("the state directory " + directory + " cannot be made: " + std::strerror(errno) +
                   "; make it, owned by the user of vmmigd, or set state-directory");
  if (::access(directory.c_str(), W_OK | X_OK) != 0)
    return failure("the state directory " + directory + " is not writable: " + std::strerror(errno) +
                   "; give it to the user of vmmigd, or set state-directory");
  return {};
}

Result<UniqueFd> lockStateDirectory(const std::string& directory) {
  auto path = directory + "/vmmigd.lock";
  UniqueFd lock{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!lock) return failure("cannot make " + path + ": " + std::strerror(errno));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  return failure("another vmmigd uses the state directory " + directory +
                 "; stop it, or give this one a state-directory of its own");
}

Status checkAgentxSocket(const std::string& socket) {
  auto path = socket.starts_with("unix:") ? socket.substr(5) : socket;
  if (!path.starts_with('/') || ::access(path.c_str(), W_OK) == 0 || errno != EACCES) return {};
  return failure("no permission to connect to snmpd's AgentX socket " + path +
                 "; set agentXPerms in snmpd.conf so that the group of vmmigd may, or start vmmigd as its owner");
}

Status checkNetAdmin() {
  std::ifstream status{"/proc/self/status"};
  const std::string key = "CapEff:";
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(key)) continue;
    if (std::stoull(line.substr(key.size()), nullptr, 16) >> CAP_NET_ADMIN & 1) return {};
    break;
  }
  return failure(
      "the back end linux needs CAP_NET_ADMIN; start vmmigd as root, or give it the capability "
      "(AmbientCapabilities=CAP_NET_ADMIN in its systemd unit)");
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_child.h"

#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "common/unique_fd.h"

namespace vmmig {

namespace {

/// Files in memory stand for the three streams: unlike pipes they are never full, so that nobody has to read while it writes.
Result<UniqueFd> memoryFile(const std::string& content) {
  UniqueFd file{memfd_create("vmmig", MFD_CLOEXEC)};
  auto size = static_cast<ssize_t>(content.size());
  if (file.get() < 0 || write(file.get(), content.data(), content.size()) != size || lseek(file.get(), 0, SEEK_SET) != 0)
    return failure(std::string{"no memory for a file: "} + std::strerror(errno));
  return file;
}

std::string contentOf(const UniqueFd& file) {
  std::string content(static_cast<std::size_t>(std::max<off_t>(0, lseek(file.get(), 0, SEEK_END))), '\0');
  auto size = pread(file.get(), content.data(), content.size(), 0);
  content.resize(static_cast<std::size_t>(std::max<ssize_t>(0, size)));
  return content;
}

class Actions {
 public:
  Actions() { posix_spawn_file_actions_init(&actions_); }
  ~Actions() { posix_spawn_file_actions_destroy(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  void give(const UniqueFd& file, int as) { posix_spawn_file_actions_adddup2(&actions_, file.get(), as); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

/// The child starts with no signal blocked and none ignored, whatever this process does with them.
class Attributes {
 public:
  Attributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

bool endsWithin(pid_t child, std::chrono::milliseconds limit) {
  UniqueFd handle{static_cast<int>(syscall(SYS_pidfd_open, child, 0))};
  if (handle.get() < 0) return true;  // a kernel before 5.3: waited for without a limit
  auto deadline = std::chrono::steady_clock::now() + limit;
  pollfd event{handle.get(), POLLIN, 0};
  while (true) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    int ready = poll(&event, 1, static_cast<int>(std::max<long>(0, left)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

/// Not known when somebody else takes the children's ends: where SIGCHLD is ignored, which is inherited, the kernel does.
Result<int> wait(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return failure(std::string{"how it ended is not known: "} + std::strerror(errno));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

std::string pathOfProgram(const std::string& name) {
  for (const char* directory : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"})
    if (access((directory + name).c_str(), X_OK) == 0) return directory + name;
  return {};
}

Result<ChildResult> runChild(const std::vector<std::string>& words, const std::string& input, std::chrono::milliseconds limit) {
  auto path = pathOfProgram(words[0]);
  if (path.empty()) return failure(SnmpStatus::resourceUnavailable, words[0] + " is not installed: install the package iproute2");
  auto in = memoryFile(input), out = memoryFile({}), errors = memoryFile({});
  for (const auto* file : {&in, &out, &errors})
    if (!*file) return failure(file->error());
  Actions actions;
  actions.give(*in, 0);
  actions.give(*out, 1);
  actions.give(*errors, 2);
  Attributes attributes;
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  char locale[] = "LC_ALL=C";
  char* environment[] = {locale, nullptr};
  pid_t child = 0;
  if (int code = posix_spawn(&child, path.c_str(), actions.get(), attributes.get(), arguments.data(), environment); code != 0)
    return failure(SnmpStatus::resourceUnavailable, path + " cannot be started: " + std::strerror(code));
  bool isInTime = endsWithin(child, limit);
  if (!isInTime) kill(child, SIGKILL);
  auto status = wait(child);
  if (!isInTime) return failure(path + " gave no answer in time, and was ended");
  if (!status) return failure(path + " was started, but " + status.error().text);
  return ChildResult{*status, contentOf(*out), contentOf(*errors)};
}

}  // namespace vmmig

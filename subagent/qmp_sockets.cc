// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/qmp_sockets.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vmmig {

namespace {

using namespace std::chrono_literals;

/// A socket's file is there a moment before somebody listens; a stale one may stay for months.
constexpr Clock::duration firstDelay = 10ms, lastDelay = 30s;

/// Sets `error` to what is in the way. UNIX sockets connect at once, or not: EAGAIN says that too many others wait already.
UniqueFd connectTo(const std::string& path, int& error) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  error = ENAMETOOLONG;
  if (path.size() >= sizeof address.sun_path) return {};
  std::copy(path.begin(), path.end(), address.sun_path);
  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  bool isOpen = socket && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  error = isOpen ? 0 : errno;
  return isOpen ? std::move(socket) : UniqueFd{};
}

}  // namespace

QmpSockets::QmpSockets(EventLoop& loop, const std::vector<std::string>& patterns, Connected connected)
    : loop_(loop),
      connected_(std::move(connected)),
      watch_(loop, patterns, [this] { scan(); }),
      firstScan_(loop.after({}, [this] { scan(); })) {}

QmpSockets::~QmpSockets() {
  loop_.cancel(firstScan_);
  for (auto& [path, socket] : sockets_) loop_.cancel(socket.timer);
}

/// Whatever has happened to a file, it is worth an attempt at once.
void QmpSockets::scan() {
  auto paths = watch_.matches();
  for (const auto& path : paths)
    if (auto& socket = sockets_[path]; !socket.isConnected) {
      socket.delay = firstDelay;
      tryLater(path, {});
    }
  std::erase_if(sockets_, [&](const auto& each) {
    bool isGone = !each.second.isConnected && !paths.contains(each.first);
    if (isGone) loop_.cancel(each.second.timer);
    return isGone;
  });
}

void QmpSockets::tryLater(const std::string& path, Clock::duration delay) {
  auto& socket = sockets_.at(path);
  loop_.cancel(socket.timer);
  socket.timer = loop_.after(delay, [this, path] { attempt(path); });
}

void QmpSockets::attempt(const std::string& path) {
  auto& socket = sockets_.at(path);
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    sockets_.erase(path);
    return;
  }
  auto opened = connectTo(path, socket.error);
  if (opened) {
    socket.isConnected = true;
    return connected_(path, std::move(opened));
  }
  tryLater(path, socket.delay);
  socket.delay = std::min(2 * socket.delay, lastDelay);
}

void QmpSockets::closed(const std::string& path, bool wasReady) {
  auto& socket = sockets_.at(path);
  socket.isConnected = false;
  if (wasReady) socket.delay = firstDelay;
  tryLater(path, socket.delay);
  socket.delay = std::min(2 * socket.delay, lastDelay);
}

std::map<std::string, QmpSockets::Problem> QmpSockets::problems() const {
  std::map<std::string, Problem> all;
  for (const auto& [path, socket] : sockets_) {
    if (socket.isConnected) continue;
    bool isStale = socket.error == ECONNREFUSED || socket.error == ENOENT || socket.error == 0;
    all[path] = {isStale, socket.error ? std::strerror(socket.error) : "not tried yet"};
  }
  return all;
}

}  // namespace vmmig

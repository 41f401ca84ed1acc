// SPDX-License-Identifier: GPL-2.0-or-later
// Connections to the sockets that qmp-socket names: those that are there, that appear later, that refuse and are tried again.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "subagent/glob_watch.h"

namespace vmmig {

class QmpSockets {
 public:
  using Connected = std::function<void(const std::string& path, UniqueFd socket)>;

  /// Each connection goes to `connected`, from the loop; it ends with closed(path).
  QmpSockets(EventLoop& loop, const std::vector<std::string>& patterns, Connected connected);
  QmpSockets(const QmpSockets&) = delete;
  QmpSockets& operator=(const QmpSockets&) = delete;
  ~QmpSockets();

  /// `wasReady`: it spoke QMP, so that it is worth another attempt at once.
  void closed(const std::string& path, bool wasReady);

  struct Problem {
    bool isStale;  // nobody listens: what a QEMU that was killed leaves behind, which harms nobody
    std::string text;
  };
  /// Sockets without a connection, and why.
  std::map<std::string, Problem> problems() const;
  std::size_t size() const { return sockets_.size(); }
  const std::set<std::string>& unwatched() const { return watch_.unwatched(); }

 private:
  struct Socket {
    bool isConnected = false;
    int error = 0;  // of the last attempt
    Clock::duration delay{};
    EventLoop::TimerId timer = 0;
  };

  void scan();
  void tryLater(const std::string& path, Clock::duration delay);
  void attempt(const std::string& path);

  EventLoop& loop_;
  Connected connected_;
  std::map<std::string, Socket> sockets_;
  GlobWatch watch_;
  EventLoop::TimerId firstScan_;
};

}  // namespace vmmig

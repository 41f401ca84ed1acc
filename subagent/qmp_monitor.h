// SPDX-License-Identifier: GPL-2.0-or-later
// One connection to a QEMU monitor (QMP over a UNIX socket): greeting, commands with their answers, events. It never waits.
#pragma once

#include <map>
#include <optional>

#include "common/event_loop.h"
#include "subagent/qmp_message.h"

namespace vmmig {

class QmpMonitor {
 public:
  /// Of a line. What query-rx-filter says of one card has 30 kB; longer lines are dropped, and told.
  static constexpr std::size_t maxLine = 1 << 20;

  /// Who hears of it. From within these calls it may send, but not destroy the monitor.
  class Listener {
   public:
    virtual ~Listener() = default;
    /// QEMU takes commands from now on.
    virtual void ready() = 0;
    virtual void received(const QmpEvent& event) = 0;
    virtual void answered(const QmpCommand& command, const QmpAnswer& answer) = 0;
    /// The last that is heard: QEMU has ended, or what it says is no QMP.
    virtual void ended(const std::string& why) = 0;
  };

  /// `socket` is connected and does not block; `name` is for the log.
  QmpMonitor(EventLoop& loop, UniqueFd socket, std::string name, Listener& listener);
  QmpMonitor(const QmpMonitor&) = delete;
  QmpMonitor& operator=(const QmpMonitor&) = delete;
  ~QmpMonitor();

  void send(QmpCommand command);
  bool isReady() const { return state_ == State::ready; }
  /// Reads and writes until `done`, the end of the connection, or the deadline, at most 20 ms: QEMU forgets what it has not begun
  /// when its client leaves. The one place that waits; for the end of the program, when no loop turns any more.
  void drain(Clock::time_point deadline, const std::function<bool()>& done);

  /// Since when QEMU owes an answer (or its greeting), and which; nothing when it owes none.
  struct Debt {
    Clock::time_point since;
    std::string what;
  };
  std::optional<Debt> debt() const;
  /// Lines that were no QMP.
  std::size_t malformed() const { return malformed_; }

 private:
  enum class State { greeting, negotiating, ready, ended };
  struct Pending {
    QmpCommand command;
    Clock::time_point since;
  };

  void onReadable();
  bool receive();
  void takeLines();
  void takeLine(std::string_view line);
  void takeMessage(const nlohmann::json& message);
  void takeEvent(const nlohmann::json& message);
  void takeAnswer(const nlohmann::json& message);
  void complain(std::string_view what, std::string_view line);
  void flush();
  void end(std::string why);

  EventLoop& loop_;
  UniqueFd socket_;
  std::string name_;
  Listener& listener_;
  State state_ = State::greeting;
  Clock::time_point begun_ = Clock::now();
  std::string in_, out_;
  bool skipping_ = false;  // the rest of a line that is too long
  std::optional<EventLoop::TimerId> retry_;
  std::uint64_t lastId_ = 0;
  std::map<std::uint64_t, Pending> pending_;  // by their id, hence the oldest first
  std::size_t malformed_ = 0;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The terminal in full-screen mode, by the control sequences of ECMA-48 and xterm's alternate screen, which every terminal of
// today has; a library would bring its own event loop, signals and state for a screen that is written as a whole each time.
// However the program ends (but by SIGKILL), the terminal is as it was.
#pragma once

#include <termios.h>

#include <functional>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "manager/top/picture.h"

namespace vmmig::top {

enum class Key { none, up, down, pageUp, pageDown, home, end };
struct KeyPress {
  Key key = Key::none;
  char character = '\0';  // with Key::none
};

/// Takes whole keys from the front of what was read; a sequence that has only begun stays. Unknown ones are left out.
std::vector<KeyPress> takeKeys(std::string& octets);

/// The control sequences that make a screen show these lines.
std::string sequencesFor(const std::vector<Line>& lines, bool hasColours);

class Terminal {
 public:
  struct Size {
    std::size_t columns = 80, rows = 24;
  };
  /// Standard input and output are terminals, and this one has a cursor.
  static bool isUsable();

  explicit Terminal(EventLoop& loop);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void onKey(std::function<void(KeyPress)> callback) { key_ = std::move(callback); }
  /// The size has changed, or the screen must be drawn again.
  void onRedraw(std::function<void()> callback) { redraw_ = std::move(callback); }
  /// The person is gone, or wants us to be.
  void onQuit(std::function<void()> callback) { quit_ = std::move(callback); }

  Size size() const;
  /// As many lines as the screen has rows, at most.
  void draw(const std::vector<Line>& lines);

 private:
  void enter();
  void leave();
  void suspend();
  void readable();

  EventLoop& loop_;
  std::function<void(KeyPress)> key_ = [](KeyPress) {};
  std::function<void()> redraw_ = [] {}, quit_ = [] {};
  std::string octets_;
  bool isEntered_ = false;
  bool hasColours_;
};

}  // namespace vmmig::top

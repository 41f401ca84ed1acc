// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig top` at a terminal: draws what the poller has, and does what the keys say.
#pragma once

#include "manager/top/model.h"
#include "manager/top/poller.h"
#include "manager/top/terminal.h"
#include "manager/wakeup.h"

namespace vmmig::top {

/// What part of the body is seen, and what the keys do to it and to the view.
class Viewport {
 public:
  explicit Viewport(View view) : view_(view) {}
  /// False: the person wants to go.
  bool press(KeyPress key);
  /// The frame cut to the screen: the head, a part of the body, and a last line that says which keys there are.
  std::vector<Line> lines(const Frame& frame, Terminal::Size size);
  const View& view() const { return view_; }
  View& view() { return view_; }

 private:
  bool pressCharacter(char character);

  View view_;
  std::size_t top_ = 0;   // of the body: the first line that is seen
  std::size_t page_ = 1;  // lines of the body that fit
};

class Screen {
 public:
  Screen(EventLoop& loop, Poller& poller, const Inventory& inventory, View view, std::size_t frames);
  /// Until the person quits, or after so many rounds (0: never).
  Task<> run();
  void changed() { wakeup_.notify(); }

 private:
  void draw();

  EventLoop& loop_;
  Poller& poller_;
  const Inventory& inventory_;
  Viewport viewport_;
  Clock::time_point end_;
  Terminal terminal_;
  Wakeup wakeup_;
  Snapshot shown_;
  bool isOver_ = false;
};

}  // namespace vmmig::top

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/top/screen.h"

#include <algorithm>

namespace vmmig::top {

namespace {

constexpr const char* help = "q quit  arrows scroll  p pause  s sort  r reverse  f finished on or off";
// A countdown that a person follows; and how often at most a terminal is written, however many agents answer.
constexpr auto refresh = std::chrono::milliseconds{250}, leastPause = std::chrono::milliseconds{40};

}  // namespace

bool Viewport::press(KeyPress key) {
  switch (key.key) {
    case Key::up: top_ -= std::min<std::size_t>(top_, 1); break;
    case Key::down: ++top_; break;
    case Key::pageUp: top_ -= std::min(top_, page_); break;
    case Key::pageDown: top_ += page_; break;
    case Key::home: top_ = 0; break;
    case Key::end: top_ = SIZE_MAX / 2; break;  // lines() knows how far that is
    case Key::none: return pressCharacter(key.character);
  }
  return true;
}

bool Viewport::pressCharacter(char character) {
  switch (character) {
    case 'q':
    case 'Q': return false;
    case 'k': return press({Key::up});
    case 'j': return press({Key::down});
    case ' ': return press({Key::pageDown});
    case 'p': view_.isPaused = !view_.isPaused; break;
    case 's': view_.sort = static_cast<Sort>((static_cast<int>(view_.sort) + 1) % 4); break;
    case 'r': view_.isReversed = !view_.isReversed; break;
    case 'f': view_.hidesFinished = !view_.hidesFinished; break;
    default: break;
  }
  return true;
}

std::vector<Line> Viewport::lines(const Frame& frame, Terminal::Size size) {
  std::vector<Line> lines = frame.head;
  // The head and the foot first; a screen of a few lines has no more.
  auto used = frame.head.size() + 1;
  page_ = size.rows > used ? size.rows - used : 0;
  top_ = std::min(top_, frame.body.size() > page_ ? frame.body.size() - page_ : 0);
  for (auto at = top_; at < std::min(frame.body.size(), top_ + page_); ++at) lines.push_back(frame.body[at]);
  lines.resize(std::max(frame.head.size() + page_, lines.size()));
  Line foot;
  bool isPart = page_ < frame.body.size();
  auto last = std::min(frame.body.size(), top_ + page_);
  if (isPart)
    foot.push_back(
        {std::to_string(top_ + 1) + "-" + std::to_string(last) + "/" + std::to_string(frame.body.size()) + "  ", Style::bold});
  foot.push_back({help, Style::dim});
  lines.push_back(fitted(foot, size.columns));
  lines.resize(std::min(lines.size(), size.rows));
  page_ = std::max<std::size_t>(page_, 1);
  return lines;
}

Screen::Screen(EventLoop& loop, Poller& poller, const Inventory& inventory, View view, std::size_t frames)
    : loop_(loop), poller_(poller), inventory_(inventory), viewport_(view), terminal_(loop) {
  std::chrono::duration<double> all{static_cast<double>(frames) * view.delaySeconds};
  end_ = frames == 0 ? Clock::time_point::max() : Clock::now() + std::chrono::duration_cast<Clock::duration>(all);
  auto quit = [this] {
    isOver_ = true;
    wakeup_.notify();
  };
  terminal_.onQuit(quit);
  terminal_.onRedraw([this] { wakeup_.notify(); });
  terminal_.onKey([this, quit](KeyPress key) {
    if (!viewport_.press(key)) return quit();
    poller_.pause(viewport_.view().isPaused);
    wakeup_.notify();
  });
}

void Screen::draw() {
  auto size = terminal_.size();
  viewport_.view().width = size.columns;
  // What is paused stays as it was, with the time that it had.
  if (!viewport_.view().isPaused) shown_ = poller_.snapshot();
  terminal_.draw(viewport_.lines(frameOf(shown_, inventory_, viewport_.view()), size));
}

Task<> Screen::run() {
  while (!isOver_ && Clock::now() < end_) {
    draw();
    co_await sleepFor(loop_, leastPause);
    if (isOver_) break;
    co_await wakeup_.wait(loop_, refresh);
  }
}

}  // namespace vmmig::top

// SPDX-License-Identifier: GPL-2.0-or-later
// What keys do in `vmmig top`, and the control sequences that it reads and writes.
#include <gtest/gtest.h>

#include "manager/top/screen.h"

namespace vmmig::top {
namespace {

Frame longFrame(std::size_t lines) {
  Frame frame;
  frame.head = {{{"head"}}, {{"more"}}};
  for (std::size_t at = 0; at < lines; ++at) frame.body.push_back({{"line " + std::to_string(at)}});
  return frame;
}

TEST(Viewport, showsAPartAndScrolls) {
  Viewport viewport{View{}};
  auto frame = longFrame(20);
  Terminal::Size size{80, 10};  // 2 lines of head, 7 of the body, the foot
  auto first = [&] { return plainText(viewport.lines(frame, size)[2]); };
  EXPECT_EQ(viewport.lines(frame, size).size(), 10u);
  EXPECT_EQ(first(), "line 0");
  viewport.press({Key::down});
  EXPECT_EQ(first(), "line 1");
  viewport.press({Key::pageDown});
  EXPECT_EQ(first(), "line 8");
  EXPECT_TRUE(plainText(viewport.lines(frame, size).back()).starts_with("9-15/20  q quit"));
  viewport.press({Key::end});
  EXPECT_EQ(first(), "line 13") << "and no further";
  viewport.press({Key::down});
  EXPECT_EQ(first(), "line 13");
  viewport.press({Key::pageUp});
  EXPECT_EQ(first(), "line 6");
  viewport.press({Key::home});
  viewport.press({Key::up});
  EXPECT_EQ(first(), "line 0");
  frame = longFrame(3);
  viewport.press({Key::end});
  EXPECT_EQ(first(), "line 0") << "all of it fits";
}

TEST(Viewport, aScreenOfAnySizeIsFilledAndNotMore) {
  for (std::size_t rows : {1, 2, 3, 4, 5, 24, 100}) {
    Viewport viewport{View{}};
    EXPECT_LE(viewport.lines(longFrame(20), {10, rows}).size(), rows) << rows;
    viewport.press({Key::end});
    EXPECT_LE(viewport.lines(longFrame(20), {10, rows}).size(), rows) << rows;
  }
}

TEST(Viewport, keysChangeTheView) {
  Viewport viewport{View{}};
  auto press = [&](char character) { return viewport.press({Key::none, character}); };
  EXPECT_TRUE(press('p') && viewport.view().isPaused);
  EXPECT_TRUE(press('p') && !viewport.view().isPaused);
  EXPECT_TRUE(press('s') && viewport.view().sort == Sort::vm);
  EXPECT_TRUE(press('s') && press('s') && press('s') && viewport.view().sort == Sort::state);
  EXPECT_TRUE(press('r') && viewport.view().isReversed);
  EXPECT_TRUE(press('f') && viewport.view().hidesFinished);
  EXPECT_TRUE(press('x'));
  EXPECT_FALSE(press('q'));
}

std::vector<Key> keysOf(std::string octets, std::string* rest = nullptr) {
  std::vector<Key> keys;
  for (auto key : takeKeys(octets)) keys.push_back(key.key);
  if (rest) *rest = octets;
  return keys;
}

TEST(Keys, controlSequencesAreKeys) {
  EXPECT_EQ(keysOf("\033[A\033OB\033[5~\033[6~\033[H\033[F"),
            (std::vector{Key::up, Key::down, Key::pageUp, Key::pageDown, Key::home, Key::end}));
  EXPECT_EQ(keysOf("\033[1;5A\033[200~"), std::vector<Key>{}) << "unknown";
  std::string rest;
  EXPECT_EQ(keysOf("\033[", &rest), std::vector<Key>{});
  EXPECT_EQ(rest, "\033[") << "it has only begun";
  EXPECT_EQ(keysOf("\033[" + std::string(100, '1'), &rest), std::vector<Key>{});
  EXPECT_EQ(rest, "") << "nobody's sequence is so long";
  std::string q = "q";
  EXPECT_EQ(takeKeys(q).front().character, 'q');
}

TEST(Sequences, linesAreDrawnWithAndWithoutColour) {
  std::vector<Line> lines{{{"up", Style::good}, {" x", Style::plain}}, {{"bad", Style::bad}}};
  EXPECT_EQ(sequencesFor(lines, true), "\033[H\033[0;32mup\033[0m x\033[0m\033[K\r\n\033[0;1;31mbad\033[0m\033[K\033[J");
  auto colourless = sequencesFor(lines, false);
  EXPECT_EQ(colourless.find("3"), std::string::npos) << "no SGR 30 to 37";
}

}  // namespace
}  // namespace vmmig::top

// SPDX-License-Identifier: GPL-2.0-or-later
// Who waits for a slot: haste goes first, also when it comes while waiting, and nobody waits for ever.
#include "manager/wakeup.h"

#include <gtest/gtest.h>

#include <string>

namespace vmmig {
namespace {

using namespace std::chrono_literals;

class Queue : public testing::Test {
 protected:
  void want(char who, Haste haste = nullptr) { spawn(take(who, std::move(haste))); }
  Task<> take(char who, Haste haste) {
    co_await slots.acquire(std::move(haste));
    order += who;
  }
  /// Gives a slot back, and lets whoever has it now go on.
  void release() {
    slots.release(loop);
    bool isOver = false;
    loop.post([&] { isOver = true; });
    ASSERT_TRUE(loop.runUntil([&] { return isOver; }, Clock::now() + 20s));
  }

  EventLoop loop;
  Slots slots{2};
  std::string order;
  std::shared_ptr<bool> stopped = std::make_shared<bool>(true), running = std::make_shared<bool>(false);
};

TEST_F(Queue, WhoIsInHasteGoesFirstAndEachKindInItsOrder) {
  want('1');
  want('2');
  EXPECT_EQ(order, "12") << "there is room";
  want('a');
  want('b', running);
  want('X', stopped);
  want('c');
  want('Y', stopped);
  EXPECT_EQ(order, "12") << "there is no room";
  for (int i = 0; i < 5; ++i) release();
  EXPECT_EQ(order, "12XYabc");
}

TEST_F(Queue, WhatWaitsAlreadyIsInHasteOnceItsVmIsStopped) {
  auto vm = std::make_shared<bool>(false);
  want('1');
  want('2');
  want('a');
  want('x', vm);
  want('b');
  *vm = true;
  release();
  EXPECT_EQ(order, "12x");
  want('y', vm);
  *vm = false;
  for (int i = 0; i < 3; ++i) release();
  EXPECT_EQ(order, "12xaby") << "and no more when it runs again";
}

TEST_F(Queue, WhoCameFirstHasItsTurnHoweverManyAreInHaste) {
  want('1');
  want('2');
  want('a');
  want('b');
  for (int i = 0; i < 3 * Slots::mostAhead; ++i) want('X', stopped);
  for (int i = 0; i < 2 * Slots::mostAhead + 2; ++i) {
    want('X', stopped);  // there are always more
    release();
  }
  std::string ahead(Slots::mostAhead, 'X');
  EXPECT_EQ(order, "12" + ahead + "a" + ahead + "b");
}

TEST_F(Queue, ASlotThatNobodyWaitsForIsFree) {
  want('1');
  want('2');
  release();
  want('3');
  EXPECT_EQ(order, "123");
  want('4');
  EXPECT_EQ(order, "123");
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The copier follows a growing image with several requests under way, and ends cleanly however it ends.
#include <gtest/gtest.h>

#include "manager/image_copier.h"
#include "tests/unit/fake_agent.h"

namespace vmmig {
namespace {

using namespace std::chrono_literals;

class Copy : public testing::Test {
 protected:
  Copy() {
    transfer.uuid = vm;
    transfer.epoch = {7};
    source.put(transfer);
    transfer.role = TransferRole::destination;
    transfer.operStatus = TransferOper::prepared;
    destination.put(transfer);
  }
  void grow(std::uint32_t count, bool ends) {
    auto& row = *source.find(transfer);
    for (std::uint32_t i = 0; i < count; ++i) {
      ImageRow chunk{.uuid = vm, .epoch = {7}, .number = {++row.chunks}, .data = {"chunk " + std::to_string(row.chunks)}};
      source.put(chunk);
    }
    row.complete = ends;
  }
  Task<> run(ImageCopier& copier) {
    result = co_await copier.run([this](const TransferRow&) { ++looks; });
  }
  Status copy(ImageCopier& copier) {
    spawn(run(copier));
    EXPECT_TRUE(loop.runUntil([this] { return result.has_value(); }, Clock::now() + 10s)) << "the copy does not end";
    EXPECT_EQ(source.requestsUnderWay + destination.requestsUnderWay, 0);
    return result.value_or(failure("no result"));
  }
  ImageCopier make(ImageCopier::Options options = {}) {
    options.idlePoll = 5ms;
    return {loop, *from, *to, vm, 7, options};
  }

  EventLoop loop;
  Uuid vm = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  TransferRow transfer;
  FakeAgent source{loop, "fw-a"}, destination{loop, "fw-b"};
  std::shared_ptr<Device> from = source.device(), to = destination.device();
  std::optional<Status> result;
  int looks = 0;
};

TEST_F(Copy, everyChunkArrivesUnderItsNumber) {
  grow(50, true);
  auto copier = make();
  ASSERT_TRUE(copy(copier));
  auto there = destination.rows<ImageRow>();
  ASSERT_EQ(there.size(), 50u);
  for (const auto& chunk : there) EXPECT_EQ(chunk.data.value, "chunk " + std::to_string(chunk.number));
  EXPECT_EQ(copier.totals().chunks, 50u);
}

TEST_F(Copy, severalGetsAndSetsAreUnderWayAndNoMoreThanAllowed) {
  grow(100, true);
  auto copier = make();
  ASSERT_TRUE(copy(copier));
  EXPECT_GT(source.mostUnderWay, 4);
  EXPECT_LE(source.mostUnderWay, 8 + 1) << "8 chunks and the look at the transfer";
  EXPECT_GT(destination.mostUnderWay, 2);
  EXPECT_LE(destination.mostUnderWay, 4);
}

TEST_F(Copy, aGrowingImageIsFollowedUntilItsEndMark) {
  grow(3, false);
  auto copier = make();
  loop.after(30ms, [this] { grow(5, false); });
  loop.after(60ms, [&] {
    grow(2, true);
    copier.hurry();
  });
  ASSERT_TRUE(copy(copier));
  EXPECT_EQ(destination.rows<ImageRow>().size(), 10u);
  EXPECT_GT(looks, 3);
}

TEST_F(Copy, aChunkThatIsTooLargeForTheDestinationIsNotSent) {
  grow(1, true);
  auto copier = make({.maxChunkSize = 3});
  auto status = copy(copier);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().text.find("vmMigMaxChunkSize"), std::string::npos) << status.error().text;
  EXPECT_FALSE(destination.requests.contains("set chunk"));
}

TEST_F(Copy, aRefusedChunkEndsItWithTheDevicesWord) {
  grow(20, true);
  destination.fault = [](const std::string& what) {
    return what == "set chunk" ? FakeAgent::Fault::refuse : FakeAgent::Fault::none;
  };
  auto copier = make();
  auto status = copy(copier);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::inconsistentValue);
}

TEST_F(Copy, aSourceThatDiesEndsIt) {
  grow(20, false);
  int gets = 0;
  source.fault = [&](const std::string&) { return ++gets > 10 ? FakeAgent::Fault::dead : FakeAgent::Fault::none; };
  auto copier = make();
  EXPECT_FALSE(copy(copier));
}

TEST_F(Copy, stopEndsItWhileTheImageStillGrows) {
  grow(5, false);
  auto copier = make();
  loop.after(20ms, [&] { copier.stop(); });
  EXPECT_FALSE(copy(copier));
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A full device says so once an episode.
#include <gtest/gtest.h>

#include "mibs/tcp_conn_table.h"
#include "subagent/capacity_watch.h"
#include "subagent/memory_back_end.h"

namespace vmmig {
namespace {

class CapacityWatchTest : public testing::Test {
 protected:
  static constexpr std::uint32_t room = 2;

  CapacityWatchTest() : watch_(std::make_unique<MemoryBackEnd>(room), [this] { ++told_; }) {
    vm_.uuid.octets[15] = 1;
    vm_.addresses = {*parseInetAddress("10.1.0.5")};
  }
  TableBackEnd& table() { return *watch_.tables().front(); }
  AnyRow row(std::uint16_t port) const {
    TcpConnRow row;
    row.uuid = vm_.uuid;
    row.localAddress = vm_.addresses.front();
    row.localPort = port;
    row.remAddress = *parseInetAddress("192.0.2.9");
    row.remPort = 80;
    row.timeout = 60;
    return row;
  }
  BatchResult create(std::uint16_t port) {
    std::vector<AnyRow> rows{row(port)};
    return table().create(vm_, rows);
  }
  void remove(std::uint16_t port) {
    std::vector<AnyRow> rows{row(port)};
    EXPECT_FALSE(table().remove(vm_, rows).error);
  }

  Vm vm_;
  int told_ = 0;
  CapacityWatch watch_;
};

TEST_F(CapacityWatchTest, saysNothingWhileThereIsRoom) {
  for (std::uint16_t port = 1; port <= room; ++port) EXPECT_EQ(create(port).done, 1u);
  EXPECT_EQ(told_, 0);
}

TEST_F(CapacityWatchTest, tellsOnceHoweverManyRowsAreRefused) {
  for (std::uint16_t port = 1; port <= room + 3; ++port) create(port);
  EXPECT_EQ(told_, 1);
}

TEST_F(CapacityWatchTest, tellsAgainAfterThereWasRoom) {
  for (std::uint16_t port = 1; port <= room + 1; ++port) create(port);
  remove(1);
  EXPECT_EQ(create(1).done, 1u);
  create(9);
  EXPECT_EQ(told_, 2);
}

TEST_F(CapacityWatchTest, FollowsAsItsDeviceDoes) {
  auto follower = table().follow(vm_, nullptr);
  ASSERT_TRUE(follower);
  create(1);
  std::vector<AnyRow> rows, gone;
  EXPECT_TRUE(follower->next(rows, gone));
  EXPECT_EQ(rows.size(), 1u);
}

/// A full device, whose exchanges answer what they are told.
class FullBackEnd final : public BackEnd {
 public:
  std::string_view name() const override { return "full"; }
  Bits<Capability> capabilities() const override { return {}; }
  std::vector<CheckRow> checks() override { return {}; }
  std::uint32_t maxRows() override { return 1; }
  std::uint32_t rows() override { return 1; }
  std::span<TableBackEnd* const> tables() override { return {}; }
  std::optional<Refusal> exchange(const Vm&, const Exchange&) override { return answer; }
  std::optional<Refusal> rehearse(const Vm&, const Exchange&) override { return answer; }
  Status block(const Vm&) override { return {}; }
  void unblock(const Uuid&) override {}
  bool isBlocked(const Uuid&) const override { return false; }
  void prepareBlock(const Vm&) override { isPrepared = true; }
  bool isSettled(const Uuid&) override { return isPrepared; }

  std::optional<Refusal> answer;
  bool isPrepared = false;
};

TEST_F(CapacityWatchTest, BlocksAsItsDeviceDoes) {
  CapacityWatch watch{std::make_unique<FullBackEnd>(), [] {}};
  EXPECT_FALSE(watch.isSettled(vm_.uuid));
  watch.prepareBlock(vm_);
  EXPECT_TRUE(watch.isSettled(vm_.uuid));
}

TEST_F(CapacityWatchTest, anExchangeThatIsRefusedForCapacityTellsToo) {
  auto full = std::make_unique<FullBackEnd>();
  auto* device = full.get();
  int told = 0;
  CapacityWatch watch{std::move(full), [&told] { ++told; }};
  std::vector<AnyRow> rows{row(1)};
  device->answer = Refusal{{SnmpStatus::inconsistentValue, "no such set"}, 0};
  EXPECT_TRUE(watch.exchange(vm_, {{}, rows}));
  EXPECT_EQ(told, 0);
  device->answer = Refusal{{SnmpStatus::resourceUnavailable, "the set is full"}, 0};
  EXPECT_TRUE(watch.rehearse(vm_, {{}, rows}));
  EXPECT_EQ(told, 0) << "a rehearsal takes nothing";
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(watch.exchange(vm_, {{}, rows}));
  EXPECT_EQ(told, 1);
  device->answer = std::nullopt;
  EXPECT_FALSE(watch.exchange(vm_, {rows, {}}));
  device->answer = Refusal{{SnmpStatus::resourceUnavailable, "the set is full"}, 0};
  EXPECT_TRUE(watch.exchange(vm_, {{}, rows}));
  EXPECT_EQ(told, 1) << "nothing was taken in between";
  device->answer = std::nullopt;
  EXPECT_FALSE(watch.exchange(vm_, {{}, rows}));
  device->answer = Refusal{{SnmpStatus::resourceUnavailable, "the set is full"}, 0};
  EXPECT_TRUE(watch.exchange(vm_, {{}, rows}));
  EXPECT_EQ(told, 2);
}

TEST_F(CapacityWatchTest, aRefusalForAnotherReasonIsNoCapacity) {
  create(1);
  create(1);
  EXPECT_EQ(told_, 0);
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The tables of the back end `memory`: clocks, room, completion, exchanges over several tables, and the draft's threshold.

#include "subagent/memory_table.h"

#include <gtest/gtest.h>

#include "mibs/registry.h"
#include "subagent/memory_back_end.h"
#include "tests/unit/table_contract_rows.h"

namespace vmmig {
namespace {

using namespace std::chrono_literals;

class MemoryTableTest : public testing::Test {
 protected:
  template <class Row>
  TableBackEnd& table() {
    return *device_.tableFor(TableOf<Row>::info);
  }
  template <class Row>
  void create(const Row& row) {
    auto result = table<Row>().create(vm_, std::vector<AnyRow>{row});
    ASSERT_FALSE(result.error) << result.error->text;
  }
  template <class Row>
  std::optional<Row> find(const Row& row) {
    auto found = table<Row>().find(vm_, row).value();
    return found ? std::optional{found->template as<Row>()} : std::nullopt;
  }
  template <class Row>
  SnmpStatus refusalOf(const Row& row) {
    auto result = table<Row>().create(vm_, std::vector<AnyRow>{row});
    return result.error ? result.error->status : SnmpStatus::noError;
  }
  std::size_t count(const TableInfo& info) {
    std::vector<AnyRow> rows;
    for (auto cursor = device_.tableFor(info)->read(vm_); cursor->next(rows).value();) continue;
    return rows.size();
  }
  AclRow acl(std::uint32_t timeout, std::uint32_t lifetime) {
    auto row = aclRows(vm_).front().as<AclRow>();
    row.timeout = timeout;
    row.lifetime = lifetime;
    return row;
  }

  static constexpr std::uint32_t room = 20;
  Clock::time_point now_{1h};
  Vm vm_ = makeAttachedVm(5);
  Vm other_ = makeAttachedVm(6);
  MemoryBackEnd device_{room, [this] { return now_; }};
};

TEST_F(MemoryTableTest, ARowAgesAndEnds) {
  create(acl(100, 300));
  now_ += 40s + 999ms;
  EXPECT_EQ(find(acl(0, 0))->timeout, 60u);
  EXPECT_EQ(find(acl(0, 0))->lifetime, 300u);
  now_ += 59s;
  EXPECT_TRUE(find(acl(0, 0)));
  now_ += 1ms;
  EXPECT_FALSE(find(acl(0, 0)));
  EXPECT_EQ(device_.rows(), 0u);
  create(acl(100, 300));
}

TEST_F(MemoryTableTest, ARowThatEndedIsNotRead) {
  create(acl(100, 300));
  now_ += 100s;
  EXPECT_EQ(count(TableOf<AclRow>::info), 0u);
}

TEST_F(MemoryTableTest, WithoutEndItDoesNotAge) {
  create(acl(forEver, forEver));
  now_ += 1000000h;
  ASSERT_TRUE(find(acl(0, 0)));
  EXPECT_EQ(find(acl(0, 0))->timeout, forEver);
}

TEST_F(MemoryTableTest, AReplacedRowBeginsAnew) {
  create(acl(100, 300));
  now_ += 90s;
  ASSERT_TRUE(table<AclRow>().replace(vm_, acl(100, 300)));
  now_ += 90s;
  ASSERT_TRUE(find(acl(0, 0)));
  EXPECT_EQ(find(acl(0, 0))->timeout, 10u);
}

TEST_F(MemoryTableTest, ATimeoutThatIsLeftToTheDeviceIsItsOwn) {
  auto flow = flowRows(vm_).front().as<FlowRow>();
  flow.timeout = 0;
  create(flow);
  EXPECT_EQ(find(flow)->timeout, 120u);
  now_ += 120s;
  EXPECT_FALSE(find(flow));
}

TEST_F(MemoryTableTest, WhatIsLeftOutOfAnEntryIsFilledIn) {
  auto row = acl(60, forEver);
  row.match.value.clear();
  create(row);
  EXPECT_EQ(find(row)->match.value, row.entry.value);
  EXPECT_EQ(find(row)->lifetime, 60u);
}

TEST_F(MemoryTableTest, WhatOnlyTheDeviceKnowsIsNotTakenFromOthers) {
  auto membership = multicastRows(vm_).front().as<MulticastRow>();
  membership.timeout = 77;
  create(membership);
  EXPECT_EQ(find(membership)->timeout, 0u);
}

TEST_F(MemoryTableTest, ABindingIsTheVmsByItsAddressOrByItsMac) {
  auto binding = dhcpBindingRows(vm_).front().as<DhcpBindingRow>();
  binding.address = address("10.0.0.77");
  EXPECT_EQ(refusalOf(binding), SnmpStatus::noError);
  binding.macAddress.value = other_.macAddresses.at(0);
  EXPECT_EQ(refusalOf(binding), SnmpStatus::inconsistentName);
  binding.address = vm_.addresses[0];
  EXPECT_EQ(refusalOf(binding), SnmpStatus::noError);
}

TEST_F(MemoryTableTest, AllTablesShareTheDevicesRoom) {
  std::uint16_t port = 1;
  for (const auto& row : counterRows(vm_)) create(row.as<CounterRow>());
  while (device_.rows() < room) create(makeRow(vm_, port++));
  EXPECT_EQ(refusalOf(makeRow(vm_, port)), SnmpStatus::resourceUnavailable);
  EXPECT_EQ(refusalOf(acl(100, 300)), SnmpStatus::resourceUnavailable);
  EXPECT_EQ(summaryOf(device_.checks()).health, Health::degraded);
  now_ += 60s;  // the members of the counter end
  create(acl(100, 300));
  EXPECT_EQ(summaryOf(device_.checks()).health, Health::up);
}

TEST_F(MemoryTableTest, AnExchangeNeedsRoomToo) {
  std::uint16_t port = 1;
  while (device_.rows() < room - 1) create(makeRow(vm_, port++));
  auto rows = aclRows(vm_);
  auto refusal = device_.exchange(vm_, {{}, rows});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->error.status, SnmpStatus::resourceUnavailable);
  EXPECT_EQ(refusal->created, std::optional<std::size_t>{1});
  EXPECT_EQ(device_.rows(), room - 1);
}

TEST_F(MemoryTableTest, HasEveryTableThatMovesAndSaysSo) {
  auto capabilities = device_.capabilities();
  for (const auto* info : mib::tables()) {
    EXPECT_EQ(device_.tableFor(*info) != nullptr, info->moves) << info->name;
    if (info->moves) EXPECT_TRUE(capabilities.has(capabilityOf(*info))) << info->name;
  }
}

// --- draft-gu-dc-management-problem-statement-00 section 4.2, with its own numbers ----------------------------------------

class HalfOpenTest : public MemoryTableTest {
 protected:
  /// The threshold is 5, and 3 are open.
  std::vector<AnyRow> open() {
    std::vector<AnyRow> rows;
    for (const auto& row : counterRows(vm_))
      if (row.as<CounterRow>().kind == CounterKind::halfOpen) rows.push_back(row);
    return rows;
  }
  CounterRow connection(int port, const Vm& vm) {
    auto row = counterRows(vm).back().as<CounterRow>();
    row.member.value = row.match.value = toString(vm.addresses[0]) + " . " + std::to_string(port) + " . 192.0.2.9 . 80";
    return row;
  }
  CounterRow head() { return open().front().as<CounterRow>(); }
};

TEST_F(HalfOpenTest, WithThresholdFiveAndThreeMovedExactlyTwoMoreAreAllowed) {
  ASSERT_FALSE(device_.exchange(vm_, {{}, open()}));
  EXPECT_EQ(find(head())->members, 3u);
  create(connection(50000, vm_));
  create(connection(50001, vm_));
  EXPECT_EQ(find(head())->members, 5u);
  EXPECT_EQ(refusalOf(connection(50002, vm_)), SnmpStatus::resourceUnavailable);
  EXPECT_EQ(find(head())->members, 5u);
}

TEST_F(HalfOpenTest, WithoutTheMoveItWouldBeFive) {
  create(head());
  for (int port = 50000; port < 50005; ++port) create(connection(port, vm_));
  EXPECT_EQ(refusalOf(connection(50005, vm_)), SnmpStatus::resourceUnavailable);
}

TEST_F(HalfOpenTest, OneThatEndsMakesRoomForAnother) {
  ASSERT_FALSE(device_.exchange(vm_, {{}, open()}));
  now_ += 30s;
  create(connection(50000, vm_));
  create(connection(50001, vm_));
  now_ += 30s;  // the three end
  EXPECT_EQ(find(head())->members, 2u);
  create(connection(50002, vm_));
}

TEST_F(HalfOpenTest, TheHeadCountsWhereverItStandsInAnExchange) {
  auto rows = open();
  rows.push_back(connection(50000, vm_));
  rows.push_back(connection(50001, vm_));
  rows.push_back(connection(50002, vm_));
  std::rotate(rows.begin(), rows.begin() + 1, rows.end());
  auto refusal = device_.exchange(vm_, {{}, rows});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->error.status, SnmpStatus::resourceUnavailable);
  EXPECT_EQ(refusal->created, std::optional<std::size_t>{5});
  EXPECT_EQ(device_.rows(), 0u);
}

TEST_F(HalfOpenTest, EachVmAndEachCounterHasItsOwn) {
  ASSERT_FALSE(device_.exchange(vm_, {{}, open()}));
  auto others = counterRows(other_);
  ASSERT_FALSE(device_.exchange(other_, {{}, others}));
  auto elsewhere = connection(50000, vm_);
  elsewhere.name.value = "syna";
  create(elsewhere);
  EXPECT_EQ(find(head())->members, 3u);
}

// --- exchanges over several tables ----------------------------------------------------------------------------------------

class MemoryExchange : public MemoryTableTest {
 protected:
  std::vector<AnyRow> all() {
    std::vector<AnyRow> rows;
    for (auto some : {aclRows(vm_), counterRows(vm_), dhcpBindingRows(vm_), pieces(2)})
      rows.insert(rows.end(), some.begin(), some.end());
    return rows;
  }
  std::vector<AnyRow> pieces(std::uint32_t count) {
    std::vector<AnyRow> rows;
    for (std::uint32_t piece = 1; piece <= count; ++piece) {
      auto row = policyRows(vm_).front().as<PolicyRow>();
      row.piece.value = piece;
      row.pieces.value = count;
      rows.emplace_back(row);
    }
    return rows;
  }
};

TEST_F(MemoryExchange, OfFourTablesIsAllOrNothing) {
  auto rows = all();
  for (std::size_t bad = 0; bad < rows.size(); ++bad) {
    auto wrong = rows;
    wrong[bad].set(wrong[bad].table().index().front(), Codec<Uuid>::toValue(other_.uuid));
    auto refusal = device_.exchange(vm_, {{}, wrong});
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->created, std::optional{bad});
    EXPECT_EQ(device_.rows(), 0u);
  }
  ASSERT_FALSE(device_.exchange(vm_, {{}, rows}));
  EXPECT_EQ(device_.rows(), rows.size());
  auto wrong = rows;
  wrong.back().as<PolicyRow>().pieces.value = 3;
  EXPECT_TRUE(device_.exchange(vm_, {rows, wrong})) << "what was taken away is there again";
  EXPECT_EQ(device_.rows(), rows.size());
  ASSERT_FALSE(device_.exchange(vm_, {rows, {}}));
  EXPECT_EQ(device_.rows(), 0u);
}

TEST_F(MemoryExchange, LeavesConnectionsAlone) {
  create(makeRow(vm_, 1));
  ASSERT_FALSE(device_.exchange(vm_, {{}, all()}));
  EXPECT_EQ(count(TableOf<TcpConnRow>::info), 1u);
}

TEST_F(MemoryExchange, APolicyOfWhichAPieceIsMissingIsRefusedAndInARehearsalLeftOut) {
  auto rows = pieces(3);
  rows.erase(rows.begin() + 1);
  auto refusal = device_.exchange(vm_, {{}, rows});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->error.status, SnmpStatus::inconsistentValue);
  EXPECT_NE(refusal->error.text.find("2 of 3 pieces"), std::string::npos) << refusal->error.text;
  EXPECT_EQ(refusal->created, std::optional<std::size_t>{0});
  EXPECT_FALSE(device_.rehearse(vm_, {{}, rows}));
  EXPECT_EQ(device_.rows(), 0u);
  EXPECT_FALSE(device_.exchange(vm_, {{}, pieces(3)}));
  EXPECT_FALSE(device_.exchange(vm_, {pieces(3), rows, true})) << "an undo: they were here without the second before";
  EXPECT_EQ(device_.rows(), 2u);
}

TEST_F(MemoryExchange, APolicyWhosePiecesDifferIsRefused) {
  auto rows = pieces(2);
  rows[1].as<PolicyRow>().kind = PolicyKind::qos;
  auto refusal = device_.exchange(vm_, {{}, rows});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->error.status, SnmpStatus::inconsistentValue);
}

TEST_F(MemoryExchange, APieceMayComeAlone) {
  // As by SNMP, row by row.
  auto rows = pieces(2);
  create(rows[1].as<PolicyRow>());
  EXPECT_FALSE(table<PolicyRow>().moves(rows[1])) << "half a policy does not follow its VM";
  create(rows[0].as<PolicyRow>());
  EXPECT_TRUE(table<PolicyRow>().moves(rows[1]));
  EXPECT_EQ(count(TableOf<PolicyRow>::info), 2u);
}

}  // namespace
}  // namespace vmmig

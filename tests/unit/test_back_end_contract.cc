// SPDX-License-Identifier: GPL-2.0-or-later
// What every back end must do: one suite, run over `memory` and over `linux` in a network namespace of its own.

#include <gtest/gtest.h>

#include <set>

#include "mibs/image.h"
#include "subagent/linux_back_end.h"
#include "subagent/memory_back_end.h"
#include "tests/unit/back_end_contract_rows.h"
#include "tests/unit/network_namespace.h"

namespace vmmig {
namespace {

using Factory = std::unique_ptr<BackEnd> (*)(std::uint32_t maxRows);

class BackEndContract : public testing::TestWithParam<std::pair<const char*, Factory>> {
 protected:
  void start(std::uint32_t maxRows = 200000) {
    device_.reset();
    device_ = GetParam().second(maxRows);
    table_ = device_->tableFor(TableOf<TcpConnRow>::info);
    ASSERT_TRUE(table_);
  }
  void SetUp() override { start(); }

  std::vector<AnyRow> readAll(const Vm& vm) {
    std::vector<AnyRow> rows;
    auto cursor = table_->read(vm);
    for (;;) {
      auto before = rows.size();
      auto more = cursor->next(rows);
      if (!more) ADD_FAILURE() << more.error().text;
      if (!more || !*more) {
        EXPECT_EQ(rows.size(), before) << "the end appends nothing";
        return rows;
      }
    }
  }
  std::optional<AnyRow> find(const Vm& vm, const AnyRow& key) {
    auto found = table_->find(vm, key);
    EXPECT_TRUE(found) << found.error().text;
    return found ? *found : std::nullopt;
  }
  void create(const Vm& vm, const std::vector<AnyRow>& rows) {
    auto result = table_->create(vm, rows);
    ASSERT_FALSE(result.error) << result.error->text;
    ASSERT_EQ(result.done, rows.size());
  }
  void expectSame(const AnyRow& actual, const AnyRow& expected, const std::string& name) {
    for (const auto& column : expected.table().columns) {
      if (column.carry != Carry::exact) continue;
      EXPECT_TRUE(column.equal(actual.data(), expected.data()))
          << name << ": " << column.name << " is " << smi::toString(actual.get(column)) << ", should be "
          << smi::toString(expected.get(column));
    }
    auto remaining = actual.as<TcpConnRow>().timeout, wanted = expected.as<TcpConnRow>().timeout;
    EXPECT_LE(remaining, wanted) << name;
    EXPECT_GE(remaining + 5, wanted) << name;
  }

  Vm vm_ = makeVm(5);
  Vm other_ = makeVm(6);
  std::unique_ptr<BackEnd> device_;
  TableBackEnd* table_ = nullptr;
};

TEST_P(BackEndContract, FindsEachRowAsItWasCreated) {
  RichRows rich{vm_};
  create(vm_, rich.any());
  for (const auto& [name, row] : rich.rows()) {
    auto found = find(vm_, row);
    ASSERT_TRUE(found) << name;
    expectSame(*found, row, name);
  }
}

TEST_P(BackEndContract, ReadsAllRowsOnceAndWithTheSameDigest) {
  RichRows rich{vm_};
  create(vm_, rich.any());
  create(other_, RichRows{other_}.any());
  image::Digest expected, actual;
  for (const auto& row : rich.any()) expected.add(row);
  for (const auto& row : readAll(vm_)) actual.add(row);
  EXPECT_EQ(actual.rows(), expected.rows());
  EXPECT_EQ(actual, expected);
  EXPECT_EQ(device_->rows(), 2 * expected.rows());
}

TEST_P(BackEndContract, CreatesAgainAtAnotherDeviceWhatItReadHere) {
  create(vm_, RichRows{vm_}.any());
  auto rows = readAll(vm_);
  start();
  create(vm_, rows);
  image::Digest expected, actual;
  for (const auto& row : rows) expected.add(row);
  for (const auto& row : readAll(vm_)) actual.add(row);
  EXPECT_EQ(actual, expected);
}

TEST_P(BackEndContract, RefusesARowThatExists) {
  create(vm_, {makeRow(vm_, 1)});
  auto again = makeRow(vm_, 1);
  again.mark = 9;
  auto result = table_->create(vm_, std::vector<AnyRow>{again});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.done, 0u);
  EXPECT_EQ(result.error->status, SnmpStatus::inconsistentName);
  EXPECT_EQ(find(vm_, again)->as<TcpConnRow>().mark, 0u);
}

TEST_P(BackEndContract, RefusesATranslationThatAnotherConnectionHas) {
  auto first = makeRow(vm_, 1), second = makeRow(vm_, 2);
  first.natLocalAddress = second.natLocalAddress = address("198.51.100.1");
  first.natLocalPort = second.natLocalPort = 5000;
  create(vm_, {first});
  auto result = table_->create(vm_, std::vector<AnyRow>{second});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->status, SnmpStatus::inconsistentName);
  EXPECT_FALSE(find(vm_, second));
}

TEST_P(BackEndContract, StopsABatchAtTheRowThatExists) {
  std::vector<AnyRow> rows;
  for (std::uint16_t port = 1; port <= 300; ++port) rows.emplace_back(makeRow(vm_, port));
  for (std::size_t bad : {std::size_t{0}, std::size_t{7}, std::size_t{127}, std::size_t{128}, std::size_t{299}}) {
    start();
    create(vm_, {rows[bad]});
    auto result = table_->create(vm_, rows);
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.done, bad);
    EXPECT_NE(result.error->text.find("port " + std::to_string(bad + 1)), std::string::npos) << result.error->text;
    EXPECT_EQ(readAll(vm_).size(), bad + 1) << "nothing behind it is made";
  }
}

TEST_P(BackEndContract, StopsABatchAtTheRowThatItCannotHold) {
  std::vector<AnyRow> rows;
  for (std::uint16_t port = 1; port <= 10; ++port) rows.emplace_back(makeRow(vm_, port));
  rows[4].as<TcpConnRow>().remPort = 0;
  auto result = table_->create(vm_, rows);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.done, 4u);
  EXPECT_EQ(readAll(vm_).size(), 4u);
}

TEST_P(BackEndContract, RemovesRowsAndIsContentWithThoseThatAreGone) {
  auto rich = RichRows{vm_}.any();
  create(vm_, rich);
  for (int round = 0; round < 2; ++round) {
    auto result = table_->remove(vm_, rich);
    EXPECT_FALSE(result.error) << result.error->text;
    EXPECT_EQ(result.done, rich.size());
    EXPECT_TRUE(readAll(vm_).empty());
  }
  EXPECT_EQ(device_->rows(), 0u);
  create(vm_, rich);  // nothing of them is left in the way
}

TEST_P(BackEndContract, ReplacesWhatARowHas) {
  create(vm_, {makeRow(vm_, 1), makeRow(vm_, 2)});
  std::vector<std::pair<std::string, std::function<void(TcpConnRow&)>>> changes = {
      {"state", [](TcpConnRow& row) { row.state = TcpState::closeWait; }},
      {"timeout", [](TcpConnRow& row) { row.timeout = 77; }},
      {"mark", [](TcpConnRow& row) { row.mark = 5; }},
      {"no mark", [](TcpConnRow& row) { row.mark = 0; }},
      {"labels", [](TcpConnRow& row) { row.labels.value = std::string(16, '\x11'); }},
      {"no labels", [](TcpConnRow& row) { row.labels.value.clear(); }},
      {"window scale", [](TcpConnRow& row) { row.localWindowScale.value = 3; }},
      {"flags", [](TcpConnRow& row) { row.remFlags.mask |= 0b0100; }},
      {"fixed timeout", [](TcpConnRow& row) { row.status.mask = 0b111; }},
      {"timeout when fixed", [](TcpConnRow& row) { row.timeout = 500; }},
      {"less status", [](TcpConnRow& row) { row.status.mask = 0b001; }},
      {"translation", [](TcpConnRow& row) { row.natLocalAddress = address("198.51.100.1"), row.natLocalPort = 99; }},
      {"opener", [](TcpConnRow& row) { row.opener = TcpOpener::remote; }},
      {"sequence adjustment", [](TcpConnRow& row) { row.remSeqAdjOffsetAfter = -3; }},
      {"helper", [](TcpConnRow& row) { row.helper.value = "ftp"; }}};
  auto row = makeRow(vm_, 1);
  for (const auto& [name, change] : changes) {
    change(row);
    auto status = table_->replace(vm_, row);
    ASSERT_TRUE(status) << name << ": " << status.error().text;
    auto found = find(vm_, row);
    ASSERT_TRUE(found) << name;
    expectSame(*found, row, name);
  }
  expectSame(*find(vm_, makeRow(vm_, 2)), makeRow(vm_, 2), "the other row");
}

TEST_P(BackEndContract, RenewsWhatAClockAndPacketsChange) {
  create(vm_, {makeRow(vm_, 1), makeRow(vm_, 2)});
  auto changed = makeRow(vm_, 1), gone = makeRow(vm_, 3);
  changed.timeout = 77;
  std::vector<AnyRow> rows{AnyRow{changed}, AnyRow{gone}};
  auto renewed = table_->renew(vm_, rows);
  ASSERT_EQ(renewed.size(), 2u);
  EXPECT_FALSE(renewed[1]) << "it is not there";
  EXPECT_FALSE(find(vm_, gone));
  // A device may refuse; then the row is made anew.
  if (!renewed[0]) return;
  auto found = find(vm_, changed);
  ASSERT_TRUE(found);
  expectSame(*found, changed, "renewed");
  EXPECT_NEAR(found->as<TcpConnRow>().timeout, 77, 2);
  EXPECT_TRUE(AnyRow{*found}.equals(rows[0], Carry::traffic)) << "the row is as it stands";
}

TEST_P(BackEndContract, CountsTheRowsOfEach) {
  create(vm_, {makeRow(vm_, 1), makeRow(vm_, 2)});
  create(other_, {makeRow(other_, 1)});
  std::vector<Vm> vms{vm_, other_};
  auto counts = table_->count(vms);
  ASSERT_TRUE(counts) << counts.error().text;
  EXPECT_EQ(*counts, (std::vector<std::uint32_t>{2, 1}));
}

TEST_P(BackEndContract, FindsManyAtOnce) {
  create(vm_, {makeRow(vm_, 1), makeRow(vm_, 2)});
  std::vector<AnyRow> keys;
  for (int i = 0; i < 300; ++i) keys.emplace_back(makeRow(vm_, i));
  auto found = table_->findAll(vm_, keys);
  ASSERT_TRUE(found) << found.error().text;
  ASSERT_EQ(found->size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(found->at(i).has_value(), i == 1 || i == 2) << i;
}

TEST_P(BackEndContract, DoesNotReplaceARowThatIsNotThere) {
  auto status = table_->replace(vm_, makeRow(vm_, 1));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::inconsistentName);
  EXPECT_FALSE(find(vm_, makeRow(vm_, 1)));
}

TEST_P(BackEndContract, KeepsARowWhoseReplacementIsRefused) {
  auto first = makeRow(vm_, 1), second = makeRow(vm_, 2);
  first.natLocalAddress = address("198.51.100.1"), first.natLocalPort = 5000;
  create(vm_, {first, second});
  auto changed = second;
  changed.natLocalAddress = first.natLocalAddress, changed.natLocalPort = first.natLocalPort;
  EXPECT_FALSE(table_->replace(vm_, changed));
  auto found = find(vm_, second);
  ASSERT_TRUE(found);
  expectSame(*found, second, "as before");
}

TEST_P(BackEndContract, KeepsVmsApart) {
  create(vm_, {makeRow(vm_, 1)});
  create(other_, {makeRow(other_, 1), makeRow(other_, 2)});
  EXPECT_EQ(readAll(vm_).size(), 1u);
  EXPECT_EQ(readAll(other_).size(), 2u);
  EXPECT_FALSE(find(vm_, makeRow(other_, 1)));
  EXPECT_FALSE(find(other_, makeRow(vm_, 1)));
  EXPECT_TRUE(readAll(makeVm(7)).empty());
}

TEST_P(BackEndContract, ShowsAConnectionBetweenTwoVmsToBoth) {
  auto row = makeRow(vm_, 1);
  row.remAddress = other_.addresses[0];
  row.remPort = 80;
  row.mark = 4;
  create(vm_, {row});
  auto rows = readAll(other_);
  ASSERT_EQ(rows.size(), 1u);
  const auto& seen = rows[0].as<TcpConnRow>();
  EXPECT_EQ(seen.opener, TcpOpener::remote);
  EXPECT_EQ(seen.localPort, 80);
  EXPECT_EQ(seen.remAddress, vm_.addresses[0]);
  EXPECT_EQ(seen.localWindowScale, row.remWindowScale);
  EXPECT_EQ(seen.mark, 4u);
  expectSame(*find(other_, rows[0]), rows[0], "found as read");
}

TEST_P(BackEndContract, RefusesWhatIsNoConnectionOfTheVm) {
  auto expectRefused = [&](SnmpStatus status, std::string_view column, auto change) {
    auto row = makeRow(vm_, 1);
    change(row);
    auto checked = table_->check(vm_, row);
    ASSERT_FALSE(checked) << column;
    EXPECT_EQ(checked.error().status, status) << checked.error().text;
    EXPECT_NE(checked.error().text.find(column), std::string::npos) << checked.error().text;
    EXPECT_TRUE(table_->create(vm_, std::vector<AnyRow>{row}).error) << column;
  };
  EXPECT_TRUE(table_->check(vm_, makeRow(vm_, 1)));
  using Row = TcpConnRow;
  auto name = SnmpStatus::inconsistentName, value = SnmpStatus::inconsistentValue;
  expectRefused(name, "vmMigTcpConnLocalAddress", [](Row& row) { row.localAddress = address("10.0.0.99"); });
  expectRefused(name, "vmMigTcpConnLocalPort", [](Row& row) { row.localPort = 0; });
  expectRefused(name, "vmMigTcpConnRemPort", [](Row& row) { row.remPort = 0; });
  expectRefused(name, "vmMigTcpConnRemAddress", [](Row& row) { row.remAddress = {}; });
  expectRefused(name, "vmMigTcpConnRemAddressType", [](Row& row) { row.remAddress = address("2001:db8::9"); });
  expectRefused(value, "vmMigTcpConnNatLocalPort", [](Row& row) { row.natLocalAddress = address("198.51.100.1"); });
  expectRefused(value, "vmMigTcpConnNatRemAddress", [](Row& row) { row.natRemPort = 5; });
  expectRefused(value, "vmMigTcpConnNatLocalAddress",
                [](Row& row) { row.natLocalAddress = address("2001:db8::1"), row.natLocalPort = 5; });
  expectRefused(value, "vmMigTcpConnNatLocalAddress",
                [](Row& row) { row.natLocalAddress = row.localAddress, row.natLocalPort = row.localPort; });
  expectRefused(SnmpStatus::wrongValue, "vmMigTcpConnStorageType", [](Row& row) { row.storageType = StorageType::nonVolatile; });
  expectRefused(value, "vmMigTcpConnWindowKnown", [](Row& row) { row.seqNumber = 110; });
  expectRefused(value, "vmMigTcpConnOpener",
                [&](Row& row) { row.opener = TcpOpener::remote, row.remAddress = vm_.addresses[0]; });
  EXPECT_EQ(device_->rows(), 0u);
}

TEST_P(BackEndContract, GivesARowWithoutTimeoutTheDevicesOwnLessItsIdleTime) {
  auto row = makeRow(vm_, 1);
  row.timeout = 0;
  row.idleTime = 100;
  create(vm_, {row});
  const auto found = find(vm_, row)->as<TcpConnRow>();
  EXPECT_GE(found.idleTime, 100u);
  EXPECT_LE(found.idleTime, 105u);
  EXPECT_GT(found.timeout, 400000u);
}

TEST_P(BackEndContract, RefusesMoreRowsThanItHasRoomFor) {
  start(10);
  EXPECT_EQ(device_->maxRows(), 10u);
  std::vector<AnyRow> rows;
  for (std::uint16_t port = 1; port <= 12; ++port) rows.emplace_back(makeRow(vm_, port));
  auto result = table_->create(vm_, rows);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.done, 10u);
  EXPECT_EQ(result.error->status, SnmpStatus::resourceUnavailable);
  EXPECT_EQ(device_->rows(), 10u);
  EXPECT_EQ(summaryOf(device_->checks()).health, Health::degraded);
  EXPECT_FALSE(table_->remove(vm_, std::span{rows}.first(2)).error);
  create(vm_, {rows[10], rows[11]});
}

TEST_P(BackEndContract, ReadsTenThousandRowsInBatchesWhileTheyChange) {
  constexpr std::uint16_t count = 10000;
  std::vector<AnyRow> rows;
  for (std::uint16_t port = 1; port <= count; ++port) rows.emplace_back(makeRow(vm_, port));
  create(vm_, rows);
  EXPECT_EQ(device_->rows(), count);
  std::set<std::uint16_t> seen;
  std::size_t batches = 0;
  auto cursor = table_->read(vm_);
  for (std::vector<AnyRow> batch;; batch.clear()) {
    auto more = cursor->next(batch);
    ASSERT_TRUE(more) << more.error().text;
    if (!*more) break;
    ++batches;
    EXPECT_LE(batch.size(), 1000u) << "a batch is one bounded piece of work";
    for (const auto& row : batch) EXPECT_TRUE(seen.insert(row.as<TcpConnRow>().localPort).second) << "each row once";
    if (batches == 5) {
      ASSERT_FALSE(table_->remove(vm_, batch).error);
    }
  }
  EXPECT_EQ(seen.size(), count);
  EXPECT_GE(batches, 10u);
}

TEST_P(BackEndContract, TwoCursorsDoNotDisturbEachOther) {
  std::vector<AnyRow> rows;
  for (std::uint16_t port = 1; port <= 1000; ++port) rows.emplace_back(makeRow(vm_, port));
  create(vm_, rows);
  auto first = table_->read(vm_), second = table_->read(vm_);
  std::vector<AnyRow> ofFirst, ofSecond;
  for (bool more = true; more;) {
    auto one = first->next(ofFirst), two = second->next(ofSecond);
    ASSERT_TRUE(one && two);
    EXPECT_TRUE(find(vm_, rows[0]));
    more = *one || *two;
  }
  EXPECT_EQ(ofFirst.size(), 1000u);
  EXPECT_EQ(ofSecond.size(), 1000u);
}

TEST_P(BackEndContract, BlocksEachVmUntilItIsUnblocked) {
  create(vm_, RichRows{vm_}.any());
  EXPECT_TRUE(device_->capabilities().has(Capability::block));
  device_->unblock(vm_.uuid);  // not blocked: nothing happens
  for (int i = 0; i < 2; ++i) {
    auto status = device_->block(vm_);
    ASSERT_TRUE(status) << status.error().text;
    EXPECT_TRUE(device_->isBlocked(vm_.uuid));
    EXPECT_FALSE(device_->isBlocked(other_.uuid));
  }
  ASSERT_TRUE(device_->block(other_));
  device_->unblock(vm_.uuid);
  EXPECT_FALSE(device_->isBlocked(vm_.uuid));
  EXPECT_TRUE(device_->isBlocked(other_.uuid));
  ASSERT_TRUE(device_->block(vm_));
  EXPECT_EQ(readAll(vm_).size(), RichRows{vm_}.rows().size()) << "blocking removes no row";
}

TEST_P(BackEndContract, SaysWhatItIs) {
  EXPECT_EQ(device_->name(), GetParam().first);
  EXPECT_TRUE(device_->capabilities().has(Capability::tcpConn));
  EXPECT_TRUE(device_->tableFor(TableOf<TcpConnRow>::info));
  EXPECT_EQ(device_->tableFor(TableOf<VmRow>::info), nullptr);
  EXPECT_EQ(device_->rows(), 0u);
  EXPECT_EQ(summaryOf(device_->checks()).health == Health::up, summaryOf(device_->checks()).text.value.empty());
  EXPECT_NE(summaryOf(device_->checks()).health, Health::down) << summaryOf(device_->checks()).text.value;
}

std::unique_ptr<BackEnd> makeMemory(std::uint32_t maxRows) { return std::make_unique<MemoryBackEnd>(maxRows); }
std::unique_ptr<BackEnd> makeLinux(std::uint32_t maxRows) {
  NetworkNamespace fresh;  // lives on as the process's own
  static EventLoop loop;   // as in vmmigd
  return makeLinuxBackEnd({.loop = &loop, .maxRows = maxRows});
}

INSTANTIATE_TEST_SUITE_P(Each, BackEndContract,
                         testing::Values(std::pair<const char*, Factory>{"memory", makeMemory},
                                         std::pair<const char*, Factory>{"linux", makeLinux}),
                         [](const auto& each) { return std::string{each.param.first}; });

}  // namespace
}  // namespace vmmig

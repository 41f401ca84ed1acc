// SPDX-License-Identifier: GPL-2.0-or-later
// What every table of every back end must do, whatever it holds: one suite, over all tables of `memory` and those of `linux`.
// (test_back_end_contract has what only connections have.)

#include <gtest/gtest.h>

#include <cstdlib>

#include "mibs/image.h"
#include "subagent/linux_back_end.h"
#include "subagent/memory_back_end.h"
#include "tests/unit/network_namespace.h"
#include "tests/unit/table_contract_rows.h"

namespace vmmig {

std::vector<TableCase> linuxTables() {
  return {
      {.name = "linux_flow",
       .table = &TableOf<FlowRow>::info,
       .rows = flowRows,
       .change = [](AnyRow& row) { row.as<FlowRow>().mark = 9; },
       .isMemory = false},
      {.name = "linux_dhcpBinding",
       .table = &TableOf<DhcpBindingRow>::info,
       .rows = dhcpBindingRows,
       .change = [](AnyRow& row) { row.as<DhcpBindingRow>().leaseTime = 77; },
       .isMemory = false,
       .configure =
           [](Resources& resources) {
             resources.dhcpSnooping = {{"br0", {"core"}, true}};
           },
       .setUp =
           {"ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up",
            "for port in vm5 vm6 core; do ip link add $port type veth peer name far-$port && ip link set $port master br0 up; "
            "done"}},
      {.name = "linux_acl",
       .table = &TableOf<AclRow>::info,
       .rows = aclRows,
       .change = [](AnyRow& row) { row.as<AclRow>().identity.value = "bob"; },
       .isMemory = false,
       .configure =
           [](Resources& resources) {
             resources.acls = {{"auth4", {"inet", "filter", "auth4"}, AclAction::permit},
                               {"auth6", {"inet", "filter", "auth6"}, AclAction::permit}};
           },
       .setUp = {"nft 'add table inet filter; add set inet filter auth4 { type ipv4_addr; flags timeout; counter; }; "
                 "add set inet filter auth6 { type ipv6_addr; }'"}},
      {.name = "linux_counter",
       .table = &TableOf<CounterRow>::info,
       .rows = counterRows,
       .change = [](AnyRow& row) { row.as<CounterRow>().packets = 99; },
       .isMemory = false,
       .configure =
           [](Resources& resources) {
             resources.counters = {{"traffic", CounterKind::counter, {"inet", "filter", "traffic_{vm}"}},
                                   {"volume", CounterKind::quota, {"inet", "filter", "volume_{vm}"}},
                                   {"syn", CounterKind::halfOpen, {"inet", "filter", "syn_{vm}"}}};
           },
       .setUp = {"nft add table inet filter"}},
      {.name = "linux_policy",
       .table = &TableOf<PolicyRow>::info,
       .rows = policyRows,
       .change = [](AnyRow& row) { row.as<PolicyRow>().text.value = "ip daddr 192.0.2.9 drop\n"; },
       .isMemory = false,
       .configure =
           [](Resources& resources) {
             resources.policies = {{"web", PolicyKind::acl, {"inet", "filter", "vm_{vm}"}, {"vms4", "vms6"}}};
           },
       .setUp = {"nft 'add table inet filter; add map inet filter vms4 { type ipv4_addr : verdict; }; "
                 "add map inet filter vms6 { type ipv6_addr : verdict; }'"}},
      {.name = "linux_multicast",
       .table = &TableOf<MulticastRow>::info,
       .rows = multicastRows,
       .change = [](AnyRow& row) { row.as<MulticastRow>().permanent = true; },
       .isMemory = false,
       .configure = [](Resources& resources) { resources.multicastBridges = {"br0"}; },
       .setUp = {"echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6",  // or the ports would join groups themselves
                 "ip link add br0 type bridge mcast_snooping 1 && ip link set br0 up",
                 "for i in 5 6; do ip link add vm$i type veth peer name far$i && ip link set vm$i master br0 && "
                 "ip link set vm$i up && ip link set far$i up; done"}},
  };
}

namespace {

void PrintTo(const TableCase& each, std::ostream* out) { *out << each.name; }

std::unique_ptr<BackEnd> makeDevice(const TableCase& each) {
  if (each.isMemory) return std::make_unique<MemoryBackEnd>();
  NetworkNamespace fresh;  // lives on as the process's own
  for (const auto& command : each.setUp) EXPECT_EQ(std::system(command.c_str()), 0) << command;
  static EventLoop loop;  // as in vmmigd
  LinuxOptions options;
  options.loop = &loop;
  if (each.configure) each.configure(options.resources);
  return makeLinuxBackEnd(options);
}

class TableContract : public testing::TestWithParam<TableCase> {
 protected:
  void start() {
    device_.reset();
    device_ = makeDevice(GetParam());
    table_ = device_->tableFor(*GetParam().table);
    ASSERT_TRUE(table_) << "this device has no " << GetParam().table->name;
    if (GetParam().before)
      for (const auto& vm : {vm_, other_})
        for (const auto& row : GetParam().before(vm)) ASSERT_FALSE(device_->tableFor(row.table())->create(vm, {&row, 1}).error);
  }
  void SetUp() override { start(); }

  std::vector<AnyRow> samples(const Vm& vm) const { return GetParam().rows(vm); }

  std::vector<AnyRow> readAll(const Vm& vm) {
    std::vector<AnyRow> rows;
    auto cursor = table_->read(vm);
    for (;;) {
      auto before = rows.size();
      auto more = cursor->next(rows);
      EXPECT_TRUE(more) << more.error().text;
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
  void exchange(const Vm& vm, const std::vector<AnyRow>& remove, const std::vector<AnyRow>& create) {
    auto refusal = device_->exchange(vm, {remove, create});
    ASSERT_FALSE(refusal) << refusal->error.text;
  }

  /// In what moves; a clock may have gone on for some seconds.
  void expectSame(const AnyRow& actual, const AnyRow& expected) {
    for (const auto& column : expected.table().columns) {
      if (column.carry == Carry::local) continue;
      auto is = actual.get(column), wanted = expected.get(column);
      if (column.carry == Carry::exact || wanted.number == forEver) {
        EXPECT_EQ(is, wanted) << column.name;
        continue;
      }
      EXPECT_LE(is.number, wanted.number) << column.name;
      EXPECT_GE(is.number + 5, wanted.number) << column.name;
    }
  }
  void expectHolds(const Vm& vm, const std::vector<AnyRow>& rows) {
    image::Digest expected, actual;
    for (const auto& row : rows) {
      expected.add(row);
      auto found = find(vm, row);
      ASSERT_TRUE(found) << toString(row.index());
      expectSame(*found, row);
    }
    for (const auto& row : readAll(vm)) actual.add(row);
    EXPECT_EQ(actual.rows(), expected.rows());
    EXPECT_EQ(actual, expected);
  }

  Vm vm_ = makeAttachedVm(5);
  Vm other_ = makeAttachedVm(6);
  std::unique_ptr<BackEnd> device_;
  TableBackEnd* table_ = nullptr;
};

TEST_P(TableContract, HasWhatWasCreated) {
  EXPECT_TRUE(readAll(vm_).empty());
  create(vm_, samples(vm_));
  expectHolds(vm_, samples(vm_));
}

TEST_P(TableContract, TakesAtAnotherDeviceWhatItReadHere) {
  create(vm_, samples(vm_));
  auto rows = readAll(vm_);
  start();
  create(vm_, rows);
  expectHolds(vm_, rows);
}

TEST_P(TableContract, RefusesARowThatExists) {
  auto rows = samples(vm_);
  create(vm_, {rows[0]});
  auto changed = rows[0];
  GetParam().change(changed);
  auto result = table_->create(vm_, std::vector{changed});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.done, 0u);
  EXPECT_EQ(result.error->status, SnmpStatus::inconsistentName) << result.error->text;
  expectHolds(vm_, {rows[0]});
}

TEST_P(TableContract, RemovesRowsAndIsContentWithThoseThatAreGone) {
  auto rows = samples(vm_);
  create(vm_, rows);
  for (int round = 0; round < 2; ++round) {
    auto result = table_->remove(vm_, rows);
    EXPECT_FALSE(result.error) << result.error->text;
    EXPECT_EQ(result.done, rows.size());
    EXPECT_TRUE(readAll(vm_).empty());
  }
  create(vm_, rows);  // nothing of them is left in the way
  expectHolds(vm_, rows);
}

TEST_P(TableContract, ReplacesWhatARowHas) {
  auto rows = samples(vm_);
  create(vm_, rows);
  GetParam().change(rows[0]);
  auto status = table_->replace(vm_, rows[0]);
  ASSERT_TRUE(status) << status.error().text;
  expectHolds(vm_, rows);
}

TEST_P(TableContract, DoesNotReplaceARowThatIsNotThere) {
  auto row = samples(vm_).front();
  auto status = table_->replace(vm_, row);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::inconsistentName) << status.error().text;
  EXPECT_FALSE(find(vm_, row));
}

TEST_P(TableContract, KeepsVmsApart) {
  create(vm_, samples(vm_));
  create(other_, samples(other_));
  expectHolds(vm_, samples(vm_));
  expectHolds(other_, samples(other_));
  for (const auto& row : samples(other_)) EXPECT_FALSE(find(vm_, row));
  EXPECT_FALSE(table_->remove(vm_, samples(vm_)).error);
  expectHolds(other_, samples(other_));
  EXPECT_TRUE(readAll(makeAttachedVm(7)).empty());
}

TEST_P(TableContract, RefusesTheRowOfAnotherVm) {
  for (const auto& row : samples(other_)) {
    auto status = table_->check(vm_, row);
    ASSERT_FALSE(status);
    // By its addresses (its index) or its port.
    auto isForeign =
        status.error().status == SnmpStatus::inconsistentName || status.error().status == SnmpStatus::inconsistentValue;
    EXPECT_TRUE(isForeign) << status.error().text;
    EXPECT_TRUE(table_->create(vm_, std::vector{row}).error);
  }
  EXPECT_TRUE(readAll(vm_).empty());
  EXPECT_TRUE(readAll(other_).empty());
}

TEST_P(TableContract, RefusesWhatItsTablesCheckRefuses) {
  for (auto row : samples(vm_)) {
    EXPECT_TRUE(table_->check(vm_, row));
    row.set(*row.table().column(std::string{row.table().entry.substr(0, row.table().entry.size() - 5)} + "StorageType"),
            smi::Value::integer(static_cast<int>(StorageType::nonVolatile)));
    auto status = table_->check(vm_, row);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().status, SnmpStatus::wrongValue) << status.error().text;
    EXPECT_TRUE(table_->create(vm_, std::vector{row}).error);
  }
  EXPECT_TRUE(readAll(vm_).empty());
}

TEST_P(TableContract, StopsABatchAtTheRowThatIsRefused) {
  auto rows = samples(vm_);
  auto bad = samples(other_).front();
  for (std::size_t at = 0; at <= rows.size(); ++at) {
    start();
    auto batch = rows;
    batch.insert(batch.begin() + static_cast<std::ptrdiff_t>(at), bad);
    auto result = table_->create(vm_, batch);
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.done, at);
    EXPECT_EQ(readAll(vm_).size(), at) << "nothing behind it is made";
  }
}

TEST_P(TableContract, AnExchangeMakesAndTakesAllRows) {
  if (!table_->isExchanged()) return;
  exchange(vm_, {}, samples(vm_));
  expectHolds(vm_, samples(vm_));
  exchange(other_, {}, samples(other_));
  auto changed = samples(vm_);
  GetParam().change(changed[0]);
  exchange(vm_, readAll(vm_), changed);
  expectHolds(vm_, changed);
  expectHolds(other_, samples(other_));
  exchange(vm_, readAll(vm_), {});
  EXPECT_TRUE(readAll(vm_).empty());
  expectHolds(other_, samples(other_));
}

TEST_P(TableContract, AnExchangeOfWhichOneRowCannotBeChangesNothing) {
  if (!table_->isExchanged()) return;
  auto rows = samples(vm_);
  create(vm_, rows);
  for (std::size_t at = 0; at < rows.size(); ++at) {
    auto removed = rows;
    removed.erase(removed.begin() + static_cast<std::ptrdiff_t>(at));  // that one stays in the way
    for (bool rehearsal : {true, false}) {
      auto refusal = rehearsal ? device_->rehearse(vm_, {removed, rows}) : device_->exchange(vm_, {removed, rows});
      ASSERT_TRUE(refusal);
      EXPECT_EQ(refusal->created, std::optional{at});
      EXPECT_EQ(refusal->error.status, SnmpStatus::inconsistentName) << refusal->error.text;
      expectHolds(vm_, rows);
    }
  }
}

TEST_P(TableContract, ARehearsalChangesNothing) {
  if (!table_->isExchanged()) return;
  auto refusal = device_->rehearse(vm_, {{}, samples(vm_)});
  EXPECT_FALSE(refusal) << refusal->error.text;
  EXPECT_TRUE(readAll(vm_).empty());
  create(vm_, samples(vm_));
  auto changed = samples(vm_);
  GetParam().change(changed[0]);
  refusal = device_->rehearse(vm_, {readAll(vm_), changed});
  EXPECT_FALSE(refusal) << refusal->error.text;
  expectHolds(vm_, samples(vm_));
}

std::vector<TableCase> allTables() {
  auto all = memoryTables();
  for (auto& each : linuxTables()) all.push_back(std::move(each));
  return all;
}

INSTANTIATE_TEST_SUITE_P(Each, TableContract, testing::ValuesIn(allTables()), [](const auto& each) { return each.param.name; });

TEST(TableContractItself, CoversEveryTableThatMoves) {
  MemoryBackEnd device;
  std::size_t covered = 1;  // connections: test_back_end_contract
  for (const auto& each : memoryTables()) covered += device.tableFor(*each.table) != nullptr;
  EXPECT_EQ(covered, device.tables().size());
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The stores of the agent's own tables and of the moving ones, and notifications' varbinds.
#include <gtest/gtest.h>

#include <algorithm>

#include "mibs/tcp_conn_table.h"
#include "mibs/transfer_table.h"
#include "subagent/agentx_notifier.h"
#include "subagent/device_table_store.h"
#include "subagent/scalar_store.h"
#include "subagent/vm_store.h"
#include "tests/unit/memory_store.h"

namespace vmmig {
namespace {

using namespace std::chrono_literals;

VmRow vmRow(std::uint8_t last) {
  VmRow row;
  row.uuid = uuidOf(last);
  row.name.value = "vm" + std::to_string(last);
  return row;
}

VmAddressRow addressRow(std::uint8_t vm, std::string_view address) {
  VmAddressRow row;
  row.uuid = uuidOf(vm);
  row.address = parseInetAddress(address).value_or(InetAddress{});
  return row;
}

Change create(AnyRow row) { return {Change::Kind::create, std::nullopt, std::move(row), {}}; }
Change remove(const AnyRow& row) { return {Change::Kind::remove, row, row, {}}; }
Change replace(const AnyRow& before, AnyRow after, std::string_view column) {
  const auto* written = after.table().column(column);
  return {Change::Kind::replace, before, std::move(after), {written}};
}

SnmpStatus statusOf(const Status& status) { return status ? SnmpStatus::noError : status.error().status; }

class VmStoreTest : public testing::Test {
 protected:
  VmContext context() {
    return {[this](const Uuid&) { return busy_; }, [this](const Uuid&) { return blocked_; },
            [this](const Vm& vm) {
              ++counted_;
              return static_cast<std::uint32_t>(vm.addresses.size());
            },
            [this] { ++changes_; }};
  }
  template <class Row>
  void make(RowStore& store, Row row) {
    auto change = create(std::move(row));
    ASSERT_TRUE(store.check(change));
    ASSERT_TRUE(store.apply(change));
    store.settle(change);
  }

  VmRegistry registry_;
  bool busy_ = false;
  bool blocked_ = false;
  int changes_ = 0;
  int counted_ = 0;
  VmStore vms_{registry_, context()};
  VmAddressStore addresses_{registry_, context()};
};

TEST_F(VmStoreTest, ARowShowsWhatOthersCompute) {
  make(vms_, vmRow(1));
  make(addresses_, addressRow(1, "10.0.0.5"));
  blocked_ = true;
  auto row = vms_.find(vmRow(1));
  ASSERT_TRUE(row && *row);
  EXPECT_TRUE((*row)->as<VmRow>().blocked);
  EXPECT_EQ(counted_, 0) << "nobody has asked";
  EXPECT_EQ(vms_.value(**row, *TableOf<VmRow>::info.column("vmMigVmTcpConns")).number, 1);
  EXPECT_EQ(counted_, 1);
  EXPECT_EQ(vms_.value(**row, *TableOf<VmRow>::info.column("vmMigVmTracked")),
            (*row)->get(*TableOf<VmRow>::info.column("vmMigVmTracked")));
  EXPECT_EQ(changes_, 2);
}

TEST_F(VmStoreTest, NextGoesThroughTheVmsInTheOrderOfTheirIndex) {
  for (std::uint8_t each : {9, 3, 200}) make(vms_, vmRow(each));
  Oid at;
  std::vector<std::uint8_t> seen;
  while (true) {
    auto row = vms_.next(at);
    ASSERT_TRUE(row);
    if (!*row) break;
    at = (*row)->index();
    seen.push_back((*row)->as<VmRow>().uuid.octets[15]);
  }
  EXPECT_EQ(seen, (std::vector<std::uint8_t>{3, 9, 200}));
}

TEST_F(VmStoreTest, TheNilUuidNamesNoVm) { EXPECT_EQ(statusOf(vms_.check(create(vmRow(0)))), SnmpStatus::noCreation); }

TEST_F(VmStoreTest, TwoVmsHaveNotTheSameNameWhereObjectsAreCalledByIt) {
  auto strict = context();
  strict.areNamesKeys = true;
  VmStore store{registry_, strict};
  make(store, vmRow(1));
  auto other = vmRow(2);
  other.name.value = "vm1";
  EXPECT_EQ(statusOf(store.check(create(other))), SnmpStatus::inconsistentValue);
  EXPECT_EQ(statusOf(store.apply(create(other))), SnmpStatus::inconsistentValue) << "two rows of one PDU";
  EXPECT_TRUE(vms_.check(create(other))) << "elsewhere a name is for people";
  make(store, vmRow(2));
  auto renamed = vmRow(2);
  renamed.name.value = "vm/1";
  EXPECT_TRUE(store.check(replace(vmRow(2), renamed, "vmMigVmName")));
  renamed.name.value = "vm1";
  EXPECT_EQ(statusOf(store.check(replace(vmRow(2), renamed, "vmMigVmName"))), SnmpStatus::inconsistentValue);
  EXPECT_TRUE(store.check(replace(vmRow(1), vmRow(1), "vmMigVmName"))) << "its own";
}

TEST_F(VmStoreTest, ABusyVmIsNotRemovedAndStaysTracked) {
  make(vms_, vmRow(1));
  busy_ = true;
  EXPECT_EQ(statusOf(vms_.check(remove(vmRow(1)))), SnmpStatus::inconsistentValue);
  auto untracked = vmRow(1);
  untracked.tracked = false;
  EXPECT_EQ(statusOf(vms_.check(replace(vmRow(1), untracked, "vmMigVmTracked"))), SnmpStatus::inconsistentValue);
}

TEST_F(VmStoreTest, WhatSaysWhereTheVmsStateIsStaysWhileItIsBusy) {
  make(vms_, vmRow(1));
  auto renamed = vmRow(1), moved = vmRow(1), silent = vmRow(1);
  renamed.name.value = "new";
  moved.port.value = "tap7";
  silent.notificationsEnable = false;
  auto statusOfChange = [&](const VmRow& row, std::string_view column) {
    return statusOf(vms_.check(replace(vmRow(1), row, column)));
  };
  for (bool busy : {false, true}) {
    busy_ = busy;
    auto expected = busy ? SnmpStatus::inconsistentValue : SnmpStatus::noError;
    EXPECT_EQ(statusOfChange(renamed, "vmMigVmName"), expected);
    EXPECT_EQ(statusOfChange(moved, "vmMigVmPort"), expected);
    EXPECT_EQ(statusOfChange(vmRow(1), "vmMigVmPort"), SnmpStatus::noError) << "the same again";
    EXPECT_EQ(statusOfChange(silent, "vmMigVmNotificationsEnable"), SnmpStatus::noError);
  }
}

TEST_F(VmStoreTest, AVmIsCreatedWithItsPortAndCanMove) {
  auto row = vmRow(1);
  row.port.value = "tap1";
  make(vms_, row);
  EXPECT_EQ(registry_.get(uuidOf(1)).port, "tap1");
  auto generation = registry_.generation(uuidOf(1));
  auto moved = row;
  moved.port.value = "tap7";
  ASSERT_TRUE(vms_.apply(replace(row, moved, "vmMigVmPort")));
  EXPECT_EQ(registry_.get(uuidOf(1)).port, "tap7");
  EXPECT_NE(registry_.generation(uuidOf(1)), generation) << "what was read at the other port is old";
}

TEST_F(VmStoreTest, TheUndoOfARemovalBringsTheAddressesBack) {
  make(vms_, vmRow(1));
  make(addresses_, addressRow(1, "10.0.0.5"));
  auto change = remove(vmRow(1));
  ASSERT_TRUE(vms_.apply(change));
  EXPECT_TRUE(registry_.addresses().empty());
  ASSERT_TRUE(vms_.apply(change.inverse()));
  EXPECT_EQ(registry_.get(uuidOf(1)).addresses.size(), 1u);
}

TEST_F(VmStoreTest, AVmThatWasRemovedForGoodComesBackWithoutItsAddresses) {
  make(vms_, vmRow(1));
  make(addresses_, addressRow(1, "10.0.0.5"));
  auto change = remove(vmRow(1));
  ASSERT_TRUE(vms_.apply(change));
  vms_.settle(change);
  make(vms_, vmRow(1));
  EXPECT_TRUE(registry_.addresses().empty());
}

TEST_F(VmStoreTest, AnAddressBelongsToOneVm) {
  make(vms_, vmRow(1));
  make(vms_, vmRow(2));
  make(addresses_, addressRow(1, "10.0.0.5"));
  auto taken = addresses_.check(create(addressRow(2, "10.0.0.5")));
  ASSERT_EQ(statusOf(taken), SnmpStatus::inconsistentValue);
  EXPECT_NE(taken.error().text.find("vm1"), std::string::npos) << taken.error().text;
  // Two rows of one PDU pass the test both, and the second fails when it is made.
  ASSERT_TRUE(addresses_.apply(create(addressRow(1, "10.0.0.6"))));
  EXPECT_FALSE(addresses_.apply(create(addressRow(2, "10.0.0.6"))));
  EXPECT_EQ(*registry_.ownerOf(*parseInetAddress("10.0.0.6")), uuidOf(1));
}

TEST_F(VmStoreTest, AnAddressNeedsItsVmAndAnIndexThatIsOne) {
  EXPECT_EQ(statusOf(addresses_.check(create(addressRow(1, "10.0.0.5")))), SnmpStatus::inconsistentName);
  make(vms_, vmRow(1));
  EXPECT_TRUE(addresses_.check(create(addressRow(1, "fd00::5"))));
  for (const auto* text : {"0.0.0.0", "::", ""})
    EXPECT_EQ(statusOf(addresses_.check(create(addressRow(1, text)))), SnmpStatus::noCreation) << text;
  auto mixed = addressRow(1, "10.0.0.5");
  mixed.address.type = InetAddressType::ipv6;
  EXPECT_EQ(statusOf(addresses_.check(create(mixed))), SnmpStatus::noCreation);
}

TEST_F(VmStoreTest, AMacHasSixOctetsOrNone) {
  make(vms_, vmRow(1));
  for (std::size_t size = 0; size <= 6; ++size) {
    auto row = addressRow(1, "10.0.0.5");
    row.macAddress.value.assign(size, 'm');
    auto expected = size == 0 || size == 6 ? SnmpStatus::noError : SnmpStatus::wrongLength;
    EXPECT_EQ(statusOf(addresses_.check(create(row))), expected) << size;
  }
}

TEST_F(VmStoreTest, TheAddressesOfABusyVmStay) {
  make(vms_, vmRow(1));
  make(addresses_, addressRow(1, "10.0.0.5"));
  busy_ = true;
  EXPECT_EQ(statusOf(addresses_.check(create(addressRow(1, "10.0.0.6")))), SnmpStatus::inconsistentValue);
  EXPECT_EQ(statusOf(addresses_.check(remove(addressRow(1, "10.0.0.5")))), SnmpStatus::inconsistentValue);
}

TcpConnRow tcpRow(std::uint8_t vm, std::uint16_t port) {
  TcpConnRow row;
  row.uuid = uuidOf(vm);
  row.localAddress = *parseInetAddress("10.0.0.5");
  row.localPort = 80;
  row.remAddress = *parseInetAddress("192.0.2.1");
  row.remPort = port;
  return row;
}

/// Rows in the order of their making, which is none; counts how often it is read.
class FakeTable final : public TableBackEnd {
 public:
  const TableInfo& table() const override { return TableOf<TcpConnRow>::info; }
  std::unique_ptr<RowCursor> read(const Vm& vm) override {
    ++reads;
    if (clock) *clock += cost;
    return std::make_unique<Cursor>(*this, vm.uuid);
  }
  Result<std::optional<AnyRow>> find(const Vm&, const AnyRow& key) override {
    for (const auto& row : rows)
      if (row.index() == key.index()) return row;
    return std::nullopt;
  }
  Status check(const Vm&, const AnyRow&) override { return {}; }
  BatchResult create(const Vm&, std::span<const AnyRow> made) override {
    if (refuses) return {0, Error{SnmpStatus::commitFailed, "refused"}};
    rows.insert(rows.end(), made.begin(), made.end());
    return {made.size(), {}};
  }
  Status replace(const Vm&, const AnyRow&) override { return {}; }
  BatchResult remove(const Vm&, std::span<const AnyRow> keys) override {
    for (const auto& key : keys) std::erase_if(rows, [&](const auto& row) { return row.index() == key.index(); });
    return {keys.size(), {}};
  }

  std::vector<AnyRow> rows;
  int reads = 0;
  bool refuses = false;
  Clock::time_point* clock = nullptr;
  Clock::duration cost{};

 private:
  class Cursor final : public RowCursor {
   public:
    Cursor(const FakeTable& table, const Uuid& vm) : table_(table), vm_(vm) {}
    Result<bool> next(std::vector<AnyRow>& out) override {
      while (at_ < table_.rows.size() && vmOf(table_.rows[at_]) != vm_) ++at_;
      if (at_ == table_.rows.size()) return false;
      out.push_back(table_.rows[at_++]);
      return true;
    }

   private:
    const FakeTable& table_;
    Uuid vm_;
    std::size_t at_ = 0;
  };
};

class DeviceTableStoreTest : public testing::Test {
 protected:
  DeviceTableStoreTest() {
    registry_.put(vmRow(1));
    registry_.put(vmRow(2));
    for (std::uint16_t port : {7, 3, 9}) table_.rows.emplace_back(tcpRow(1, port));
    table_.rows.emplace_back(tcpRow(2, 1));
  }
  std::vector<std::uint16_t> walk() {
    std::vector<std::uint16_t> ports;
    for (Oid at;;) {
      auto row = store_.next(at);
      if (!row || !*row) return ports;
      at = (*row)->index();
      ports.push_back((*row)->as<TcpConnRow>().remPort);
    }
  }

  Clock::time_point now_{};
  EventLoop loop_;
  VmRegistry registry_;
  FakeTable table_;
  DeviceTableStore store_{loop_, registry_, table_, [this] { return now_; }};
};

TEST_F(DeviceTableStoreTest, AWalkIsSortedAndReadsEachVmOnce) {
  EXPECT_EQ(walk(), (std::vector<std::uint16_t>{3, 7, 9, 1}));
  EXPECT_EQ(table_.reads, 2);
}

TEST_F(DeviceTableStoreTest, AWalkStartsAnywhere) {
  auto index = AnyRow{tcpRow(1, 7)}.index();
  EXPECT_EQ((*store_.next(index))->as<TcpConnRow>().remPort, 9);
  index.pop_back();
  EXPECT_EQ((*store_.next(index))->as<TcpConnRow>().remPort, 3);
  EXPECT_EQ((*store_.next(Oid(16, 0)))->as<TcpConnRow>().remPort, 3);
  EXPECT_EQ(*store_.next(Oid{256}), std::nullopt);
}

TEST_F(DeviceTableStoreTest, ACopyLivesHalfASecondOrTenTimesItsCost) {
  walk();
  now_ += 499ms;
  walk();
  EXPECT_EQ(table_.reads, 2);
  now_ += 1ms;
  walk();
  EXPECT_EQ(table_.reads, 4);
  registry_.remove(uuidOf(2));
  table_.clock = &now_;
  table_.cost = 100ms;
  now_ += 1s;
  table_.reads = 0;
  walk();
  now_ += 999ms;
  walk();
  EXPECT_EQ(table_.reads, 1);
  now_ += 1ms;
  walk();
  EXPECT_EQ(table_.reads, 2);
}

TEST_F(DeviceTableStoreTest, AChangeThroughUsIsSeenAtOnce) {
  walk();
  EXPECT_TRUE(store_.apply(create(tcpRow(1, 5))));
  EXPECT_TRUE(store_.apply(remove(tcpRow(1, 9))));
  EXPECT_EQ(walk(), (std::vector<std::uint16_t>{3, 5, 7, 1}));
  EXPECT_EQ(store_.count(registry_.get(uuidOf(1))), 3u);
}

TEST_F(DeviceTableStoreTest, AnExactGetAsksTheDevice) {
  walk();
  table_.rows.emplace_back(tcpRow(1, 4));
  auto row = store_.find(tcpRow(1, 4));
  EXPECT_TRUE(row && *row);
  EXPECT_EQ(table_.reads, 2);
}

TEST_F(DeviceTableStoreTest, RowsOfUnknownAndUntrackedVmsAreNeitherShownNorMade) {
  auto untracked = vmRow(1);
  untracked.tracked = false;
  registry_.put(untracked);
  EXPECT_EQ(walk(), (std::vector<std::uint16_t>{1}));
  EXPECT_FALSE(*store_.find(tcpRow(1, 7)));
  EXPECT_EQ(store_.count(registry_.get(uuidOf(1))), 0u);
  EXPECT_EQ(statusOf(store_.check(create(tcpRow(1, 8)))), SnmpStatus::inconsistentName);
  EXPECT_EQ(statusOf(store_.check(create(tcpRow(3, 8)))), SnmpStatus::inconsistentName);
  EXPECT_TRUE(store_.check(create(tcpRow(2, 8))));
}

TEST_F(DeviceTableStoreTest, WhoOpenedAConnectionThatIsActiveDoesNotChange) {
  auto before = tcpRow(1, 7), other = before;
  other.opener = TcpOpener::remote;
  auto refused = store_.check(replace(before, other, "vmMigTcpConnOpener"));
  EXPECT_EQ(statusOf(refused), SnmpStatus::inconsistentValue);
  EXPECT_NE(refused.error().text.find("vmMigTcpConnOpener"), std::string::npos) << "which names the varbind at fault";
  EXPECT_TRUE(store_.check(replace(before, before, "vmMigTcpConnOpener"))) << "the same value again";
  EXPECT_TRUE(store_.check(create(other)));
  auto marked = before;
  marked.mark = 7;
  EXPECT_TRUE(store_.check(replace(before, marked, "vmMigTcpConnMark")));
}

TEST_F(DeviceTableStoreTest, WhatTheDeviceRefusesFails) {
  table_.refuses = true;
  EXPECT_EQ(statusOf(store_.apply(create(tcpRow(1, 5)))), SnmpStatus::commitFailed);
}

TEST(ScalarStore, TheSwitchIsKeptAndTheRestIsGathered) {
  ScalarStore store{[] {
    DeviceScalars scalars;
    scalars.vms = 3;
    return scalars;
  }};
  DeviceScalars off;
  off.notificationsEnable = false;
  ASSERT_TRUE(store.apply(replace(off, off, "vmMigNotificationsEnable")));
  EXPECT_FALSE(store.notificationsEnabled());
  auto row = store.next({});
  ASSERT_TRUE(row && *row);
  EXPECT_FALSE((*row)->as<DeviceScalars>().notificationsEnable);
  EXPECT_EQ((*row)->as<DeviceScalars>().vms, 3u);
  EXPECT_FALSE(*store.next(Oid{0}));
}

TEST(Notification, CarriesItsOidAndEachObjectWithTheRowsInstance) {
  TransferRow row;
  row.uuid = uuidOf(1);
  row.epoch = {7};
  auto all = mib::allNotifications();
  auto info = std::find_if(all.begin(), all.end(), [](const auto& each) { return each.name == "vmMigTransferFinished"; });
  auto varbinds = notificationVarBinds(*info, row);
  ASSERT_EQ(varbinds.size(), 1 + info->objects.size());
  EXPECT_EQ(toString(varbinds[0].name), "1.3.6.1.6.3.1.1.4.1.0");
  EXPECT_EQ(varbinds[0].value.oid, mib::notifications() + 2u);
  for (std::size_t i = 0; i < info->objects.size(); ++i)
    EXPECT_EQ(varbinds[i + 1].name, nameOf(info->objects[i], AnyRow{row}.index()));
  auto epoch = std::find_if(varbinds.begin(), varbinds.end(),
                            [&](const auto& each) { return each.name == nameOf("vmMigTransferEpoch", AnyRow{row}.index()); });
  EXPECT_EQ(epoch->value, smi::Value::gauge(7));
}

TEST(Notification, EveryOneHasAllItsObjects) {
  for (const auto& info : mib::allNotifications())
    EXPECT_EQ(notificationVarBinds(info, AnyRow{*info.table}).size(), 1 + info.objects.size()) << info.name;
}

}  // namespace
}  // namespace vmmig

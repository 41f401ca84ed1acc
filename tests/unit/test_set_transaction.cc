// SPDX-License-Identifier: GPL-2.0-or-later
// SET of the generic handler over stores in memory: every error of RFC 3416 section 4.2.5 with its index, RowStatus of RFC 2579,
// and all or nothing.
#include "subagent/set_transaction.h"

#include <gtest/gtest.h>

#include "mibs/device_scalars.h"
#include "mibs/image_table.h"
#include "mibs/tcp_conn_table.h"
#include "mibs/vm_address_table.h"
#include "mibs/vm_table.h"
#include "subagent/request_handler.h"
#include "tests/unit/memory_store.h"

namespace vmmig {
namespace {

using smi::Value;
using smi::VarBind;
using Error = std::optional<RequestError>;

Value status(RowStatus value) { return Codec<RowStatus>::toValue(value); }
Value text(std::string value) { return Value::string(std::move(value)); }

Oid vmIndex(std::uint8_t last) {
  VmRow row;
  row.uuid = uuidOf(last);
  return AnyRow{row}.index();
}
Oid tcpIndex(std::uint16_t port) {
  TcpConnRow row;
  row.uuid = uuidOf(1);
  row.localAddress = *parseInetAddress("10.0.0.5");
  row.localPort = 80;
  row.remAddress = *parseInetAddress("192.0.2.1");
  row.remPort = port;
  return AnyRow{row}.index();
}
VarBind vmStatus(std::uint8_t vm, RowStatus value) { return {nameOf("vmMigVmRowStatus", vmIndex(vm)), status(value)}; }
VarBind vmName(std::uint8_t vm, std::string value) { return {nameOf("vmMigVmName", vmIndex(vm)), text(std::move(value))}; }
VarBind tcpStatus(std::uint16_t port, RowStatus value) {
  return {nameOf("vmMigTcpConnRowStatus", tcpIndex(port)), status(value)};
}
VarBind tcpState(std::uint16_t port) { return {nameOf("vmMigTcpConnState", tcpIndex(port)), Value::integer(5)}; }

class SetTest : public testing::Test {
 protected:
  SetTest() { scalars_.put(DeviceScalars{}); }

  /// All phases, as a master agent goes through them; what the first that fails answers.
  Error set(const std::vector<VarBind>& varbinds) {
    auto transaction = handler_.set();
    if (auto error = transaction->test(varbinds)) return error;
    if (auto error = transaction->commit()) {
      auto undone = transaction->undo();
      return undone ? undone : error;
    }
    transaction->cleanup();
    return std::nullopt;
  }
  Value get(std::string_view column, const Oid& index) {
    auto answers = handler_.get({nameOf(column, index)});
    return answers ? answers->front().value : Value{};
  }
  std::string nameOfVm(std::uint8_t vm) { return get("vmMigVmName", vmIndex(vm)).octets; }

  static RequestError error(SnmpStatus status, std::size_t index) { return {status, index}; }

  Journal journal_;
  Clock::time_point now_{};
  MemoryStore scalars_{TableOf<DeviceScalars>::info, &journal_};
  MemoryStore vms_{TableOf<VmRow>::info, &journal_};
  MemoryStore addresses_{TableOf<VmAddressRow>::info, &journal_};
  MemoryStore connections_{TableOf<TcpConnRow>::info, &journal_};
  MemoryStore images_{TableOf<ImageRow>::info, &journal_};
  RequestHandler handler_{{&scalars_, &vms_, &addresses_, &connections_, &images_}, [this] { return now_; }};
};

constexpr auto createAndGo = RowStatus::createAndGo;
constexpr auto createAndWait = RowStatus::createAndWait;
constexpr auto active = RowStatus::active;
constexpr auto notInService = RowStatus::notInService;
constexpr auto destroy = RowStatus::destroy;

// --- errors of one varbind, in the order of RFC 3416 section 4.2.5 -----------------------------------------------------

TEST_F(SetTest, WhatNobodyCanWriteIsNotWritable) {
  const std::vector<Oid> names = {mib::objects(),
                                  mib::objects() + parseOid("99.1.1.0").value(),
                                  nameOf("vmMigVms", Oid{0}),
                                  nameOf("vmMigVmBlocked", vmIndex(1)),
                                  nameOf("vmMigVmUuid", vmIndex(1)),
                                  nameOf("vmMigPhaseError", vmIndex(1))};  // its table has no store here
  for (const auto& name : names)
    EXPECT_EQ(set({vmName(1, "x"), {name, Value::integer(1)}}), error(SnmpStatus::notWritable, 2)) << toString(name);
}

TEST_F(SetTest, AValueOfAnotherTypeIsWrongType) {
  EXPECT_EQ(set({vmStatus(1, createAndGo), {nameOf("vmMigVmName", vmIndex(1)), Value::integer(1)}}),
            error(SnmpStatus::wrongType, 2));
  EXPECT_EQ(set({{nameOf("vmMigTcpConnMark", tcpIndex(1)), Value::counter(1)}}), error(SnmpStatus::wrongType, 1));
}

TEST_F(SetTest, AValueTooLongIsWrongLength) {
  EXPECT_EQ(set({vmStatus(1, createAndGo), vmName(1, std::string(256, 'x'))}), error(SnmpStatus::wrongLength, 2));
  EXPECT_FALSE(set({vmStatus(1, createAndGo), vmName(1, std::string(255, 'x'))}));
}

TEST_F(SetTest, AValueThatCanNeverBeIsWrongValue) {
  EXPECT_EQ(set({{nameOf("vmMigVmTracked", vmIndex(1)), Value::integer(3)}}), error(SnmpStatus::wrongValue, 1));
  EXPECT_EQ(set({vmStatus(1, createAndGo), vmName(1, "\xff")}), error(SnmpStatus::wrongValue, 2));
  EXPECT_EQ(set({vmStatus(1, createAndGo), vmStatus(2, RowStatus::notReady)}), error(SnmpStatus::wrongValue, 2));
}

TEST_F(SetTest, AnIndexThatNamesNothingIsNoCreation) {
  for (const auto& index : {Oid{}, Oid{1, 2}, vmIndex(1) + 0u, Oid(16, 256)})
    EXPECT_EQ(set({{nameOf("vmMigVmName", index), text("x")}}), error(SnmpStatus::noCreation, 1)) << toString(index);
  EXPECT_EQ(set({{nameOf("vmMigNotificationsEnable", Oid{1}), Value::integer(1)}}), error(SnmpStatus::noCreation, 1));
}

TEST_F(SetTest, AColumnOfARowThatDoesNotExistIsInconsistentName) {
  EXPECT_EQ(set({vmStatus(1, createAndGo), vmName(2, "x"), {nameOf("vmMigVmPort", vmIndex(2)), text("x")}}),
            error(SnmpStatus::inconsistentName, 2));
}

TEST_F(SetTest, TheSameVariableTwiceIsFineWithOneValueAndRefusedWithTwo) {
  EXPECT_FALSE(set({vmStatus(1, createAndGo), vmName(1, "x"), vmName(1, "x")}));
  EXPECT_EQ(set({vmName(1, "x"), vmName(1, "y")}), error(SnmpStatus::inconsistentValue, 2));
  EXPECT_EQ(nameOfVm(1), "x");
}

TEST_F(SetTest, ARefusalOfTheStoreIsOfTheColumnThatItsTextNames) {
  vms_.refusal = vmmig::Error{SnmpStatus::inconsistentValue, "vmMigVmPort is busy"};
  EXPECT_EQ(set({vmStatus(1, createAndGo), vmName(1, "x"), {nameOf("vmMigVmPort", vmIndex(1)), text("x")}}),
            error(SnmpStatus::inconsistentValue, 3));
  vms_.refusal = vmmig::Error{SnmpStatus::resourceUnavailable, "vmMigVmNamesake is no column, and the row is too much"};
  EXPECT_EQ(set({vmName(1, "x"), vmStatus(1, createAndGo)}), error(SnmpStatus::resourceUnavailable, 2));
  EXPECT_TRUE(vms_.rows.empty());
}

TEST_F(SetTest, AStoreThatCannotBeReadIsGenErr) {
  vms_.broken = true;
  EXPECT_EQ(set({tcpStatus(1, destroy), vmName(1, "x")}), error(SnmpStatus::genErr, 2));
}

// --- RowStatus ----------------------------------------------------------------------------------------------------------

TEST_F(SetTest, CreateAndGoMakesARowWithItsDefaults) {
  EXPECT_FALSE(set({vmName(1, "web1"), vmStatus(1, createAndGo)}));
  ASSERT_EQ(vms_.rows.size(), 1u);
  EXPECT_EQ(nameOfVm(1), "web1");
  EXPECT_EQ(get("vmMigVmTracked", vmIndex(1)), Value::integer(1));
  EXPECT_EQ(get("vmMigVmRowStatus", vmIndex(1)), status(active));
  EXPECT_EQ(vms_.settled.size(), 1u);
  EXPECT_TRUE(vms_.settled[0].wrote("vmMigVmName"));
  EXPECT_FALSE(vms_.settled[0].wrote("vmMigVmPort"));
}

TEST_F(SetTest, CreateAndGoOfARowThatExistsOrLacksAColumnIsInconsistentValue) {
  EXPECT_EQ(set({vmStatus(1, createAndGo), tcpStatus(1, createAndGo)}), error(SnmpStatus::inconsistentValue, 2));
  EXPECT_FALSE(set({tcpState(1), tcpStatus(1, createAndGo)}));
  EXPECT_EQ(set({tcpState(1), tcpStatus(1, createAndGo)}), error(SnmpStatus::inconsistentValue, 2));
  EXPECT_EQ(set({tcpStatus(1, createAndWait)}), error(SnmpStatus::inconsistentValue, 1));
}

TEST_F(SetTest, CreateAndWaitKeepsTheRowFromTheDeviceUntilItIsActive) {
  EXPECT_FALSE(set({tcpStatus(1, createAndWait)}));
  EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(1)), status(RowStatus::notReady));
  EXPECT_EQ(get("vmMigTcpConnState", tcpIndex(1)).type, smi::Type::noSuchInstance);
  EXPECT_EQ(get("vmMigTcpConnMark", tcpIndex(1)), Value::gauge(0));
  EXPECT_EQ(set({tcpStatus(1, active)}), error(SnmpStatus::inconsistentValue, 1));
  EXPECT_EQ(set({tcpStatus(1, notInService)}), error(SnmpStatus::inconsistentValue, 1));
  EXPECT_EQ(set({tcpStatus(1, createAndWait)}), error(SnmpStatus::inconsistentValue, 1));
  EXPECT_FALSE(set({tcpState(1)}));
  EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(1)), status(notInService));
  EXPECT_EQ(get("vmMigTcpConnState", tcpIndex(1)), Value::integer(5));
  EXPECT_TRUE(connections_.rows.empty());
  EXPECT_FALSE(set({tcpStatus(1, active)}));
  EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(1)), status(active));
  EXPECT_EQ(connections_.rows.size(), 1u);
  EXPECT_TRUE(connections_.settled.back().wrote("vmMigTcpConnState")) << "what was written while it waited counts";
}

TEST_F(SetTest, OnePduCompletesARowAndMakesItActive) {
  EXPECT_FALSE(set({tcpStatus(1, createAndWait)}));
  EXPECT_FALSE(set({tcpStatus(1, active), tcpState(1)}));
  EXPECT_EQ(connections_.rows.size(), 1u);
}

TEST_F(SetTest, NotInServiceTakesAnActiveRowOutOfTheDeviceAndBack) {
  EXPECT_FALSE(set({tcpState(1), tcpStatus(1, createAndGo)}));
  EXPECT_FALSE(set({tcpStatus(1, notInService), {nameOf("vmMigTcpConnMark", tcpIndex(1)), Value::gauge(9)}}));
  EXPECT_TRUE(connections_.rows.empty());
  EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(1)), status(notInService));
  EXPECT_FALSE(set({tcpStatus(1, active)}));
  ASSERT_EQ(connections_.rows.size(), 1u);
  EXPECT_EQ(connections_.rows.begin()->second.as<TcpConnRow>().mark, 9u);
}

TEST_F(SetTest, DestroyEndsARowInAnyStateAndNoneAtAll) {
  EXPECT_FALSE(set({tcpStatus(1, destroy)}));
  EXPECT_FALSE(set({tcpStatus(1, createAndWait)}));
  EXPECT_FALSE(set({tcpStatus(1, destroy)}));
  EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(1)).type, smi::Type::noSuchInstance);
  EXPECT_FALSE(set({tcpState(1), tcpStatus(1, createAndGo)}));
  EXPECT_FALSE(set({tcpStatus(1, destroy)}));
  EXPECT_TRUE(connections_.rows.empty());
}

TEST_F(SetTest, ActiveAndNotInServiceOfNoRowAreInconsistentValue) {
  EXPECT_EQ(set({tcpStatus(1, active)}), error(SnmpStatus::inconsistentValue, 1));
  EXPECT_EQ(set({tcpStatus(1, notInService)}), error(SnmpStatus::inconsistentValue, 1));
}

TEST_F(SetTest, AnActiveRowIsChangedInPlace) {
  EXPECT_FALSE(set({vmStatus(1, createAndGo), vmName(1, "old")}));
  EXPECT_FALSE(set({vmName(1, "new"), vmStatus(1, active)}));
  EXPECT_EQ(vms_.settled.back().kind, Change::Kind::replace);
  EXPECT_EQ(vms_.settled.back().before->as<VmRow>().name.value, "old");
  EXPECT_EQ(nameOfVm(1), "new");
}

TEST_F(SetTest, StagedRowsAreWalkedAmongTheOthers) {
  EXPECT_FALSE(set({vmStatus(1, createAndGo)}));
  EXPECT_FALSE(set({vmStatus(2, createAndWait)}));
  EXPECT_FALSE(set({vmStatus(3, createAndGo)}));
  auto column = nameOf("vmMigVmRowStatus", {});
  Oid at = column;
  std::vector<std::int64_t> seen;
  while (true) {
    auto answer = handler_.getNext({{at}});
    ASSERT_TRUE(answer);
    at = answer->front().name;
    if (answer->front().value.isException() || !startsWith(at, column)) break;
    seen.push_back(answer->front().value.number);
  }
  EXPECT_EQ(seen, (std::vector<std::int64_t>{1, 2, 1}));
}

TEST_F(SetTest, GetNextJumpsOverAColumnThatAStagedRowLacks) {
  EXPECT_FALSE(set({tcpStatus(1, createAndWait)}));
  EXPECT_FALSE(set({tcpState(2), tcpStatus(2, createAndGo)}));
  auto answer = handler_.getNext({{nameOf("vmMigTcpConnState", {})}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->front().name, nameOf("vmMigTcpConnState", tcpIndex(2)));
}

TEST_F(SetTest, StagedRowsAreBoundedInNumber) {
  for (std::size_t port = 0; port < StagedRows::maxRows; port += 64) {
    std::vector<VarBind> varbinds;
    for (std::size_t each = port; each < port + 64; ++each)
      varbinds.push_back(tcpStatus(static_cast<std::uint16_t>(each), createAndWait));
    ASSERT_FALSE(set(varbinds));
  }
  EXPECT_EQ(set({vmStatus(1, createAndGo), tcpStatus(5000, createAndWait)}), error(SnmpStatus::resourceUnavailable, 2));
  EXPECT_FALSE(set({tcpStatus(0, destroy)}));
  EXPECT_EQ(set({tcpStatus(5000, createAndWait), tcpStatus(5001, createAndWait)}), error(SnmpStatus::resourceUnavailable, 2));
  EXPECT_FALSE(set({tcpStatus(5000, createAndWait)}));
}

TEST_F(SetTest, StagedRowsAreDroppedFiveMinutesAfterTheirLastWrite) {
  EXPECT_FALSE(set({tcpStatus(1, createAndWait)}));
  now_ += std::chrono::seconds{299};
  EXPECT_FALSE(set({tcpState(1)}));
  now_ += std::chrono::seconds{299};
  EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(1)), status(notInService));
  now_ += std::chrono::seconds{1};
  EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(1)).type, smi::Type::noSuchInstance);
  EXPECT_EQ(set({tcpStatus(1, active)}), error(SnmpStatus::inconsistentValue, 1));
}

// --- StorageType --------------------------------------------------------------------------------------------------------

TEST_F(SetTest, OnlyVolatileRowsAreMade) {
  auto storage = nameOf("vmMigVmStorageType", vmIndex(1));
  for (auto type : {StorageType::other, StorageType::nonVolatile, StorageType::permanent, StorageType::readOnly})
    EXPECT_EQ(set({vmStatus(1, createAndGo), {storage, Codec<StorageType>::toValue(type)}}), error(SnmpStatus::wrongValue, 2));
  EXPECT_FALSE(set({vmStatus(1, createAndGo), {storage, Codec<StorageType>::toValue(StorageType::volatile_)}}));
}

TEST_F(SetTest, APermanentRowIsChangedButNotDeletedAndAReadOnlyRowNeither) {
  VmRow row;
  row.uuid = uuidOf(1);
  row.storageType = StorageType::permanent;
  vms_.put(row);
  EXPECT_FALSE(set({vmName(1, "new")}));
  EXPECT_EQ(set({vmName(1, "x"), vmStatus(1, destroy)}), error(SnmpStatus::wrongValue, 2));
  EXPECT_EQ(set({vmStatus(1, notInService)}), error(SnmpStatus::wrongValue, 1));
  row.storageType = StorageType::readOnly;
  vms_.put(row);
  EXPECT_EQ(set({vmName(1, "x")}), error(SnmpStatus::notWritable, 1));
  EXPECT_EQ(set({vmStatus(1, destroy)}), error(SnmpStatus::notWritable, 1));
}

// --- tables without RowStatus, scalars ----------------------------------------------------------------------------------

TEST_F(SetTest, AWriteCreatesARowOfATableWithoutRowStatus) {
  auto name = nameOf("vmMigImageData", vmIndex(1) + Oid{7, 1});
  EXPECT_FALSE(set({{name, text("chunk")}}));
  ASSERT_EQ(images_.rows.size(), 1u);
  EXPECT_EQ(images_.settled.back().kind, Change::Kind::create);
  EXPECT_FALSE(set({{name, text("chunk")}}));
  EXPECT_EQ(images_.settled.back().kind, Change::Kind::replace);
}

TEST_F(SetTest, AScalarIsWritten) {
  EXPECT_FALSE(set({{nameOf("vmMigNotificationsEnable", Oid{0}), Value::integer(2)}}));
  EXPECT_EQ(get("vmMigNotificationsEnable", Oid{0}), Value::integer(2));
}

// --- all or nothing -----------------------------------------------------------------------------------------------------

TEST_F(SetTest, ATestChangesNothing) {
  auto transaction = handler_.set();
  EXPECT_FALSE(transaction->test({vmStatus(1, createAndGo), tcpStatus(1, createAndWait)}));
  transaction.reset();
  EXPECT_TRUE(journal_.lines.empty());
  EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(1)).type, smi::Type::noSuchInstance);
}

TEST_F(SetTest, AnErrorInOneRowKeepsAllOthersFromChanging) {
  EXPECT_EQ(set({vmStatus(1, createAndGo), tcpState(1), tcpStatus(1, createAndGo), vmName(2, "x")}),
            error(SnmpStatus::inconsistentName, 4));
  EXPECT_TRUE(vms_.rows.empty());
  EXPECT_TRUE(connections_.rows.empty());
}

/// Rows of several tables and every kind of change, over rows that exist: varbind n is row n.
class AllOrNothingTest : public SetTest {
 protected:
  static constexpr std::size_t steps = 6;
  AllOrNothingTest() {
    EXPECT_FALSE(
        set({vmStatus(2, createAndGo), vmName(2, "two"), vmStatus(3, createAndGo), tcpState(4), tcpStatus(4, createAndGo)}));
    EXPECT_FALSE(set({tcpState(5), tcpStatus(5, createAndWait)}));
    journal_ = {};
  }
  const std::vector<VarBind> pdu_ = {vmStatus(1, createAndGo), vmName(2, "changed"),
                                     vmStatus(3, destroy),     tcpStatus(4, notInService),
                                     tcpStatus(5, active),     {nameOf("vmMigImageData", vmIndex(1) + Oid{7, 6}), text("x")}};
  void expectUnchanged() {
    EXPECT_EQ(vms_.rows.size(), 2u);
    EXPECT_EQ(nameOfVm(2), "two");
    EXPECT_EQ(get("vmMigVmRowStatus", vmIndex(3)), status(active));
    EXPECT_EQ(connections_.rows.size(), 1u);
    EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(4)), status(active));
    EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(5)), status(notInService));
    EXPECT_TRUE(images_.rows.empty());
  }
};

TEST_F(AllOrNothingTest, WithoutAFailureAllIsDoneInOrder) {
  EXPECT_FALSE(set(pdu_));
  EXPECT_EQ(journal_.lines, (std::vector<std::string>{"create 1", "replace 2", "remove 3", "remove 4", "create 5", "create 6"}));
  EXPECT_EQ(get("vmMigTcpConnRowStatus", tcpIndex(4)), status(notInService));
}

TEST_F(AllOrNothingTest, AFailureAtAnyStepLeavesAllAsItWas) {
  for (std::size_t failing = 0; failing < steps; ++failing) {
    journal_ = {{}, {failing}, 0};
    vms_.settled.clear();
    EXPECT_EQ(set(pdu_), error(SnmpStatus::commitFailed, failing + 1));
    expectUnchanged();
    EXPECT_TRUE(vms_.settled.empty());
  }
}

TEST_F(AllOrNothingTest, TheUndoGoesBackwards) {
  journal_.failures = {5};
  EXPECT_TRUE(set(pdu_));
  EXPECT_EQ(journal_.lines, (std::vector<std::string>{"create 1", "replace 2", "remove 3", "remove 4", "create 5", "create 6",
                                                      "remove 5", "create 4", "create 3", "replace 2", "remove 1"}));
}

TEST_F(AllOrNothingTest, AnUndoThatFailsGoesOnAndIsToldAsUndoFailed) {
  journal_.failures = {5, 7};  // the last change, and the undo of row 4
  EXPECT_EQ(set(pdu_), error(SnmpStatus::undoFailed, 0));
  EXPECT_EQ(journal_.lines.back(), "remove 1");
  EXPECT_EQ(nameOfVm(2), "two");
}

TEST_F(AllOrNothingTest, AnUndoAfterACommitThatSucceededTakesAllBack) {
  // Another subagent has failed.
  auto transaction = handler_.set();
  ASSERT_FALSE(transaction->test(pdu_));
  ASSERT_FALSE(transaction->commit());
  EXPECT_FALSE(transaction->undo());
  expectUnchanged();
}

TEST_F(SetTest, WithAVmGoItsRowsThatAreStillBeingMade) {
  ASSERT_FALSE(set({vmStatus(1, createAndGo), vmName(1, "web1")}));
  ASSERT_FALSE(set({tcpStatus(1, createAndWait)}));
  EXPECT_EQ(set({tcpStatus(1, createAndWait)}), error(SnmpStatus::inconsistentValue, 1)) << "it is there";
  ASSERT_FALSE(set({vmStatus(2, createAndGo), vmName(2, "web2")}));
  ASSERT_FALSE(set({vmStatus(2, RowStatus::destroy)}));
  EXPECT_EQ(set({tcpStatus(1, createAndWait)}), error(SnmpStatus::inconsistentValue, 1)) << "another VM has gone";
  ASSERT_FALSE(set({vmStatus(1, RowStatus::notInService)}));
  EXPECT_EQ(set({tcpStatus(1, createAndWait)}), error(SnmpStatus::inconsistentValue, 1)) << "the VM will be back";
  ASSERT_FALSE(set({vmStatus(1, RowStatus::active)}));
  ASSERT_FALSE(set({vmStatus(1, RowStatus::destroy)}));
  EXPECT_FALSE(set({tcpStatus(1, createAndWait)}));
}

}  // namespace
}  // namespace vmmig

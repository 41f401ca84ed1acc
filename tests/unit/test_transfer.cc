// SPDX-License-Identifier: GPL-2.0-or-later
// Transfers between two devices: the whole way, epochs, what each state permits, and the event loop meanwhile.
#include "subagent/set_transaction.h"
#include "tests/unit/memory_store.h"
#include "tests/unit/transfer_fixture.h"

namespace vmmig::test {
namespace {

using Admin = TransferAdmin;
using Oper = TransferOper;
using Role = TransferRole;

TEST_F(TransferTest, MovesTheRowsAndForgetsTheVmAtTheSource) {
  addConnections(source_, 1000, 100);
  auto moved = packed(source_.rows());
  claimBoth(5);
  ASSERT_TRUE(until([&] { return source_.transferRow().rows == 100; }));
  copyImage(5);
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  EXPECT_TRUE(source_.backEnd().isBlocked(vmUuid));
  copyImage(5);
  EXPECT_TRUE(destination_.transferRow().complete);
  EXPECT_EQ(destination_.state(), Oper::prepared);
  commit(5);
  auto frozen = source_.transferRow(), committed = destination_.transferRow();
  EXPECT_EQ(frozen.rows, 100u);
  EXPECT_EQ(committed.rows, 100u);
  EXPECT_EQ(frozen.digest.value.size(), 32u);
  EXPECT_EQ(frozen.digest, committed.digest);
  EXPECT_EQ(packed(destination_.rows()), moved);
  EXPECT_EQ(packed(source_.rows()), moved);

  ASSERT_TRUE(destination_.want(Admin::done, 5));
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_EQ(destination_.state(), Oper::done);
  EXPECT_TRUE(source_.rows().empty());
  EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
  EXPECT_EQ(source_.registry().find(vmUuid), nullptr);
  EXPECT_TRUE(source_.registry().addresses().empty());
  EXPECT_EQ(packed(destination_.rows()), moved);
  EXPECT_EQ(source_.engine().counters().finished.value, 1u);
  EXPECT_EQ(source_.engine().counters().running, 0u);
}

TEST_F(TransferTest, TimesAreInTheOrderOfTheSteps) {
  addConnections(source_, 1000, 40);
  auto before = nowUtc();
  copyFrozen(5);
  commit(5);
  auto source = source_.transferRow(), destination = destination_.transferRow();
  EXPECT_LE(before, source.blockedTime);
  EXPECT_LE(source.blockedTime, source.lastReadTime);
  EXPECT_LE(source.lastReadTime, destination.commitTime);
  ASSERT_TRUE(destination_.want(Admin::done, 5));
  EXPECT_LE(destination.commitTime, destination_.transferRow().finishedTime);
  EXPECT_LE(destination_.transferRow().finishedTime, nowUtc());
}

TEST_F(TransferTest, EachEndOfWorkIsNotified) {
  addConnections(source_, 1000, 3);
  copyFrozen(5);
  commit(5);
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  auto told = [](Device& device) {
    std::vector<std::pair<mib::Notification, Oper>> result;
    for (const auto& [notification, row] : device.notifier.sent)
      result.emplace_back(notification, row.as<TransferRow>().operStatus);
    return result;
  };
  using N = mib::Notification;
  EXPECT_EQ(told(source_),
            (std::vector<std::pair<N, Oper>>{{N::transferFinished, Oper::frozen}, {N::transferFinished, Oper::released}}));
  EXPECT_EQ(told(destination_),
            (std::vector<std::pair<N, Oper>>{{N::transferFinished, Oper::committed}, {N::transferFailed, Oper::aborted}}));
}

TEST_F(TransferTest, MovesThereAndBackAgainWithoutALeftover) {
  addConnections(source_, 1000, 50);
  auto moved = packed(source_.rows());
  Device* from = &source_;
  Device* to = &destination_;
  for (std::uint32_t epoch = 10; epoch < 16; ++epoch) {
    to->knowVm();
    ASSERT_TRUE(from->claim(Role::source, epoch));
    ASSERT_TRUE(to->claim(Role::destination, epoch));
    ASSERT_TRUE(from->want(Admin::freeze, epoch));
    ASSERT_TRUE(reaches(*from, Oper::frozen));
    for (std::uint32_t n = 1; from->chunk(epoch, n); ++n) ASSERT_TRUE(to->writeChunk(epoch, n, *from->chunk(epoch, n)));
    ASSERT_TRUE(to->want(Admin::commit, epoch));
    ASSERT_TRUE(reaches(*to, Oper::committed));
    ASSERT_TRUE(from->want(Admin::release, epoch));
    ASSERT_TRUE(to->want(Admin::done, epoch));
    ASSERT_TRUE(reaches(*from, Oper::released));
    EXPECT_TRUE(from->rows().empty());
    EXPECT_EQ(packed(to->rows()), moved);
    std::swap(from, to);
  }
}

TEST_F(TransferTest, AnEmptyVmMovesToo) {
  copyFrozen(5);
  commit(5);
  EXPECT_EQ(source_.transferRow().digest, destination_.transferRow().digest);
  EXPECT_EQ(destination_.transferRow().rows, 0u);
}

TEST_F(TransferTest, RowsThatDoNotMoveOrAreAboutToEndStay) {
  addConnections(source_, 1000, 5);
  auto opening = connection(2000);
  opening.state = TcpState::synSent;
  source_.add(opening);
  source_.add(connection(2001, 3));
  source_.add(connection(2002, 60));
  copyFrozen(5);
  commit(5);
  EXPECT_EQ(destination_.rows().size(), 6u);
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_TRUE(source_.rows().empty()) << "a released VM leaves no row, whether it moved or not";
}

TEST_F(TransferTest, AnOlderEpochIsRefusedAtEveryStep) {
  addConnections(source_, 1000, 10);
  auto refuses = [&] {
    for (auto wanted : {Admin::track, Admin::freeze, Admin::release, Admin::abort}) {
      auto status = source_.want(wanted, 4);
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().status, SnmpStatus::inconsistentValue);
      EXPECT_NE(status.error().text.find("vmMigTransferEpoch"), std::string::npos) << status.error().text;
    }
    for (auto wanted : {Admin::prepare, Admin::commit, Admin::done, Admin::abort}) ASSERT_FALSE(destination_.want(wanted, 4));
    ASSERT_FALSE(source_.claim(Role::source, 4));
    ASSERT_FALSE(destination_.claim(Role::destination, 4));
    auto chunk = destination_.writeChunk(4, 1, "x");
    ASSERT_FALSE(chunk);
    EXPECT_EQ(chunk.error().status, SnmpStatus::inconsistentName);
  };
  claimBoth(5);
  refuses();
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  refuses();
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  refuses();
  copyImage(5);
  ASSERT_TRUE(destination_.want(Admin::commit, 5));
  refuses();
  ASSERT_TRUE(reaches(destination_, Oper::committed));
  refuses();
  ASSERT_TRUE(source_.want(Admin::release, 5));
  refuses();
  ASSERT_TRUE(reaches(source_, Oper::released));
  ASSERT_TRUE(destination_.want(Admin::done, 5));
  source_.knowVm();
  refuses();
  EXPECT_EQ(destination_.rows().size(), 10u);
  EXPECT_EQ(source_.transferRow().epoch, 5u);
}

TEST_F(TransferTest, AnOlderEpochIsRefusedAfterARestartToo) {
  claimBoth(5);
  source_.restart();
  destination_.restart();
  EXPECT_FALSE(source_.claim(Role::source, 4));
  EXPECT_FALSE(destination_.claim(Role::destination, 4));
  EXPECT_TRUE(source_.claim(Role::source, 6));
  EXPECT_TRUE(destination_.claim(Role::destination, 6));
}

TEST_F(TransferTest, AnOlderEpochIsRefusedAfterTheRowWasDestroyedToo) {
  ASSERT_TRUE(source_.claim(TransferRole::source, 100));
  ASSERT_TRUE(source_.want(Admin::abort, 100));
  ASSERT_TRUE(reaches(source_, Oper::aborted));
  ASSERT_TRUE(source_.destroy());
  EXPECT_FALSE(source_.claim(TransferRole::source, 99));
  EXPECT_TRUE(source_.claim(TransferRole::source, 100));
}

/// A claim in several PDUs (createAndWait), as SNMP managers may make it.
class StagedClaimTest : public TransferTest {
 protected:
  using Columns = std::vector<std::pair<std::string_view, std::int64_t>>;

  SnmpStatus set(const Columns& columns) {
    TransferRow key;
    key.uuid = vmUuid;
    std::vector<smi::VarBind> varbinds;
    for (const auto& [name, number] : columns) {
      auto value = name == "vmMigTransferEpoch" ? smi::Value::gauge(static_cast<std::uint32_t>(number))
                                                : smi::Value::integer(static_cast<std::int32_t>(number));
      varbinds.push_back({nameOf(name, AnyRow{key}.index()), std::move(value)});
    }
    SetTransaction transaction{rows_};
    if (auto error = transaction.test(varbinds)) return error->status;
    if (auto error = transaction.commit()) return error->status;
    transaction.cleanup();
    return SnmpStatus::noError;
  }
  SnmpStatus stage(TransferRole role, std::uint32_t epoch, TransferAdmin admin) {
    return set({{"vmMigTransferRowStatus", static_cast<int>(RowStatus::createAndWait)},
                {"vmMigTransferRole", static_cast<int>(role)},
                {"vmMigTransferEpoch", epoch},
                {"vmMigTransferAdminStatus", static_cast<int>(admin)}});
  }
  SnmpStatus activate() { return set({{"vmMigTransferRowStatus", static_cast<int>(RowStatus::active)}}); }

  RowSource rows_{{&source_.engine().transferStore()}};
};

TEST_F(StagedClaimTest, BeginsWhenItIsActivated) {
  EXPECT_EQ(stage(Role::source, 5, Admin::track), SnmpStatus::noError);
  EXPECT_EQ(source_.transferRow().epoch, 1u) << "nothing yet";
  EXPECT_EQ(source_.engine().find(vmUuid), nullptr);
  EXPECT_EQ(activate(), SnmpStatus::noError);
  EXPECT_EQ(source_.state(), Oper::tracking);
  EXPECT_EQ(source_.transferRow().epoch, 5u);
}

TEST_F(StagedClaimTest, IsCheckedAsAWholeWhenItIsActivated) {
  EXPECT_EQ(stage(Role::source, 5, Admin::freeze), SnmpStatus::noError);
  EXPECT_EQ(activate(), SnmpStatus::inconsistentValue) << "a claim begins with track";
  EXPECT_EQ(set({{"vmMigTransferAdminStatus", static_cast<int>(Admin::prepare)}}), SnmpStatus::noError);
  EXPECT_EQ(activate(), SnmpStatus::inconsistentValue) << "not at a source";
  EXPECT_EQ(set({{"vmMigTransferAdminStatus", static_cast<int>(Admin::track)}}), SnmpStatus::noError);
  auto address = source_.registry().addresses().begin()->second;
  source_.registry().remove(address);
  EXPECT_EQ(activate(), SnmpStatus::inconsistentValue) << "the VM has no address any more";
  source_.registry().put(address);
  EXPECT_EQ(source_.engine().find(vmUuid), nullptr);
  EXPECT_EQ(activate(), SnmpStatus::noError);
}

TEST_F(StagedClaimTest, OfAnOlderEpochIsRefusedWhenItIsActivated) {
  ASSERT_TRUE(source_.claim(Role::source, 100));
  ASSERT_TRUE(source_.want(Admin::abort, 100));
  ASSERT_TRUE(source_.destroy());
  EXPECT_EQ(stage(Role::source, 99, Admin::track), SnmpStatus::noError);
  EXPECT_EQ(activate(), SnmpStatus::inconsistentValue);
  EXPECT_EQ(source_.engine().find(vmUuid), nullptr);
}

TEST_F(StagedClaimTest, DoesNotShadowATransferThatBeganMeanwhile) {
  EXPECT_EQ(stage(Role::source, 5, Admin::track), SnmpStatus::noError);
  ASSERT_TRUE(source_.claim(Role::source, 7));
  EXPECT_EQ(activate(), SnmpStatus::noError) << "the row is active";
  EXPECT_EQ(source_.transferRow().epoch, 7u);
  EXPECT_EQ(set({{"vmMigTransferEpoch", 5}, {"vmMigTransferAdminStatus", static_cast<int>(Admin::abort)}}),
            SnmpStatus::inconsistentValue);
  EXPECT_EQ(source_.state(), Oper::tracking);
}

TEST_F(TransferTest, AConnectionToAVmThatStaysIsKeptAtTheSource) {
  VmRow neighbour;
  neighbour.uuid.octets[15] = 0x77;
  source_.registry().put(neighbour);
  VmAddressRow address;
  address.uuid = neighbour.uuid;
  address.address = connection(1).remAddress;
  source_.registry().put(address);
  auto elsewhere = connection(1001);
  elsewhere.remAddress = parseInetAddress("198.51.100.7").value();
  source_.add(connection(1000));
  source_.add(elsewhere);
  copyFrozen(5);
  commit(5);
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_EQ(packed(destination_.rows()).size(), 2u);
  EXPECT_EQ(packed(source_.rows()), packed({connection(1000)}));
}

TEST_F(TransferTest, AHigherEpochTakesOverAtEveryStepOfTheSource) {
  addConnections(source_, 1000, 40);
  auto before = packed(source_.rows());
  ASSERT_TRUE(source_.claim(Role::source, 5));
  ASSERT_TRUE(source_.claim(Role::source, 6));  // while it reads
  EXPECT_FALSE(source_.chunk(5, 1));
  ASSERT_TRUE(source_.want(Admin::freeze, 6));
  ASSERT_TRUE(source_.claim(Role::source, 7));  // while it freezes
  turns(20);
  EXPECT_EQ(source_.state(), Oper::tracking);
  EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
  ASSERT_TRUE(source_.want(Admin::freeze, 7));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  ASSERT_TRUE(source_.claim(Role::source, 8));  // when it is frozen
  EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
  EXPECT_EQ(packed(source_.rows()), before);
  ASSERT_TRUE(source_.want(Admin::abort, 8));
  ASSERT_TRUE(source_.want(Admin::release, 8));
  ASSERT_EQ(source_.state(), Oper::releasing);
  EXPECT_FALSE(source_.claim(Role::source, 9)) << "half of the rows are gone already";
  EXPECT_EQ(source_.engine().counters().failed.value, 4u);
}

TEST_F(TransferTest, AHigherEpochTakesOverAtEveryStepOfTheDestination) {
  addConnections(source_, 1000, 100);
  copyFrozen(5);
  ASSERT_TRUE(destination_.claim(Role::destination, 6));
  EXPECT_EQ(destination_.state(), Oper::prepared);
  EXPECT_EQ(destination_.transferRow().chunks, 0u);
  source_.claim(Role::source, 6);
  ASSERT_TRUE(source_.want(Admin::freeze, 6));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  copyImage(6);
  ASSERT_TRUE(destination_.want(Admin::commit, 6));
  ASSERT_TRUE(until([&] { return destination_.rows().size() > 20; }));
  ASSERT_TRUE(destination_.claim(Role::destination, 7));  // in the middle of its work
  EXPECT_EQ(destination_.transferRow().epoch, 7u);
  EXPECT_EQ(destination_.state(), Oper::aborting);
  EXPECT_TRUE(destination_.want(Admin::prepare, 7)) << "the claim repeated";
  ASSERT_TRUE(reaches(destination_, Oper::prepared));
  EXPECT_TRUE(destination_.rows().empty());
  source_.claim(Role::source, 7);
  ASSERT_TRUE(source_.want(Admin::freeze, 7));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  copyImage(7);
  commit(7);
  ASSERT_TRUE(destination_.claim(Role::destination, 8));  // committed, and nothing says that the VM runs here
  ASSERT_TRUE(reaches(destination_, Oper::prepared));
  EXPECT_TRUE(destination_.rows().empty());
}

TEST_F(TransferTest, ARunningTransferKeepsItsRoleAndItsRow) {
  claimBoth(5);
  auto role = source_.claim(Role::destination, 6);
  ASSERT_FALSE(role);
  EXPECT_NE(role.error().text.find("vmMigTransferRole"), std::string::npos);
  auto destroyed = source_.destroy();
  ASSERT_FALSE(destroyed);
  EXPECT_EQ(destroyed.error().status, SnmpStatus::inconsistentValue);
  EXPECT_TRUE(source_.engine().isBusy(vmUuid));
  ASSERT_TRUE(source_.want(Admin::abort, 5));
  EXPECT_FALSE(source_.engine().isBusy(vmUuid));
  EXPECT_TRUE(source_.claim(Role::destination, 6));
  ASSERT_TRUE(source_.want(Admin::abort, 6));
  EXPECT_TRUE(source_.destroy());
  TransferRow key;
  key.uuid = vmUuid;
  EXPECT_FALSE(source_.engine().transferStore().find(AnyRow{key}).value());
  source_.restart();
  EXPECT_FALSE(source_.engine().transferStore().find(AnyRow{key}).value());
}

TEST_F(TransferTest, AWriteWithoutTheEpochIsRefused) {
  claimBoth(5);
  TransferRow row;
  row.uuid = vmUuid;
  row.epoch.value = 5;
  auto& store = source_.engine().transferStore();
  for (auto column : {"vmMigTransferAdminStatus", "vmMigTransferDeadline", "vmMigTransferPolicy"}) {
    auto status = Device::set(store, AnyRow{row}, {column});
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().status, SnmpStatus::inconsistentValue);
    EXPECT_NE(status.error().text.find(column), std::string::npos) << status.error().text;
  }
  row.epoch.value = 6;
  EXPECT_FALSE(Device::set(store, AnyRow{row}, {"vmMigTransferEpoch"})) << "a claim says what it wants";
}

TEST_F(TransferTest, AVmThatIsNotKnownCannotBeClaimed) {
  source_.registry().remove(vmUuid);
  auto status = source_.claim(Role::source, 5);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::inconsistentValue);
  VmRow row;
  row.uuid = vmUuid;
  source_.registry().put(row);
  EXPECT_FALSE(source_.claim(Role::source, 5)) << "without an address nothing is its own";
}

TEST_F(TransferTest, WhatTheStateDoesNotPermitIsInconsistentValueAndSaysWhatToDo) {
  auto refuses = [](Device& device, std::initializer_list<Admin> wishes, const char* state) {
    for (auto wanted : wishes) {
      auto status = device.want(wanted, 5);
      ASSERT_FALSE(status) << labelOf(wanted) << " in " << state;
      EXPECT_EQ(status.error().status, SnmpStatus::inconsistentValue);
      EXPECT_NE(status.error().text.find("vmMigTransferAdminStatus " + labelOf(wanted)), std::string::npos);
      EXPECT_NE(status.error().text.find("web1"), std::string::npos);
      EXPECT_NE(status.error().text.find(state), std::string::npos) << status.error().text;
    }
  };
  addConnections(source_, 1000, 5);
  claimBoth(5);
  refuses(source_, {Admin::release, Admin::prepare, Admin::commit, Admin::done}, "tracking");
  refuses(destination_, {Admin::track, Admin::freeze, Admin::release, Admin::commit, Admin::done}, "prepared");
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  refuses(source_, {Admin::track}, "frozen");
  copyImage(5);
  commit(5);
  refuses(destination_, {Admin::prepare}, "committed");
  ASSERT_TRUE(destination_.want(Admin::done, 5));
  refuses(destination_, {Admin::abort, Admin::commit, Admin::prepare}, "done");
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  refuses(source_, {Admin::abort, Admin::freeze, Admin::track}, "released");
}

TEST_F(TransferTest, ARequestThatIsRepeatedSucceeds) {
  addConnections(source_, 1000, 20);
  claimBoth(5);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  copyImage(5);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(destination_.want(Admin::commit, 5));
  ASSERT_TRUE(reaches(destination_, Oper::committed));
  ASSERT_TRUE(destination_.want(Admin::commit, 5));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(destination_.want(Admin::done, 5));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  ASSERT_TRUE(source_.want(Admin::release, 5));
  EXPECT_EQ(destination_.rows().size(), 20u);
  EXPECT_EQ(source_.engine().counters().finished.value, 1u);
}

TEST_F(TransferTest, TheNumberOfTransfersIsLimited) {
  Limits limits;
  limits.maxTransfers = 1;
  Device device{loop_, "", limits};
  ASSERT_TRUE(device.claim(Role::source, 5));
  VmRow vm;
  vm.uuid = {{8}};
  device.registry().put(vm);
  VmAddressRow address;
  address.uuid = vm.uuid;
  address.address = parseInetAddress("10.0.0.8").value();
  device.registry().put(address);
  TransferRow row;
  row.uuid = vm.uuid;
  row.epoch.value = 5;
  const Change claim{Kind::create, std::nullopt, AnyRow{row}, {}};
  auto status = Device::run(device.engine().transferStore(), claim);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::resourceUnavailable);
  ASSERT_TRUE(device.want(Admin::abort, 5));
  EXPECT_TRUE(Device::run(device.engine().transferStore(), claim));
  device.crash();
}

TEST_F(TransferTest, TheLoopTurnsWhileTenThousandRowsMove) {
  Limits limits;  // the real ones
  Device from{loop_, directory_ + "/from.json", limits}, to{loop_, directory_ + "/to.json", limits};
  addConnections(from, 1000, 10'000);
  ASSERT_TRUE(from.claim(Role::source, 5));
  ASSERT_TRUE(to.claim(Role::destination, 5));

  auto last = Clock::now();
  Clock::duration longest{};
  int ticks = 0;
  bool isTicking = true;
  std::function<void()> tick = [&] {
    if (!isTicking) return;
    longest = std::max(longest, Clock::now() - last);
    last = Clock::now();
    ++ticks;
    loop_.after(1ms, tick);
  };
  tick();
  ASSERT_TRUE(from.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(from, Oper::frozen));
  EXPECT_GT(ticks, 5);
  for (std::uint32_t n = 1; from.chunk(5, n); ++n) ASSERT_TRUE(to.writeChunk(5, n, *from.chunk(5, n)));
  ticks = 0;
  last = Clock::now();
  longest = {};
  ASSERT_TRUE(to.want(Admin::commit, 5));
  ASSERT_TRUE(reaches(to, Oper::committed));
  EXPECT_GT(ticks, 10);
  // The model's snapshot of all rows is the longest piece.
  EXPECT_LT(longest, 250ms);
  EXPECT_EQ(to.transferRow().digest, from.transferRow().digest);
  EXPECT_EQ(to.rows().size(), 10'000u);
  ASSERT_TRUE(from.want(Admin::release, 5));
  ASSERT_TRUE(reaches(from, Oper::released));
  EXPECT_TRUE(from.rows().empty());
  isTicking = false;
  from.crash();
  to.crash();
}

}  // namespace
}  // namespace vmmig::test

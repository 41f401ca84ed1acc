// SPDX-License-Identifier: GPL-2.0-or-later
// Nobody comes back: managers that vanish (deadlines) and agents that are killed and started again (the state file).
#include "tests/unit/transfer_fixture.h"

namespace vmmig::test {
namespace {

using Admin = TransferAdmin;
using Oper = TransferOper;
using Role = TransferRole;

class CrashTest : public TransferTest {
 protected:
  void SetUp() override {
    addConnections(source_, 1000, 60);
    moved_ = packed(source_.rows());
  }
  void expectSourceKept() {
    EXPECT_EQ(packed(source_.rows()), moved_);
    EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
    EXPECT_NE(source_.registry().find(vmUuid), nullptr);
  }
  /// A packet of the VM crosses the destination's firewall.
  static void refresh(Device& device, std::uint16_t port) {
    auto row = connection(port);
    device.remove(row);
    row.seqNumber += 1;
    device.add(row);
  }

  std::set<std::string> moved_;
};

TEST_F(CrashTest, TheDeadlineGivesBackASourceInEveryState) {
  for (auto step : {Oper::tracking, Oper::frozen}) {
    SCOPED_TRACE(labelOf(step));
    auto epoch = 10u + static_cast<std::uint32_t>(step);
    ASSERT_TRUE(source_.claim(Role::source, epoch, 1));
    if (step == Oper::frozen) {
      ASSERT_TRUE(source_.want(Admin::freeze, epoch));
      ASSERT_TRUE(reaches(source_, Oper::frozen));
      EXPECT_TRUE(source_.backEnd().isBlocked(vmUuid));
    }
    EXPECT_EQ(source_.transferRow().deadline, 1u);
    ASSERT_TRUE(reaches(source_, Oper::expired));
    expectSourceKept();
    EXPECT_FALSE(source_.want(Admin::freeze, epoch));
    EXPECT_EQ(source_.notifier.sent.back().first, mib::Notification::transferFailed);
  }
  // The manager comes back, and knows that the VM runs at the destination.
  ASSERT_TRUE(source_.want(Admin::release, 10u + static_cast<std::uint32_t>(Oper::frozen)));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_TRUE(source_.rows().empty());
}

TEST_F(CrashTest, TheDeadlineEmptiesAPreparedDestination) {
  addConnections(destination_, 5000, 5);
  auto before = packed(destination_.rows());
  copyFrozen(5, 1);
  ASSERT_TRUE(reaches(destination_, Oper::expired));
  EXPECT_EQ(packed(destination_.rows()), before);
  EXPECT_FALSE(destination_.chunk(5, 1)) << "staged state dies with the deadline";
  EXPECT_FALSE(destination_.writeChunk(5, 1, "x"));
}

TEST_F(CrashTest, TheDeadlineUndoesACommitThatNobodyEnds) {
  addConnections(destination_, 1000, 10);
  auto before = packed(destination_.rows());
  copyFrozen(5, 1);
  commit(5);
  ASSERT_TRUE(reaches(destination_, Oper::expired));
  EXPECT_EQ(packed(destination_.rows()), before);
}

TEST_F(CrashTest, TheDeadlineKeepsACommitWhoseRowsShowLife) {
  copyFrozen(5, 1);
  commit(5);
  refresh(destination_, 1030);
  ASSERT_TRUE(reaches(destination_, Oper::done));
  EXPECT_EQ(destination_.rows().size(), 60u);
}

TEST_F(CrashTest, AConnectionThatWasClosedIsASignOfLife) {
  copyFrozen(5, 1);
  commit(5);
  destination_.remove(connection(1030));
  ASSERT_TRUE(reaches(destination_, Oper::done));
  EXPECT_EQ(destination_.rows().size(), 59u);
}

TEST_F(CrashTest, TheTablesForgetTheVmWhenNothingCanBeTakenBackAnyMore) {
  copyFrozen(5);
  auto before = destination_.faults().forgotten;
  EXPECT_EQ(before, 1) << "of a transfer before";
  commit(5);
  destination_.restart();
  EXPECT_EQ(destination_.faults().forgotten, before);
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  EXPECT_TRUE(destination_.rows().empty());
  EXPECT_EQ(destination_.faults().forgotten, before + 1);
  EXPECT_EQ(source_.faults().forgotten, 0);
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_EQ(source_.faults().forgotten, 1);
}

TEST_F(CrashTest, ARowThatCannotBeReadIsNotJudgedDead) {
  copyFrozen(5, 1);
  commit(5);
  destination_.faults().read = true;
  ASSERT_TRUE(reaches(destination_, Oper::done));
  EXPECT_EQ(destination_.rows().size(), 60u);
}

TEST_F(CrashTest, EachWriteStartsTheDeadlineAnew) {
  ASSERT_TRUE(source_.claim(Role::source, 5, 1));
  auto until3s = Clock::now() + 2500ms;
  while (Clock::now() < until3s) {
    loop_.runUntil([] { return false; }, Clock::now() + 300ms);
    TransferRow row;
    row.uuid = vmUuid;
    row.epoch.value = 5;
    row.deadline.value = 1;
    ASSERT_TRUE(Device::set(source_.engine().transferStore(), AnyRow{row}, {"vmMigTransferEpoch", "vmMigTransferDeadline"}));
  }
  EXPECT_EQ(source_.state(), Oper::tracking);
  ASSERT_TRUE(reaches(source_, Oper::expired));
}

TEST_F(CrashTest, TheDeadlineCountsDown) {
  ASSERT_TRUE(source_.claim(Role::source, 5, 30));
  EXPECT_EQ(source_.transferRow().deadline, 30u);
  ASSERT_TRUE(until([&] { return source_.transferRow().deadline == 29u; }, 3s));
  ASSERT_TRUE(source_.want(Admin::track, 5));
  EXPECT_EQ(source_.transferRow().deadline, 30u);
}

TEST_F(CrashTest, ASourceThatIsKilledInAnyStateGivesTheVmBack) {
  auto expectExpired = [&](std::uint32_t epoch) {
    source_.restart();
    EXPECT_EQ(source_.state(), Oper::expired);
    EXPECT_EQ(source_.transferRow().epoch, epoch);
    EXPECT_FALSE(source_.transferRow().error.value.empty());
    expectSourceKept();
    EXPECT_EQ(source_.registry().get(vmUuid).addresses.size(), 1u);
  };
  ASSERT_TRUE(source_.claim(Role::source, 5));
  expectExpired(5);
  ASSERT_TRUE(source_.claim(Role::source, 6));
  ASSERT_TRUE(source_.want(Admin::freeze, 6));
  turns(2);
  ASSERT_EQ(source_.state(), Oper::freezing);
  expectExpired(6);
  ASSERT_TRUE(source_.claim(Role::source, 7));
  ASSERT_TRUE(source_.want(Admin::freeze, 7));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  expectExpired(7);
  // The manager knows that the VM runs at the destination.
  ASSERT_TRUE(source_.want(Admin::release, 7));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_TRUE(source_.rows().empty());
}

TEST_F(CrashTest, ASourceThatIsKilledWhileItReleasesGoesOnReleasing) {
  copyFrozen(5);
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(until([&] { return source_.rows().size() < 50; }));
  ASSERT_EQ(source_.state(), Oper::releasing);
  source_.restart();
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_TRUE(source_.rows().empty());
  EXPECT_EQ(source_.registry().find(vmUuid), nullptr);
  source_.restart();
  EXPECT_EQ(source_.state(), Oper::released);
  EXPECT_EQ(source_.registry().find(vmUuid), nullptr);
}

TEST_F(CrashTest, ADestinationThatIsKilledWhilePreparedKeepsWhatWasThere) {
  addConnections(destination_, 1000, 10);
  auto before = packed(destination_.rows());
  copyFrozen(5);
  destination_.restart();
  EXPECT_EQ(destination_.state(), Oper::expired);
  turns(20);
  EXPECT_EQ(packed(destination_.rows()), before);
}

TEST_F(CrashTest, ADestinationThatIsKilledAtAnyTurnOfACommitKeepsNothingOfIt) {
  int killed = 0;
  for (int turn = 1; turn < 30; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(100 + turn);
    copyFrozen(epoch);
    ASSERT_TRUE(destination_.want(Admin::commit, epoch));
    turns(turn);
    bool isCommitting = destination_.state() == Oper::committing;
    killed += isCommitting && !destination_.rows().empty();
    destination_.restart();
    if (isCommitting) {
      ASSERT_TRUE(reaches(destination_, Oper::expired));
      EXPECT_TRUE(destination_.rows().empty());
    } else {
      EXPECT_EQ(destination_.state(), Oper::committed);
      EXPECT_EQ(packed(destination_.rows()), moved_);
      ASSERT_TRUE(destination_.want(Admin::abort, epoch));
      turns(20);
      ASSERT_TRUE(reaches(destination_, Oper::aborted));
      EXPECT_TRUE(destination_.rows().empty());
    }
    ASSERT_TRUE(source_.want(Admin::abort, epoch));
    expectSourceKept();
  }
  EXPECT_GT(killed, 3);
}

TEST_F(CrashTest, ADestinationThatIsKilledWhileItUndoesGoesOnUndoing) {
  copyFrozen(5);
  commit(5);
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  ASSERT_TRUE(until([&] { return destination_.rows().size() < 50; }));
  ASSERT_EQ(destination_.state(), Oper::aborting);
  destination_.restart();
  ASSERT_TRUE(reaches(destination_, Oper::expired));
  EXPECT_TRUE(destination_.rows().empty());
}

TEST_F(CrashTest, ACommittedDestinationThatIsKilledStaysCommittedAndItsDeadlineStillRuns) {
  copyFrozen(5, 1);
  commit(5);
  auto digest = destination_.transferRow().digest;
  destination_.restart();
  EXPECT_EQ(destination_.state(), Oper::committed);
  EXPECT_EQ(destination_.transferRow().digest, digest);
  EXPECT_EQ(packed(destination_.rows()), moved_);
  ASSERT_TRUE(reaches(destination_, Oper::expired));
  EXPECT_TRUE(destination_.rows().empty());
}

TEST_F(CrashTest, ACommittedDestinationWhoseRowsAreUnknownAfterARestartKeepsThem) {
  copyFrozen(5, 1);
  commit(5);
  destination_.faults().read = true;
  destination_.restart();
  turns(20);
  destination_.faults() = {};
  ASSERT_TRUE(reaches(destination_, Oper::done));
  EXPECT_EQ(packed(destination_.rows()), moved_);
}

/// An agent that is started with a configuration of its own, before it recovers.
class RecoverTest : public CrashTest {
 protected:
  static Uuid other() { return {{8}}; }
  static VmAddressRow address(const Uuid& vm, const InetAddress& address, StorageType storage) {
    VmAddressRow row;
    row.uuid = vm;
    row.address = address;
    row.storageType = storage;
    return row;
  }
  /// As vmmigd.conf would: permanent.
  static void configure(Device& device, const Uuid& vm, const InetAddress& vmsAddress) {
    VmRow row;
    row.uuid = vm;
    row.name.value = "configured";
    row.storageType = StorageType::permanent;
    device.registry().put(row);
    device.registry().put(address(vm, vmsAddress, StorageType::permanent));
  }
};

TEST_F(RecoverTest, AVmThatIsConfiguredNowIsTheConfigurations) {
  copyFrozen(5);
  commit(5);
  destination_.crash();
  destination_.start([&] { configure(destination_, vmUuid, parseInetAddress("10.0.0.70").value()); });
  EXPECT_EQ(destination_.registry().find(vmUuid)->name.value, "configured");
  EXPECT_EQ(destination_.registry().get(vmUuid).addresses.size(), 2u) << "the transfer's rows are those of the other";
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  turns(20);
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  EXPECT_TRUE(destination_.rows().empty());
}

TEST_F(RecoverTest, AnAddressThatBelongsToAnotherVmNowStaysItsOwn) {
  copyFrozen(5);
  commit(5);
  destination_.crash();
  destination_.start([&] { configure(destination_, other(), vmAddress); });
  EXPECT_EQ(*destination_.registry().ownerOf(vmAddress), other());
  EXPECT_TRUE(destination_.registry().get(vmUuid).addresses.empty());
  // Its rows are the other's now, and nobody takes them away.
  ASSERT_TRUE(reaches(destination_, Oper::failed));
  EXPECT_NE(destination_.transferRow().error.value.find("no address"), std::string::npos);
  EXPECT_EQ(destination_.rows().size(), 60u);
}

TEST_F(RecoverTest, ADamagedAddressOrVmIsNotTaken) {
  ASSERT_TRUE(destination_.claim(Role::destination, 5));
  destination_.crash();
  {
    StateFile file{directory_ + "/destination.json"};
    file.put(AnyRow{address(vmUuid, InetAddress{}, StorageType::volatile_)});
    file.put(AnyRow{address(vmUuid, parseInetAddress("0.0.0.0").value(), StorageType::volatile_)});
    file.put(AnyRow{address(other(), parseInetAddress("10.0.0.9").value(), StorageType::volatile_)});
    file.put(AnyRow{VmRow{}});
    ASSERT_TRUE(file.save());
  }
  destination_.restart();
  EXPECT_EQ(destination_.registry().vms().size(), 1u);
  EXPECT_EQ(destination_.registry().addresses().size(), 1u);
}

TEST_F(CrashTest, AFinishedTransferStaysFinished) {
  copyFrozen(5);
  commit(5);
  ASSERT_TRUE(destination_.want(Admin::done, 5));
  destination_.restart();
  turns(20);
  EXPECT_EQ(destination_.state(), Oper::done);
  EXPECT_EQ(packed(destination_.rows()), moved_);
}

}  // namespace
}  // namespace vmmig::test

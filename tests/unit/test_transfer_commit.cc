// SPDX-License-Identifier: GPL-2.0-or-later
// Commit is all or nothing (design: invariants 1, 2 and 4): whatever fails, and whenever it is given up, both devices are as
// before.
#include "tests/unit/transfer_fixture.h"

namespace vmmig::test {
namespace {

using Admin = TransferAdmin;
using Oper = TransferOper;
using Role = TransferRole;

class CommitTest : public TransferTest {
 protected:
  /// 60 rows at the source; at the destination 20 stale ones of the same keys, with old values, and 5 of others.
  void SetUp() override {
    addConnections(source_, 1000, 60);
    for (std::uint16_t port = 1000; port < 1020; ++port) {
      auto stale = connection(port);
      stale.seqNumber -= 500;
      destination_.add(stale);
    }
    addConnections(destination_, 5000, 5);
    moved_ = packed(source_.rows());
    before_ = packed(destination_.rows());
  }

  /// As on a device whose rows cannot be followed: nothing is made ahead, and nothing again.
  void makeAllInCommit() { destination_.faults().follows = false; }
  void expectAsBefore() {
    EXPECT_EQ(packed(destination_.rows()), before_);
    EXPECT_EQ(packed(source_.rows()), moved_);
  }
  void expectFailure(const std::string& text) {
    ASSERT_TRUE(destination_.want(Admin::commit, 5));
    ASSERT_TRUE(reaches(destination_, Oper::failed));
    EXPECT_NE(destination_.transferRow().error.value.find(text), std::string::npos) << destination_.transferRow().error.value;
    EXPECT_EQ(destination_.notifier.sent.back().first, mib::Notification::transferFailed);
    expectAsBefore();
    EXPECT_FALSE(destination_.want(Admin::done, 5)) << "nothing is here";
    // The source goes on as if nothing had been.
    ASSERT_TRUE(source_.want(Admin::abort, 5));
    EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
    EXPECT_EQ(packed(source_.rows()), moved_);
  }

  std::set<std::string> moved_, before_;
};

TEST_F(CommitTest, StaleRowsMakeWayForTheImage) {
  copyFrozen(5);
  commit(5);
  EXPECT_EQ(packed(destination_.rows()), moved_);
}

TEST_F(CommitTest, ARowThatCannotBeMadeUndoesAllWhereverItStands) {
  for (std::size_t k : {0u, 1u, 15u, 16u, 17u, 59u}) {
    SCOPED_TRACE(k);
    auto epoch = static_cast<std::uint32_t>(100 + k);
    copyFrozen(epoch);
    // The undo of the same device works again.
    destination_.faults().createsLeft = k;
    ASSERT_TRUE(destination_.want(Admin::commit, epoch));
    ASSERT_TRUE(until([&] { return destination_.state() == Oper::aborting; }));
    destination_.faults() = {};
    ASSERT_TRUE(reaches(destination_, Oper::failed));
    EXPECT_NE(destination_.transferRow().error.value.find("no room"), std::string::npos);
    expectAsBefore();
    ASSERT_TRUE(source_.want(Admin::abort, epoch));
  }
}

TEST_F(CommitTest, AStaleRowThatCannotBeRemovedUndoesAll) {
  makeAllInCommit();
  copyFrozen(5);
  destination_.faults().removesLeft = 7;
  expectFailure("a stale row");
}

TEST_F(CommitTest, ARowThatComesOutOtherwiseUndoesAll) {
  makeAllInCommit();
  copyFrozen(5);
  bool altered = false;
  destination_.faults().alter = [&](TcpConnRow& row) {
    if (row.localPort == 1033 && !std::exchange(altered, true)) row.mark += 1;
  };
  expectFailure("1 rows altered");
}

TEST_F(CommitTest, ARowThatIsNotThereAfterwardsUndoesAll) {
  makeAllInCommit();
  copyFrozen(5);
  bool removed = false;
  destination_.faults().beforeCreate = [&] {
    auto rows = destination_.rows();
    if (rows.size() <= 30 || std::exchange(removed, true)) return;
    // One of those that the commit has made: in which order it makes them is its own affair.
    auto made = std::find_if(rows.begin(), rows.end(), [](const auto& row) { return row.localPort < 2000; });
    if (made != rows.end()) destination_.remove(*made);
  };
  expectFailure("1 gone");
}

TEST_F(CommitTest, ARowTooManyUndoesAll) {
  makeAllInCommit();
  copyFrozen(5);
  bool added = false;
  destination_.faults().beforeCreate = [&] {
    if (!std::exchange(added, true)) destination_.add(connection(7777));
  };
  ASSERT_TRUE(destination_.want(Admin::commit, 5));
  ASSERT_TRUE(reaches(destination_, Oper::failed));
  EXPECT_NE(destination_.transferRow().error.value.find("1 too many"), std::string::npos);
  destination_.remove(connection(7777));
  expectAsBefore();
}

TEST_F(CommitTest, AnUndoGoesOnAfterARowThatCannotBeTakenBackAndCountsIt) {
  makeAllInCommit();
  copyFrozen(5);
  bool altered = false;
  destination_.faults().alter = [&](TcpConnRow& row) { row.mark = std::exchange(altered, true) ? 0 : 1; };
  ASSERT_TRUE(destination_.want(Admin::commit, 5));
  ASSERT_TRUE(until([&] { return destination_.state() == Oper::aborting; }));
  destination_.faults() = {};
  destination_.faults().refusedPorts = {1004, 5002};
  ASSERT_TRUE(reaches(destination_, Oper::failed));
  EXPECT_EQ(destination_.transferRow().error.value.find("2 rows could not be taken back"), 0u)
      << destination_.transferRow().error.value;
  auto expected = before_;
  auto lost = connection(1004);
  lost.seqNumber -= 500;
  expected.erase(*packed({lost}).begin());
  expected.erase(*packed({connection(5002)}).begin());
  EXPECT_EQ(packed(destination_.rows()), expected);
}

TEST_F(CommitTest, AnAbortAtAnyTurnOfACommitLeavesTheDestinationAsItWas) {
  int aborted = 0;
  for (int turn = 0; turn < 40; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(100 + turn);
    copyFrozen(epoch);
    ASSERT_TRUE(destination_.want(Admin::commit, epoch));
    turns(turn);
    aborted += destination_.state() == Oper::committing;
    ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    ASSERT_TRUE(reaches(destination_, Oper::aborted));
    ASSERT_TRUE(source_.want(Admin::abort, epoch));
    expectAsBefore();
  }
  EXPECT_GT(aborted, 10);
}

TEST_F(CommitTest, AnAbortAtAnyTurnLeavesTheSourceAsItWas) {
  for (int turn = 0; turn < 15; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(100 + turn);
    ASSERT_TRUE(source_.claim(Role::source, epoch));
    turns(turn / 2);
    ASSERT_TRUE(source_.want(Admin::freeze, epoch));
    turns(turn);
    ASSERT_TRUE(source_.want(Admin::abort, epoch));
    EXPECT_EQ(source_.state(), Oper::aborted);
    EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
    turns(20);
    EXPECT_EQ(source_.state(), Oper::aborted) << "a task that goes on";
    EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
    expectAsBefore();
  }
}

TEST_F(CommitTest, TheSourceKeepsItsRowsUntilRelease) {
  copyFrozen(5);
  EXPECT_EQ(packed(source_.rows()), moved_);
  commit(5);
  ASSERT_TRUE(destination_.want(Admin::done, 5));
  turns(20);
  EXPECT_EQ(packed(source_.rows()), moved_);
  ASSERT_TRUE(source_.want(Admin::abort, 5));
  EXPECT_EQ(packed(source_.rows()), moved_);
  // The manager knows better: the VM does run at the destination.
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_TRUE(source_.rows().empty());
}

TEST_F(CommitTest, BestEffortLeavesOutWhatTheDeviceRefusesAndCountsIt) {
  destination_.faults().refusedPorts = {1007, 1059};
  copyFrozen(5, 60, TransferPolicy::bestEffort);
  commit(5);
  auto committed = destination_.transferRow();
  EXPECT_EQ(committed.missing, 2u);
  EXPECT_NE(committed.error.value.find("left out (bestEffort): "), std::string::npos) << committed.error.value;
  EXPECT_EQ(committed.rows, 58u);
  EXPECT_NE(committed.digest, source_.transferRow().digest);
  auto expected = moved_;
  expected.erase(*packed({connection(1007)}).begin());
  expected.erase(*packed({connection(1059)}).begin());
  EXPECT_EQ(packed(destination_.rows()), expected);
  // What was there of them before comes back with the rest.
  destination_.faults() = {};
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  expectAsBefore();
}

TEST_F(CommitTest, BestEffortCountsWhatComesOutOtherwise) {
  destination_.faults().alter = [](TcpConnRow& row) {
    if (row.localPort == 1033) row.mark = 9;
  };
  copyFrozen(5, 60, TransferPolicy::bestEffort);
  commit(5);
  EXPECT_EQ(destination_.transferRow().missing, 1u);
  EXPECT_EQ(destination_.transferRow().rows, 60u);
  EXPECT_NE(destination_.transferRow().digest, source_.transferRow().digest);
}

TEST_F(CommitTest, RequireRefusesAChunkWithARowThatTheDeviceCannotHave) {
  destination_.faults().refusedPorts = {1030};
  claimBoth(5);
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::frozen));
  std::uint32_t number = 0, refused = 0;
  for (const auto& data : image(5)) {
    auto written = destination_.writeChunk(5, ++number, data);
    if (written) continue;
    ++refused;
    EXPECT_EQ(written.error().status, SnmpStatus::wrongValue);
    EXPECT_NE(written.error().text.find("vmMigImageData"), std::string::npos);
  }
  EXPECT_EQ(refused, 1u);
  EXPECT_FALSE(destination_.want(Admin::commit, 5));
}

TEST_F(CommitTest, ADeviceThatCannotBeReadFailsTheTransferAndKeepsTheRows) {
  ASSERT_TRUE(source_.claim(Role::source, 5));
  source_.faults().read = true;
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::failed));
  EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
  EXPECT_NE(source_.transferRow().error.value.find("does not answer"), std::string::npos);
  source_.faults() = {};
  copyFrozen(6);
  destination_.faults().read = true;
  ASSERT_TRUE(destination_.want(Admin::commit, 6));
  ASSERT_TRUE(reaches(destination_, Oper::failed));
  destination_.faults() = {};
  expectAsBefore();
}

TEST_F(CommitTest, ATrafficBlockThatFailsFailsTheFreeze) {
  ASSERT_TRUE(source_.claim(Role::source, 5));
  source_.faults().block = true;
  ASSERT_TRUE(source_.want(Admin::freeze, 5));
  ASSERT_TRUE(reaches(source_, Oper::failed));
  expectAsBefore();
}

TEST_F(CommitTest, ARowThatCannotBeDeletedIsSaidAndTheReleaseCanBeRepeated) {
  copyFrozen(5);
  commit(5);
  source_.faults().removesLeft = 10;
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::failed));
  EXPECT_NE(source_.registry().find(vmUuid), nullptr) << "what is left must be visible";
  EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
  source_.faults() = {};
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_TRUE(source_.rows().empty());
}

TEST_F(CommitTest, AStateThatCannotBeWrittenFailsTheCommitBeforeItChangesAnything) {
  copyFrozen(5);
  std::filesystem::remove_all(directory_);
  expectFailure("state file");
  EXPECT_FALSE(destination_.claim(Role::destination, 6) && destination_.state() == Oper::prepared);
}

}  // namespace
}  // namespace vmmig::test

// SPDX-License-Identifier: GPL-2.0-or-later
// Tables that are exchanged: one transaction in commit, undo and release, rehearsed before the stop, and what was there before
// (an operator's own policies) comes back, also when vmmigd is killed in the middle.
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/transfer_fixture.h"

namespace vmmig::test {
namespace {

using Admin = TransferAdmin;
using Oper = TransferOper;
using Role = TransferRole;

constexpr const char* aclOfVm = "vmMigAclEntry authenticated 10.0.0.7";

class ExchangeTest : public TransferTest {
 protected:
  /// Rows of every kind at the source; at the destination an older one of the same key, an operator's own policy, and
  /// connections.
  void SetUp() override {
    addConnections(source_, 1000, 20);
    source_.exchanged().add(aclEntry("10.0.0.7"));
    source_.exchanged().add(aclEntry("10.0.0.7 . 443", "services"));
    source_.add(policy("acl-100", {"tcp dport 80 accept", "drop"}));
    addConnections(destination_, 5000, 5);
    auto older = aclEntry("10.0.0.7");
    older.identity.value = "bob";
    destination_.exchanged().add(older);
    destination_.add(policy("operators-own", {"counter", "accept"}));
    moved_ = source_.exchangedRows();
    before_ = destination_.exchangedRows();
    connsBefore_ = packed(destination_.rows());
  }

  void expectAsBefore() {
    EXPECT_EQ(destination_.exchangedRows(), before_);
    EXPECT_EQ(packed(destination_.rows()), connsBefore_);
    EXPECT_EQ(source_.exchangedRows(), moved_);
  }
  void expectFailure(const std::string& text) {
    ASSERT_TRUE(destination_.want(Admin::commit, 5));
    ASSERT_TRUE(reaches(destination_, Oper::failed));
    EXPECT_NE(error().find(text), std::string::npos) << error();
    expectAsBefore();
  }
  /// Until the pre-copy's image is all there is.
  void claimAndRead(TransferPolicy policy = TransferPolicy::require) {
    claimBoth(5, 60, policy);
    ASSERT_TRUE(until([&] { return source_.transferRow().rows == 24; }));
    turns(20);
  }
  std::string error() { return destination_.transferRow().error.value; }
  FakeExchangedTables::Faults& faults() { return destination_.exchanged().faults; }
  /// What is missing when these rows are left out.
  static std::set<std::string> without(std::set<std::string> rows, const AnyRow& left) {
    rows.erase(std::string{left.table().name} + image::packRow(left, image::Form::canonical));
    return rows;
  }

  std::set<std::string> moved_, before_, connsBefore_;
};

TEST_F(ExchangeTest, MovesTheRowsOfAllTablesByOneExchange) {
  copyFrozen(5);
  commit(5);
  EXPECT_EQ(destination_.exchangedRows(), moved_);
  EXPECT_EQ(destination_.exchanged().exchanges, 1);
  EXPECT_EQ(destination_.rows().size(), 20u);
  EXPECT_EQ(destination_.transferRow().rows, 24u);
  EXPECT_EQ(destination_.transferRow().digest, source_.transferRow().digest);
  ASSERT_TRUE(destination_.want(Admin::done, 5));
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_TRUE(source_.exchangedRows().empty());
  EXPECT_EQ(source_.exchanged().exchanges, 1);
  EXPECT_EQ(destination_.exchangedRows(), moved_);
}

TEST_F(ExchangeTest, ComesLastOfWhatIsMade) {
  copyFrozen(5);
  std::size_t conns = 0;
  faults().before = [&] { conns = destination_.rows().size(); };
  commit(5);
  EXPECT_EQ(conns, 20u);
}

TEST_F(ExchangeTest, ARowThatCannotBeMadeIsNamedAndNothingStays) {
  faults().late = {aclOfVm};
  copyFrozen(5);
  expectFailure(std::string{aclOfVm} + " cannot be made: the set is full");
  EXPECT_EQ(destination_.exchanged().exchanges, 0);
}

TEST_F(ExchangeTest, BestEffortLeavesOutTheRowsAtFaultAndCountsThem) {
  faults().late = {aclOfVm};
  faults().refused = {"vmMigAclEntry services 10.0.0.7 . 443"};
  copyFrozen(5, 60, TransferPolicy::bestEffort);
  commit(5);
  EXPECT_EQ(destination_.transferRow().missing, 2u);
  EXPECT_EQ(destination_.transferRow().rows, 22u);
  auto expected = without(without(moved_, aclEntry("10.0.0.7")), aclEntry("10.0.0.7 . 443", "services"));
  EXPECT_EQ(destination_.exchangedRows(), expected);
  faults() = {};
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  expectAsBefore();
}

TEST_F(ExchangeTest, APolicyOfWhichAPieceIsLeftOutIsLeftOutAsAWhole) {
  faults().refused = {"vmMigPolicyEntry acl-100 2"};
  copyFrozen(5, 60, TransferPolicy::bestEffort);
  commit(5);
  EXPECT_EQ(destination_.transferRow().missing, 2u);
  EXPECT_EQ(destination_.exchangedRows().size(), 2u);
}

TEST_F(ExchangeTest, BestEffortFailsWhenNoRowIsAtFault) {
  copyFrozen(5, 60, TransferPolicy::bestEffort);
  faults().all = "the ruleset cannot be changed";
  expectFailure("the ruleset cannot be changed");
}

TEST_F(ExchangeTest, ARowThatEndedBeforeItWasRemovedIsNoFailure) {
  copyFrozen(5);
  faults().gone = 2;
  commit(5);
  EXPECT_EQ(destination_.exchangedRows(), moved_);
  source_.exchanged().faults.gone = 2;
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
}

TEST_F(ExchangeTest, ARowThatComesOutOtherwiseUndoesAllByOneExchangeBack) {
  copyFrozen(5);
  faults().alter = [](AnyRow& row) {
    if (&row.table() == &TableOf<AclRow>::info) row.as<AclRow>().packets = 7;
    // The undo works again.
    if (&row.table() == &TableOf<PolicyRow>::info && row.as<PolicyRow>().name.value == "operators-own") ADD_FAILURE();
  };
  ASSERT_TRUE(destination_.want(Admin::commit, 5));
  ASSERT_TRUE(until([&] { return destination_.state() == Oper::aborting; }));
  faults() = {};
  ASSERT_TRUE(reaches(destination_, Oper::failed));
  EXPECT_NE(error().find("2 rows altered"), std::string::npos) << error();
  EXPECT_EQ(destination_.exchanged().exchanges, 2);
  expectAsBefore();
}

TEST_F(ExchangeTest, AnAbortAtAnyTurnLeavesAllAsItWas) {
  int exchanged = 0;
  for (int turn = 0; turn < 30; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(100 + turn);
    copyFrozen(epoch);
    ASSERT_TRUE(destination_.want(Admin::commit, epoch));
    turns(turn);
    exchanged += destination_.exchangedRows() == moved_;
    ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    ASSERT_TRUE(reaches(destination_, Oper::aborted));
    ASSERT_TRUE(source_.want(Admin::abort, epoch));
    expectAsBefore();
  }
  EXPECT_GT(exchanged, 5);
  EXPECT_LT(exchanged, 29);
}

TEST_F(ExchangeTest, AnAbortWhileBestEffortLooksThroughManyRowsLeavesAllAsItWas) {
  for (int port = 1000; port < 1060; ++port) source_.exchanged().add(aclEntry("10.0.0.7 . " + std::to_string(port), "services"));
  moved_ = source_.exchangedRows();
  auto refused = aclEntry("10.0.0.7 . 1030", "services");
  faults().refused = {"vmMigAclEntry services 10.0.0.7 . 1030"};
  auto wanted = without(moved_, refused);
  int exchanged = 0;
  for (int turn = 0; turn < 40; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(100 + turn);
    copyFrozen(epoch, 60, TransferPolicy::bestEffort);
    ASSERT_TRUE(destination_.want(Admin::commit, epoch));
    turns(turn);
    exchanged += destination_.exchangedRows() == wanted;
    ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    ASSERT_TRUE(reaches(destination_, Oper::aborted));
    ASSERT_TRUE(source_.want(Admin::abort, epoch));
    expectAsBefore();
  }
  EXPECT_GT(exchanged, 5);
  EXPECT_LT(exchanged, 36) << "it gives way between the rows";
}

TEST_F(ExchangeTest, WhatCameByItselfStaysAtAnUndo) {
  copyFrozen(5);
  commit(5);
  destination_.exchanged().add(aclEntry("10.0.0.7 . 22", "services"));
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  EXPECT_EQ(destination_.exchangedRows().size(), before_.size() + 1);
  destination_.exchanged().remove(aclEntry("10.0.0.7 . 22", "services"));
  expectAsBefore();
}

TEST_F(ExchangeTest, AnUndoCountsWhatItCannotRestoreAndRestoresTheRest) {
  copyFrozen(5);
  commit(5);
  faults().late = {aclOfVm};
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  EXPECT_EQ(error().find("1 rows could not be taken back"), 0u) << error();
  auto older = aclEntry("10.0.0.7");
  older.identity.value = "bob";
  EXPECT_EQ(destination_.exchangedRows(), without(before_, older));
}

TEST_F(ExchangeTest, AnUndoRemovesWhatWasMadeEvenIfNothingCanBeRestored) {
  copyFrozen(5);
  commit(5);
  faults().gone = exchangeAttempts;
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  EXPECT_EQ(error().find("3 rows could not be taken back"), 0u) << error();
  EXPECT_TRUE(destination_.exchangedRows().empty());
}

TEST_F(ExchangeTest, AReleaseThatIsRefusedDeletesNothingAndCanBeRepeated) {
  copyFrozen(5);
  commit(5);
  source_.exchanged().faults.all = "the ruleset cannot be changed";
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::failed));
  EXPECT_EQ(source_.exchangedRows(), moved_);
  EXPECT_EQ(source_.rows().size(), 20u);
  source_.exchanged().faults = {};
  ASSERT_TRUE(source_.want(Admin::release, 5));
  ASSERT_TRUE(reaches(source_, Oper::released));
  EXPECT_TRUE(source_.exchangedRows().empty());
}

TEST_F(ExchangeTest, ADestinationThatIsKilledAtAnyTurnOfACommitHasWhatWasThereBefore) {
  int exchanged = 0, committed = 0;
  for (int turn = 1; turn < 30; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(100 + turn);
    copyFrozen(epoch);
    ASSERT_TRUE(destination_.want(Admin::commit, epoch));
    turns(turn);
    bool isCommitting = destination_.state() == Oper::committing;
    exchanged += isCommitting && destination_.exchangedRows() == moved_;
    destination_.restart();
    if (!isCommitting) {
      ++committed;
      EXPECT_EQ(destination_.state(), Oper::committed);
      EXPECT_EQ(destination_.exchangedRows(), moved_);
      ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    }
    ASSERT_TRUE(reaches(destination_, isCommitting ? Oper::expired : Oper::aborted));
    EXPECT_EQ(destination_.exchangedRows(), before_);
    ASSERT_TRUE(source_.want(Admin::abort, epoch));
  }
  EXPECT_GT(exchanged, 1);
  EXPECT_GT(committed, 2);
}

TEST_F(ExchangeTest, ADestinationThatIsKilledInAnUndoStillHasWhatWasThereBefore) {
  for (int turn = 0; turn < 10; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(100 + turn);
    copyFrozen(epoch);
    commit(epoch);
    ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    turns(turn);
    destination_.restart();
    until([&] { return isFinal(destination_.state()); });
    EXPECT_EQ(destination_.exchangedRows(), before_);
    ASSERT_TRUE(source_.want(Admin::abort, epoch));
  }
}

TEST_F(ExchangeTest, WhatWouldHaveEndedWhileVmmigdWasDownIsNotRestored) {
  copyFrozen(5);
  commit(5);
  destination_.crash();
  auto path = directory_ + "/destination.json";
  auto state = nlohmann::json::parse(std::ifstream{path});
  auto& time = state["formerRows"][0]["readTime"];
  time = time.get<std::uint64_t>() - 3'600'000'000;
  std::ofstream{path} << state;
  destination_.restart();
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  turns(20);
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  auto older = aclEntry("10.0.0.7");
  older.identity.value = "bob";
  EXPECT_EQ(destination_.exchangedRows(), without(before_, older)) << "its life was 600 seconds";
}

TEST_F(ExchangeTest, WithoutKnowingWhatWasThereNothingIsTakenAway) {
  copyFrozen(5);
  commit(5);
  destination_.crash();
  auto path = directory_ + "/destination.json";
  auto state = nlohmann::json::parse(std::ifstream{path});
  state.erase("formerRows");
  std::ofstream{path} << state;
  destination_.restart();
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  turns(20);
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  EXPECT_EQ(destination_.exchangedRows(), moved_);
  EXPECT_TRUE(destination_.rows().empty());
  EXPECT_EQ(error(), "");
}

TEST_F(ExchangeTest, AnEndedTransferKeepsNothingInTheStateFile) {
  auto kept = [&] { return StateFile{directory_ + "/destination.json"}.former(vmUuid) != nullptr; };
  copyFrozen(5);
  EXPECT_FALSE(kept());
  commit(5);
  EXPECT_TRUE(kept());
  ASSERT_TRUE(destination_.want(Admin::done, 5));
  EXPECT_FALSE(kept());
  destination_.restart();
  turns(20);
  EXPECT_EQ(destination_.exchangedRows(), moved_);
}

TEST_F(ExchangeTest, ADeadlineThatPassesAfterACommitRestoresWhatWasThere) {
  copyFrozen(5, 1);
  commit(5);
  ASSERT_TRUE(reaches(destination_, Oper::expired));
  expectAsBefore();
}

TEST_F(ExchangeTest, ACounterThatGrowsIsASignOfLife) {
  copyFrozen(5, 1);
  commit(5);
  auto used = aclEntry("10.0.0.7");
  used.packets = 12;
  destination_.exchanged().add(used);
  ASSERT_TRUE(reaches(destination_, Oper::done));
}

TEST_F(ExchangeTest, ARehearsalEndsTheTransferWhileTheVmRunsAtTheSource) {
  faults().all = "chain acl-100 uses @blocked, which does not exist; create the set";
  claimAndRead();
  copyImage(5);
  EXPECT_EQ(destination_.state(), Oper::prepared) << "never inside the SET";
  ASSERT_TRUE(reaches(destination_, Oper::failed));
  EXPECT_EQ(error(), faults().all);
  EXPECT_EQ(destination_.exchanged().rehearsals, exchangeAttempts);
  EXPECT_EQ(source_.state(), Oper::tracking);
  EXPECT_FALSE(source_.backEnd().isBlocked(vmUuid));
  expectAsBefore();
}

TEST_F(ExchangeTest, ARehearsalTakesTheStaleRowsForRemoved) {
  claimAndRead();
  copyImage(5);
  ASSERT_TRUE(until([&] { return destination_.exchanged().rehearsals > 0; }));
  turns(10);
  EXPECT_EQ(destination_.state(), Oper::prepared) << error();
  EXPECT_EQ(destination_.exchangedRows(), before_);
  ASSERT_TRUE(destination_.want(Admin::abort, 5));
  ASSERT_TRUE(reaches(destination_, Oper::aborted));
  expectAsBefore();
}

TEST_F(ExchangeTest, IsRehearsedOnceForManyChunksAndNotForConnections) {
  claimAndRead();
  ASSERT_GT(image(5).size(), 3u);
  copyImage(5);
  ASSERT_TRUE(until([&] { return destination_.exchanged().rehearsals > 0; }));
  EXPECT_EQ(destination_.exchanged().rehearsals, 1);
  image::ChunkWriter writer{1000};
  writer.put(AnyRow{connection(9999)});
  writer.flush();
  auto chunks = image(5).size();
  ASSERT_TRUE(destination_.writeChunk(5, static_cast<std::uint32_t>(chunks) + 1, writer.take().front()));
  until([] { return false; }, 100ms);
  EXPECT_EQ(destination_.exchanged().rehearsals, 1);
  writer.put(AnyRow{aclEntry("10.0.0.7 . 25", "services")});
  writer.flush();
  ASSERT_TRUE(destination_.writeChunk(5, static_cast<std::uint32_t>(chunks) + 2, writer.take().front()));
  ASSERT_TRUE(until([&] { return destination_.exchanged().rehearsals == 2; }));
}

TEST_F(ExchangeTest, BestEffortIsNotRehearsed) {
  faults().all = "no";
  claimAndRead(TransferPolicy::bestEffort);
  copyImage(5);
  until([] { return false; }, 100ms);
  EXPECT_EQ(destination_.exchanged().rehearsals, 0);
  EXPECT_EQ(destination_.state(), Oper::prepared);
}

TEST_F(ExchangeTest, ARefusedChunkLeavesItsReasonInTheRow) {
  faults().refused = {"vmMigPolicyEntry acl-100 1"};
  claimAndRead();
  std::uint32_t number = 0, refused = 0;
  std::string refusedData;
  for (const auto& data : image(5)) {
    ++number;
    if (destination_.writeChunk(5, number, data)) continue;
    refused = number;
    refusedData = data;
  }
  ASSERT_NE(refused, 0u);
  EXPECT_EQ(destination_.state(), Oper::prepared);
  EXPECT_EQ(error().find("chunk " + std::to_string(refused) +
                         " is refused: vmMigPolicyEntry acl-100 1 cannot be made here: there is no"),
            0u)
      << error();
  EXPECT_FALSE(destination_.writeChunk(5, refused, "x"));
  EXPECT_NE(error().find("chunk " + std::to_string(refused)), std::string::npos);
  // The operator has mended it.
  faults() = {};
  ASSERT_TRUE(destination_.writeChunk(5, refused, refusedData));
  EXPECT_EQ(error(), "");
}

TEST_F(ExchangeTest, RowsWithoutAnEndMoveAndDoNotAge) {
  auto eternal = aclEntry("10.0.0.7 . 80", "services");
  eternal.timeout = eternal.lifetime = forEver;
  source_.exchanged().add(eternal);
  copyFrozen(5);
  commit(5);
  auto found = destination_.exchanged().rows.find({6, AnyRow{eternal}.index()});
  ASSERT_NE(found, destination_.exchanged().rows.end());
  EXPECT_EQ(found->second.as<AclRow>().timeout, forEver);
}

}  // namespace
}  // namespace vmmig::test

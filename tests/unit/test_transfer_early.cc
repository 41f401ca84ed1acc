// SPDX-License-Identifier: GPL-2.0-or-later
// What a destination makes ahead of its commit, what is left for the commit, and that nothing of it stays.
#include <fstream>

#include "subagent/early_rows_file.h"
#include "tests/unit/transfer_fixture.h"

namespace vmmig::test {
namespace {

using Admin = TransferAdmin;
using Oper = TransferOper;
using Role = TransferRole;

class EarlyTest : public TransferTest {
 protected:
  void SetUp() override { addConnections(source_, 1000, 60); }

  static TcpConnRow marked(std::uint16_t port) {
    auto row = connection(port);
    row.mark = 7;
    return row;
  }
  /// The VM is known here from before: two rows of the image with other values, and two of its own.
  void addOthers() {
    for (std::uint16_t port : {1003, 1030, 5000, 5001}) destination_.add(marked(port));
    before_ = packed(destination_.rows());
  }
  static void change(Device& device, const TcpConnRow& row) {
    device.remove(row);
    device.add(row);
  }
  static std::uint32_t sequenceOf(Device& device, std::uint16_t port) {
    for (const auto& row : device.rows())
      if (row.localPort == port) return row.seqNumber;
    return 0;
  }
  std::string earlyFile() const { return directory_ + "/destination.json.early-" + toString(vmUuid); }

  /// What the source has told so far, at the destination.
  void copyTracked(std::uint32_t epoch, std::uint32_t deadlineSeconds = 60, TransferPolicy policy = TransferPolicy::require) {
    destination_.calls() = {};
    claimBoth(epoch, deadlineSeconds, policy);
    copyTold(epoch);
  }
  void copyTold(std::uint32_t epoch) {
    ASSERT_TRUE(until([&] { return source_.transferRow().rows == source_.rows().size(); }));
    // The last chunk is closed behind it.
    turns(5);
    copyImage(epoch);
    ASSERT_EQ(destination_.transferRow().rows, source_.rows().size());
  }
  /// So much of the source's is here, while nothing has been committed.
  void standEarly(std::size_t count) {
    ASSERT_TRUE(until([&] { return destination_.rows().size() == count; })) << destination_.rows().size();
    // And heard of.
    ASSERT_TRUE(until([&] { return destination_.calls().reads > 0; }));
    turns(10);
    ASSERT_EQ(destination_.state(), Oper::prepared);
  }
  /// From here on only the commit has turns.
  void freezeAndCopy(std::uint32_t epoch) {
    ASSERT_TRUE(source_.want(Admin::freeze, epoch));
    ASSERT_TRUE(reaches(source_, Oper::frozen));
    copyImage(epoch);
    destination_.calls() = {};
  }
  void expectMoved() {
    EXPECT_EQ(packed(destination_.rows()), packed(source_.rows()));
    EXPECT_EQ(destination_.transferRow().rows, source_.transferRow().rows);
    EXPECT_EQ(destination_.transferRow().digest, source_.transferRow().digest);
    EXPECT_EQ(destination_.transferRow().missing, 0u);
  }
  void expectTakenBack() {
    EXPECT_EQ(packed(destination_.rows()), before_);
    EXPECT_FALSE(std::filesystem::exists(earlyFile()));
  }
  void expectAbortTakesBack(std::uint32_t epoch) {
    ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    ASSERT_TRUE(reaches(destination_, Oper::aborted));
    expectTakenBack();
  }

  std::set<std::string> before_;
};

TEST_F(EarlyTest, WhatHasArrivedIsMadeAndTheCommitHasNothingLeftToDo) {
  copyTracked(5);
  EXPECT_TRUE(destination_.rows().empty()) << "not in the SET";
  standEarly(60);
  EXPECT_EQ(packed(destination_.rows()), packed(source_.rows()));
  EXPECT_EQ(destination_.transferRow().rows, 60u);
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().created, 0u);
  EXPECT_EQ(destination_.calls().removed, 0u);
  EXPECT_EQ(destination_.calls().reads, 0);
  EXPECT_EQ(destination_.calls().finds, 0);
  expectMoved();
  EXPECT_FALSE(std::filesystem::exists(earlyFile()));
}

TEST_F(EarlyTest, WhatHappensBeforeAnybodyListensIsFoundByTheFirstReading) {
  copyTracked(5);
  ASSERT_TRUE(until([&] { return destination_.rows().size() == 60; }));
  ASSERT_EQ(destination_.calls().reads, 0) << "to hear of each row that is made would cost as much as to make it";
  destination_.remove(connection(1005));
  change(destination_, marked(1006));
  destination_.add(connection(7000));
  before_ = packed({connection(7000)});
  standEarly(60);
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().created, 2u);
  EXPECT_EQ(destination_.calls().removed, 2u);
  EXPECT_EQ(destination_.calls().reads, 0);
  expectMoved();
  expectAbortTakesBack(5);
}

TEST_F(EarlyTest, ACommitBeforeAnybodyListensMakesAllAndReadsOnce) {
  addOthers();
  claimBoth(5);
  freezeAndCopy(5);
  ASSERT_EQ(destination_.rows().size(), before_.size()) << "nothing was made yet";
  commit(5);
  EXPECT_EQ(destination_.calls().reads, 1);
  expectMoved();
  expectAbortTakesBack(5);
}

TEST_F(EarlyTest, ALateFirstChunkIsStillMadeUnheard) {
  claimBoth(5);
  destination_.calls() = {};
  turnFor(1200ms);
  copyTold(5);
  ASSERT_TRUE(until([&] { return destination_.rows().size() == 60; }));
  EXPECT_EQ(destination_.calls().reads, 0);
}

TEST_F(EarlyTest, ARowThatComesBackIntoTheImageDuringTheFirstReadingIsStillOurs) {
  image::ChunkWriter writer{512};
  writer.remove(AnyRow{connection(1005)});
  writer.flush();
  writer.put(AnyRow{marked(1005)});
  writer.flush();
  image::Digest digest;
  for (const auto& row : source_.rows()) digest.add(AnyRow{row.localPort == 1005 ? marked(1005) : row});
  writer.end(digest);
  writer.flush();
  auto chunks = writer.take();
  for (int turn = 0; turn < 20; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(10 + turn);
    copyTracked(epoch);
    ASSERT_TRUE(until([&] { return destination_.rows().size() == 60; }));
    turns(5);
    ASSERT_EQ(destination_.calls().reads, 0);
    auto next = destination_.transferRow().chunks + 1;
    // So small a portion begins the reading.
    ASSERT_TRUE(destination_.writeChunk(epoch, next, chunks[0]));
    turns(turn / 2);
    for (std::size_t i = 1; i < chunks.size(); ++i)
      ASSERT_TRUE(destination_.writeChunk(epoch, next + static_cast<std::uint32_t>(i), chunks[i]));
    if (turn % 2 == 0) {
      ASSERT_TRUE(destination_.want(Admin::commit, epoch));
      ASSERT_TRUE(reaches(destination_, Oper::committed));
    } else {
      turns(20);
    }
    expectAbortTakesBack(epoch);
  }
}

TEST_F(EarlyTest, AnAbortOrAKillAtEveryTurnOfTheFirstReadingLeavesWhatWasThere) {
  addOthers();
  for (int turn = 0; turn < 12; ++turn) {
    SCOPED_TRACE(turn);
    bool isKilled = turn % 2 == 0;
    auto epoch = static_cast<std::uint32_t>(10 + turn);
    copyTracked(epoch);
    ASSERT_TRUE(until([&] { return destination_.calls().reads > 0; }));
    turns(turn / 2);
    if (isKilled)
      destination_.restart();
    else
      ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    ASSERT_TRUE(reaches(destination_, isKilled ? Oper::expired : Oper::aborted));
    expectTakenBack();
  }
}

TEST_F(EarlyTest, ATableThatCannotBeFollowedAnyMoreIsReadInTheCommitAndMoves) {
  addOthers();
  copyTracked(5);
  destination_.faults().follows = false;
  turnFor(1500ms);
  EXPECT_EQ(destination_.calls().reads, 0) << "again and again";
  EXPECT_EQ(destination_.rows().size(), 62u);
  freezeAndCopy(5);
  commit(5);
  EXPECT_LE(destination_.calls().reads, 2) << "once what is in the way, once what was made";
  expectMoved();
}

TEST_F(EarlyTest, AReadingThatFailedIsTriedAgain) {
  copyTracked(5);
  destination_.faults().read = true;
  ASSERT_TRUE(until([&] { return destination_.calls().reads > 0; }));
  destination_.faults().read = false;
  source_.add(connection(3000));
  copyTold(5);
  standEarly(61);
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().created, 0u);
  expectMoved();
}

TEST_F(EarlyTest, ACommitTouchesOnlyWhatHasChanged) {
  copyTracked(5);
  standEarly(60);
  auto moved = connection(1020);
  moved.seqNumber += 100;
  change(source_, moved);
  change(source_, marked(1021));
  source_.remove(connection(1022));
  source_.add(connection(3000));
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().renewed, 1u) << "a packet has changed it, and nothing else";
  EXPECT_EQ(destination_.calls().created, 2u);
  EXPECT_EQ(destination_.calls().removed, 2u);
  EXPECT_EQ(destination_.calls().reads, 0);
  EXPECT_EQ(destination_.calls().finds, 0);
  EXPECT_EQ(sequenceOf(destination_, 1020), moved.seqNumber);
  expectMoved();
}

TEST_F(EarlyTest, WhatCannotBeRenewedIsMadeAnew) {
  destination_.faults().renews = false;
  copyTracked(5);
  standEarly(60);
  auto moved = connection(1020);
  moved.seqNumber += 100;
  change(source_, moved);
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().renewed, 0u);
  EXPECT_EQ(destination_.calls().created, 1u);
  EXPECT_EQ(destination_.calls().removed, 1u);
  EXPECT_EQ(sequenceOf(destination_, 1020), moved.seqNumber);
  expectMoved();
}

TEST_F(EarlyTest, WhatWasTakenOutOfTheImageAndComesAgainOtherwiseIsMadeAnew) {
  copyTracked(5);
  standEarly(60);
  source_.remove(connection(1021));
  auto chunks = source_.transferRow().chunks;
  ASSERT_TRUE(until([&] { return source_.transferRow().chunks > chunks; }));
  source_.add(marked(1021));
  freezeAndCopy(5);
  commit(5);
  expectMoved();
}

TEST_F(EarlyTest, WhatChangesWhileTheVmRunsIsChangedEarlyToo) {
  copyTracked(5);
  standEarly(60);
  auto moved = connection(1020);
  moved.seqNumber += 100;
  change(source_, moved);
  change(source_, marked(1021));
  source_.remove(connection(1022));
  source_.remove(connection(1023));
  auto chunks = source_.transferRow().chunks;
  ASSERT_TRUE(until([&] { return source_.transferRow().chunks > chunks; }));
  copyImage(5);
  ASSERT_TRUE(until([&] { return packed(destination_.rows()) == packed(source_.rows()); }));
  EXPECT_EQ(sequenceOf(destination_, 1020), moved.seqNumber);
  // One that was taken away comes again.
  source_.add(connection(1022));
  copyTold(5);
  standEarly(59);
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().created + destination_.calls().removed, 0u);
  expectMoved();
  // Which is what signs of life are measured from: none.
  expectAbortTakesBack(5);
}

TEST_F(EarlyTest, WhatWasHereBeforeStaysUntilTheCommit) {
  addOthers();
  copyTracked(5);
  standEarly(62);
  auto now = packed(destination_.rows());
  EXPECT_TRUE(std::includes(now.begin(), now.end(), before_.begin(), before_.end()));
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().removed, 4u);
  EXPECT_EQ(destination_.calls().created, 2u);
  EXPECT_EQ(destination_.calls().reads, 0);
  expectMoved();
  expectAbortTakesBack(5);
}

TEST_F(EarlyTest, AnAbortTakesThemBack) {
  addOthers();
  copyTracked(5);
  standEarly(62);
  EXPECT_TRUE(std::filesystem::exists(earlyFile()));
  expectAbortTakesBack(5);
}

TEST_F(EarlyTest, WhatTheImageHasNoMoreIsTakenBackAsWell) {
  for (bool isKilled : {false, true}) {
    SCOPED_TRACE(isKilled);
    auto epoch = isKilled ? 6u : 5u;
    copyTracked(epoch);
    standEarly(source_.rows().size());
    source_.remove(connection(isKilled ? 1007 : 1005));
    copyTold(epoch);
    if (isKilled)
      destination_.restart();
    else
      ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    ASSERT_TRUE(reaches(destination_, isKilled ? Oper::expired : Oper::aborted));
    expectTakenBack();
  }
}

TEST_F(EarlyTest, AnAbortTakesThemBackAtEveryTurn) {
  addOthers();
  for (int turn = 0; turn < 16; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(10 + turn);
    copyTracked(epoch);
    turns(turn);
    expectAbortTakesBack(epoch);
  }
}

TEST_F(EarlyTest, TheDeadlineTakesThemBack) {
  addOthers();
  copyTracked(5, 1);
  standEarly(62);
  ASSERT_TRUE(reaches(destination_, Oper::expired));
  expectTakenBack();
}

TEST_F(EarlyTest, ANewerClaimTakesThemBackAndBeginsAnew) {
  addOthers();
  copyTracked(5);
  standEarly(62);
  ASSERT_TRUE(destination_.claim(Role::destination, 6));
  EXPECT_EQ(destination_.state(), Oper::aborting);
  ASSERT_TRUE(until([&] { return destination_.state() == Oper::prepared; }));
  expectTakenBack();
  EXPECT_EQ(destination_.transferRow().epoch, 6u);
  ASSERT_TRUE(source_.claim(Role::source, 6));
  copyTracked(7);
  standEarly(62);
  freezeAndCopy(7);
  commit(7);
  expectMoved();
}

TEST_F(EarlyTest, ACommitThatFailsTakesThemBack) {
  addOthers();
  copyTracked(5);
  standEarly(62);
  source_.add(connection(3000));
  freezeAndCopy(5);
  destination_.faults().refusedPorts = {3000};
  auto wanted = destination_.want(Admin::commit, 5);
  destination_.faults().createsLeft = 1;
  ASSERT_TRUE(wanted);
  ASSERT_TRUE(until([&] { return destination_.state() == Oper::aborting; }));
  destination_.faults() = {};
  ASSERT_TRUE(reaches(destination_, Oper::failed));
  expectTakenBack();
}

TEST_F(EarlyTest, AnImageThatProvesNotWholeTakesThemBack) {
  copyTracked(5);
  standEarly(60);
  image::ChunkWriter writer{512};
  for (std::uint16_t port : {3000, 3001}) {
    writer.put(AnyRow{connection(port)});
    writer.flush();
  }
  writer.end(image::Digest{});
  writer.flush();
  auto chunks = writer.take();
  auto next = destination_.transferRow().chunks + 1;
  // Only the commit comes to the end mark.
  for (auto i : {2u, 1u, 0u}) ASSERT_TRUE(destination_.writeChunk(5, next + i, chunks[i]));
  ASSERT_TRUE(destination_.want(Admin::commit, 5));
  ASSERT_TRUE(reaches(destination_, Oper::failed));
  EXPECT_NE(destination_.transferRow().error.value.find("its end mark says 0"), std::string::npos);
  expectTakenBack();
}

TEST_F(EarlyTest, AKillAtEveryTurnLeavesWhatWasThere) {
  addOthers();
  std::size_t most = 0;
  for (int turn = 0; turn < 16; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(10 + turn);
    copyTracked(epoch);
    turns(turn);
    most = std::max(most, destination_.rows().size());
    destination_.restart();
    ASSERT_TRUE(reaches(destination_, Oper::expired));
    expectTakenBack();
  }
  EXPECT_EQ(most, 62u);
}

TEST_F(EarlyTest, AKillWhileTheyAreTakenBackGoesOnTakingThemBack) {
  addOthers();
  for (int turn = 0; turn < 8; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(10 + turn);
    copyTracked(epoch);
    standEarly(62);
    ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    turns(turn);
    destination_.restart();
    ASSERT_TRUE(reaches(destination_, destination_.state() == Oper::aborted ? Oper::aborted : Oper::expired));
    expectTakenBack();
  }
}

TEST_F(EarlyTest, AKillAtEveryTurnOfTheCommitLeavesNothingOfIt) {
  for (int turn = 0; turn < 12; ++turn) {
    SCOPED_TRACE(turn);
    auto epoch = static_cast<std::uint32_t>(10 + turn);
    copyTracked(epoch);
    standEarly(60);
    change(source_, marked(1021));
    change(source_, connection(1022));
    freezeAndCopy(epoch);
    ASSERT_TRUE(destination_.want(Admin::commit, epoch));
    turns(turn);
    bool isCommitted = destination_.state() == Oper::committed;
    destination_.restart();
    if (isCommitted) {
      EXPECT_EQ(packed(destination_.rows()), packed(source_.rows()));
      ASSERT_TRUE(destination_.want(Admin::abort, epoch));
    }
    turns(20);
    EXPECT_TRUE(isFinal(destination_.state()));
    expectTakenBack();
    change(source_, connection(1021));
  }
}

TEST_F(EarlyTest, WhatHappensBehindOurBackIsNoticed) {
  copyTracked(5);
  standEarly(60);
  destination_.remove(connection(1005));
  change(destination_, marked(1006));
  destination_.add(connection(7000));
  before_ = packed({connection(7000)});
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().created, 2u);
  EXPECT_EQ(destination_.calls().reads, 0);
  expectMoved();
  expectAbortTakesBack(5);
}

TEST_F(EarlyTest, ARowThatAnotherMadeInThePlaceOfOursIsNotOurs) {
  copyTracked(5);
  standEarly(60);
  destination_.remove(connection(1005));
  // The device tells that it has gone.
  source_.add(connection(3000));
  copyTold(5);
  standEarly(60);
  destination_.add(marked(1005));
  before_ = packed({marked(1005)});
  expectAbortTakesBack(5);
}

TEST_F(EarlyTest, WhatGoesOrComesOrChangesDuringTheCommitIsNoticed) {
  std::vector<std::pair<std::string, std::function<void()>>> steps{
      {"1 gone", [&] { destination_.remove(connection(1005)); }},
      {"1 too many", [&] { destination_.add(connection(7000)); }},
      {"1 rows altered", [&] { change(destination_, marked(1006)); }},
  };
  std::uint32_t epoch = 10;
  for (const auto& [what, step] : steps) {
    SCOPED_TRACE(what);
    copyTracked(++epoch);
    standEarly(60);
    change(source_, marked(1021));
    freezeAndCopy(epoch);
    destination_.faults().beforeCreate = step;
    ASSERT_TRUE(destination_.want(Admin::commit, epoch));
    ASSERT_TRUE(reaches(destination_, Oper::failed));
    EXPECT_NE(destination_.transferRow().error.value.find(what), std::string::npos) << destination_.transferRow().error.value;
    destination_.faults() = {};
    destination_.remove(connection(7000));
    expectTakenBack();
    change(source_, connection(1021));
  }
}

TEST_F(EarlyTest, BestEffortTellsWhatIsReallyThere) {
  copyTracked(5, 60, TransferPolicy::bestEffort);
  standEarly(60);
  source_.add(connection(3000));
  source_.add(connection(3001));
  freezeAndCopy(5);
  destination_.faults().refusedPorts = {3000};
  destination_.faults().beforeCreate = [&] { destination_.remove(connection(1005)); };
  commit(5);
  EXPECT_EQ(destination_.transferRow().missing, 2u);
  EXPECT_EQ(destination_.transferRow().rows, 60u);
  EXPECT_EQ(destination_.rows().size(), 60u);
  image::Digest digest;
  for (const auto& row : destination_.rows()) digest.add(AnyRow{row});
  EXPECT_EQ(destination_.transferRow().digest.value, digest.octets());
}

TEST_F(EarlyTest, WhenChangesAreLostAllRowsAreReadAgain) {
  addOthers();
  copyTracked(5);
  standEarly(62);
  destination_.remove(connection(1005));
  change(destination_, marked(1006));
  destination_.faults().losesChanges = true;
  freezeAndCopy(5);
  commit(5);
  EXPECT_GT(destination_.calls().reads, 0);
  EXPECT_EQ(destination_.calls().created, 4u);
  expectMoved();
  destination_.faults() = {};
  expectAbortTakesBack(5);
}

TEST_F(EarlyTest, ChangesThatAreLostBeforeTheStopAreReadBeforeTheStop) {
  copyTracked(5);
  standEarly(60);
  destination_.remove(connection(1005));
  destination_.faults().losesChanges = true;
  destination_.calls() = {};
  ASSERT_TRUE(until([&] { return destination_.calls().reads > 0; }));
  destination_.faults() = {};
  turns(10);
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().reads, 0);
  EXPECT_EQ(destination_.calls().created, 1u);
  expectMoved();
}

TEST_F(EarlyTest, AReadingOfTheSourceThatTheStopInterruptsIsDoneAgain) {
  copyTracked(5);
  standEarly(60);
  source_.remove(connection(1005));
  change(source_, marked(1006));
  source_.faults().losesChanges = true;
  source_.calls() = {};
  ASSERT_TRUE(until([&] { return source_.calls().reads > 0; }));
  source_.faults().losesChanges = false;
  // Its rows are told in slices, of which the first has been.
  freezeAndCopy(5);
  commit(5);
  expectMoved();
}

TEST_F(EarlyTest, ATableThatCannotBeFollowedWaitsForTheCommit) {
  destination_.faults().follows = false;
  addOthers();
  copyTracked(5);
  turns(50);
  EXPECT_EQ(packed(destination_.rows()), before_);
  freezeAndCopy(5);
  commit(5);
  EXPECT_GT(destination_.calls().reads, 1);
  expectMoved();
}

TEST_F(EarlyTest, WhereThereIsNoRoomTheCommitDecides) {
  destination_.faults().createsLeft = 20;
  copyTracked(5);
  standEarly(20);
  turns(50);
  EXPECT_EQ(destination_.rows().size(), 20u);
  EXPECT_EQ(destination_.state(), Oper::prepared);
  destination_.faults() = {};
  freezeAndCopy(5);
  commit(5);
  EXPECT_EQ(destination_.calls().created, 40u);
  expectMoved();
}

TEST_F(EarlyTest, ADeviceThatCannotRememberThemMakesNone) {
  Device device{loop_, ""};
  ASSERT_TRUE(source_.claim(Role::source, 5));
  ASSERT_TRUE(device.claim(Role::destination, 5));
  ASSERT_TRUE(until([&] { return source_.transferRow().rows == 60; }));
  turns(5);
  std::uint32_t number = 0;
  for (const auto& data : image(5)) ASSERT_TRUE(device.writeChunk(5, ++number, data));
  turns(50);
  EXPECT_TRUE(device.rows().empty());
  device.crash();
}

TEST_F(EarlyTest, AFileThatCannotBeWrittenLeavesAllToTheCommit) {
  std::filesystem::create_directories(earlyFile());
  std::ofstream{earlyFile() + "/x"} << "x";
  copyTracked(5);
  turns(50);
  EXPECT_TRUE(destination_.rows().empty());
  EXPECT_EQ(destination_.state(), Oper::prepared);
  std::filesystem::remove_all(earlyFile());
  freezeAndCopy(5);
  commit(5);
  expectMoved();
}

class EarlyRowsFileTest : public testing::Test {
 protected:
  EarlyRowsFileTest() { std::filesystem::create_directories(directory_); }
  ~EarlyRowsFileTest() override { std::filesystem::remove_all(directory_); }
  EarlyRowsFile::Keys read() { return EarlyRowsFile::read(path_).value().value(); }

  std::string directory_ = testing::TempDir() + "vmmig-early-" + std::to_string(::getpid());
  std::string path_ = directory_ + "/early";
};

TEST_F(EarlyRowsFileTest, SaysWhatIsOurs) {
  EXPECT_FALSE(EarlyRowsFile::read(path_).value());
  EarlyRowsFile file{path_};
  file.drop("never added");
  ASSERT_TRUE(file.flush());
  EXPECT_FALSE(file.exists());
  const std::string odd{"\0+\xff", 3};
  for (const auto& key : {std::string{"a"}, std::string(300, 'b'), odd}) file.add(key);
  ASSERT_TRUE(file.flush());
  file.drop("a");
  file.add("not written yet");
  EXPECT_EQ(read(), (EarlyRowsFile::Keys{"a", std::string(300, 'b'), odd}));
  ASSERT_TRUE(file.flush());
  EXPECT_EQ(read(), (EarlyRowsFile::Keys{"not written yet", std::string(300, 'b'), odd}));
  ASSERT_TRUE(file.rewrite({"c", odd}));
  file.add("d");
  ASSERT_TRUE(file.flush());
  EXPECT_EQ(read(), (EarlyRowsFile::Keys{"c", "d", odd}));
  ASSERT_TRUE(file.remove());
  EXPECT_FALSE(EarlyRowsFile::read(path_).value());
  ASSERT_TRUE(file.remove());
}

TEST_F(EarlyRowsFileTest, ARecordThatIsTornIsLeftOut) {
  EarlyRowsFile file{path_};
  file.add("first");
  ASSERT_TRUE(file.flush());
  auto whole = std::filesystem::file_size(path_);
  file.add("second");
  ASSERT_TRUE(file.flush());
  for (auto size = std::filesystem::file_size(path_) - 1; size >= whole; --size) {
    std::filesystem::resize_file(path_, size);
    EXPECT_EQ(read(), EarlyRowsFile::Keys{"first"});
  }
  std::filesystem::resize_file(path_, 4);
  EXPECT_TRUE(read().empty());
  std::ofstream{path_} << "something else\n";
  EXPECT_FALSE(EarlyRowsFile::read(path_));
}

TEST_F(EarlyRowsFileTest, IsWrittenAnewWhenItHasBecomeLong) {
  EarlyRowsFile file{path_};
  const std::string key(60'000, 'k');
  for (int i = 0; i < 100 && !file.isWasteful(); ++i) {
    file.add(key);
    file.drop(key);
    ASSERT_TRUE(file.flush());
  }
  ASSERT_TRUE(file.isWasteful());
  ASSERT_TRUE(file.rewrite({key}));
  EXPECT_FALSE(file.isWasteful());
  EXPECT_EQ(read(), EarlyRowsFile::Keys{key});
  EXPECT_LT(std::filesystem::file_size(path_), 61'000u);
}

}  // namespace
}  // namespace vmmig::test

// SPDX-License-Identifier: GPL-2.0-or-later
// The journal keeps what it was told, through a killed writer and a damaged file.
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/log.h"
#include "manager/journal.h"
#include "manager/report.h"

namespace vmmig {
namespace {

using migration::Mark;
using migration::Outcome;

class JournalFile : public testing::Test {
 protected:
  JournalFile() {
    char pattern[] = "/tmp/vmmig-journal-XXXXXX";
    directory = mkdtemp(pattern);
    path = directory / "journal.db";
    plan.vm = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    plan.vmName = "web1";
    plan.sourceHost = "host-a";
    plan.destinationHost = "host-b";
    plan.legs = {{"fw-a", "fw-b"}, {"sw-a", "sw-b"}};
    plan.policy = TransferPolicy::bestEffort;
    plan.seen = {{"host-a", 17}};
  }
  ~JournalFile() override { std::filesystem::remove_all(directory); }
  std::unique_ptr<Journal> open() {
    auto journal = Journal::open(path);
    EXPECT_TRUE(journal) << journal.error().text;
    return journal ? std::move(*journal) : nullptr;
  }
  /// A manager that begins a migration and is killed.
  void beginAndBeKilled() {
    pid_t child = fork();
    if (child == 0) {
      auto journal = Journal::open(path);
      auto id = (*journal)->begin(plan);
      (*journal)->setClaim(*id, 99, plan);
      (*journal)->append(*id, Mark::stop, "VM web1 is stopped");
      kill(getpid(), SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
  }

  std::filesystem::path directory, path;
  JournalPlan plan;
};

TEST_F(JournalFile, whatWasWrittenIsReadAgain) {
  std::int64_t id = 0;
  {
    auto journal = open();
    id = *journal->begin(plan);
    journal->setClaim(id, 42, plan);
    journal->append(id, Mark::none, "first");
    journal->append(id, Mark::commit, "second", R"({"device": "fw-b"})");
    journal->end(id, Outcome::incomplete, "because", {41, 2, 12345, std::string(32, '\0')});
  }
  auto journal = open();
  auto found = journal->find(id);
  ASSERT_TRUE(found && *found);
  const auto& migration = **found;
  EXPECT_EQ(migration.plan.vm, plan.vm);
  EXPECT_EQ(migration.plan.vmName, "web1");
  EXPECT_EQ(migration.plan.sourceHost, "host-a");
  ASSERT_EQ(migration.plan.legs.size(), 2u);
  EXPECT_EQ(migration.plan.legs[1].destination, "sw-b");
  EXPECT_EQ(migration.plan.policy, TransferPolicy::bestEffort);
  EXPECT_EQ(migration.plan.seen.at("host-a"), 17u);
  EXPECT_EQ(migration.epoch, 42u);
  EXPECT_EQ(migration.outcome, Outcome::incomplete);
  EXPECT_EQ(migration.reason, "because");
  EXPECT_EQ(migration.totals.missing, 2u);
  EXPECT_EQ(migration.totals.digest.size(), 32u);
  EXPECT_GE(migration.endedUtc, migration.startedUtc);
  auto events = journal->events(id);
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[1].mark, Mark::commit);
  EXPECT_EQ((*events)[0].data, "");
  EXPECT_EQ((*events)[1].data, R"({"device": "fw-b"})");
  EXPECT_LE((*events)[0].monotonicMicroseconds, (*events)[1].monotonicMicroseconds);
}

TEST_F(JournalFile, whatAKilledManagerBeganIsFoundWithItsEvents) {
  beginAndBeKilled();
  auto journal = open();
  auto left = journal->unfinished();
  ASSERT_TRUE(left);
  ASSERT_EQ(left->size(), 1u);
  EXPECT_EQ(left->front().epoch, 99u);
  EXPECT_EQ(stateOf(left->front()), "interrupted");
  EXPECT_EQ(journal->events(left->front().id)->size(), 1u);
}

TEST_F(JournalFile, aMigrationOfALivingManagerIsNotTakenForLeft) {
  auto journal = open();
  auto id = *journal->begin(plan);
  EXPECT_TRUE(open()->unfinished()->empty());
  EXPECT_EQ(stateOf(**open()->find(id)), "running");
}

/// As the first version of the schema had it, by a manager that is long gone.
void writeFirstVersion(const std::filesystem::path& path) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  constexpr const char* sql = R"(
    CREATE TABLE migration(
      id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, vm TEXT NOT NULL, plan TEXT NOT NULL, epoch INTEGER NOT NULL DEFAULT 0,
      startedUtc INTEGER NOT NULL, endedUtc INTEGER NOT NULL DEFAULT 0, outcome INTEGER, reason TEXT NOT NULL DEFAULT '',
      rows INTEGER NOT NULL DEFAULT 0, missing INTEGER NOT NULL DEFAULT 0, octets INTEGER NOT NULL DEFAULT 0,
      digest BLOB NOT NULL DEFAULT x'');
    CREATE INDEX migrationByVm ON migration(vm, id);
    CREATE TABLE event(
      id INTEGER PRIMARY KEY, migration INTEGER NOT NULL REFERENCES migration(id) ON DELETE CASCADE,
      monotonic INTEGER NOT NULL, utc INTEGER NOT NULL, mark INTEGER NOT NULL, text TEXT NOT NULL);
    CREATE INDEX eventByMigration ON event(migration, id);
    PRAGMA user_version = 1;
    INSERT INTO migration(owner, vm, plan, startedUtc, endedUtc, outcome, rows)
      VALUES('1:1', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '{"vmName": "web1"}', 5, 6, 0, 7);
    INSERT INTO event(migration, monotonic, utc, mark, text) VALUES(1, 10, 20, 1, 'VM web1 is stopped');
    INSERT INTO event(migration, monotonic, utc, mark, text) VALUES(1, 11, 21, 99, 'of a newer vmmig'))";
  EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
}

void expectFirstVersionsContent(Journal& journal) {
  auto events = journal.events(1);
  ASSERT_TRUE(events) << events.error().text;
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ(events->front().text, "VM web1 is stopped");
  EXPECT_EQ(events->front().mark, Mark::stop);
  EXPECT_EQ(events->front().data, "");
  EXPECT_EQ(events->back().mark, Mark::none);
  auto migration = journal.find(1);
  ASSERT_TRUE(migration && *migration);
  EXPECT_EQ((*migration)->totals.rows, 7u);
}

TEST_F(JournalFile, aJournalOfTheFirstVersionIsReadAsItIs) {
  writeFirstVersion(path);
  auto journal = Journal::openToRead(path);
  ASSERT_TRUE(journal) << journal.error().text;
  expectFirstVersionsContent(**journal);
}

TEST_F(JournalFile, aJournalOfTheFirstVersionIsBroughtUpToDate) {
  writeFirstVersion(path);
  auto before = Journal::openToRead(path);  // somebody looks at it meanwhile
  auto journal = open();
  ASSERT_TRUE(journal);
  expectFirstVersionsContent(*journal);
  expectFirstVersionsContent(**before);
  auto id = *journal->begin(plan);
  EXPECT_EQ(id, 2);
  journal->append(id, Mark::none, "third", "{}");
  EXPECT_EQ(journal->events(id)->front().data, "{}");
  expectFirstVersionsContent(*open());
}

TEST_F(JournalFile, aFileThatIsNoDatabaseIsLeftAlone) {
  const std::string text = "root:x:0:0:root:/root:/bin/bash\n" + std::string(4096, 'x');
  std::ofstream{path} << text;
  EXPECT_FALSE(Journal::open(path));
  EXPECT_FALSE(Journal::openToRead(path));
  std::ifstream in{path};
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>{in}, {}), text);
}

TEST_F(JournalFile, readingNeedsAJournalAndMakesNone) {
  EXPECT_FALSE(Journal::openToRead(path));
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(open());
  auto journal = Journal::openToRead(path);
  ASSERT_TRUE(journal);
  EXPECT_TRUE((*journal)->list(10)->empty());
}

TEST_F(JournalFile, aDamagedFileIsKeptAsideAndAFreshOneBegun) {
  std::ofstream{path} << "SQLite format 3" << '\0' << std::string(4096, 'x');
  log::setLevel(log::Level{0});
  auto journal = open();
  log::setLevel(log::Level::info);
  ASSERT_TRUE(journal);
  EXPECT_TRUE(journal->list(10)->empty());
  int aside = 0;
  for (const auto& file : std::filesystem::directory_iterator{directory})
    if (file.path().filename().string().starts_with("journal.db.damaged-")) ++aside;
  EXPECT_EQ(aside, 1);
}

TEST_F(JournalFile, aFileCutShortIsKeptAside) {
  {
    auto journal = open();
    for (int i = 0; i < 50; ++i) journal->append(*journal->begin(plan), Mark::none, std::string(500, 'x'));
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  log::setLevel(log::Level{0});
  auto journal = open();
  log::setLevel(log::Level::info);
  ASSERT_TRUE(journal);
  EXPECT_TRUE(journal->begin(plan));
}

TEST_F(JournalFile, aDirectoryThatIsMissingIsSaid) {
  auto journal = Journal::open(directory / "nowhere" / "journal.db");
  ASSERT_FALSE(journal);
  EXPECT_NE(journal.error().text.find("nowhere"), std::string::npos);
}

TEST_F(JournalFile, onlySoManyMigrationsAreKept) {
  auto journal = open();
  std::int64_t last = 0;
  for (std::int64_t i = 0; i < Journal::retention + 20; ++i) {
    last = *journal->begin(plan);
    journal->append(last, Mark::none, "event");
  }
  EXPECT_EQ(journal->list(10 * Journal::retention)->size(), static_cast<std::size_t>(Journal::retention));
  EXPECT_TRUE(*journal->find(last));
  EXPECT_FALSE(*journal->find(1));
  EXPECT_TRUE(journal->events(1)->empty()) << "events go with their migration";
}

TEST(Timeline, takesTheFirstStopAndTheLastOfWhatSeveralDevicesTell) {
  std::vector<JournalEvent> events{{1000, 0, Mark::stop, ""},     {2000, 0, Mark::lastRead, ""}, {2500, 0, Mark::commit, ""},
                                   {3000, 0, Mark::lastRead, ""}, {4000, 0, Mark::commit, ""},   {5000, 0, Mark::release, ""},
                                   {6000, 0, Mark::resume, ""}};
  auto timeline = timelineOf(events);
  EXPECT_EQ(timeline.lastRead, 3000);
  EXPECT_EQ(timeline.commit, 4000);
  EXPECT_DOUBLE_EQ(*timeline.addedBlackoutMs(), 4.0);
  EXPECT_EQ(timeline.isInOrder(), true);
  events.push_back({1500, 0, Mark::resume, ""});
  EXPECT_EQ(timelineOf(events).isInOrder(), false);
  EXPECT_FALSE(timelineOf({}).isInOrder());
}

}  // namespace
}  // namespace vmmig

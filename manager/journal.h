// SPDX-License-Identifier: GPL-2.0-or-later
// What the manager did, in one SQLite file: each migration and its events, with the monotone clock that proves their order and
// UTC for people. A successor reads here what a killed manager had begun.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/uuid.h"
#include "manager/migration.h"

struct sqlite3;
struct sqlite3_stmt;

namespace vmmig {

/// What a migration is about, as far as a successor needs it.
struct JournalPlan {
  Uuid vm;
  std::string vmName;
  std::string sourceHost, destinationHost;  // empty: none
  std::vector<migration::LegPlan> legs;
  TransferPolicy policy = TransferPolicy::require;
  bool now = false;
  bool rowByRow = false;
  std::map<std::string, std::string> unlisted = {};  // addresses of hosts that are not in the inventory
  std::map<std::string, std::uint32_t> seen = {};    // by host: the last vmMigPhaseSequence of migrations before
};

/// What it came to.
struct JournalTotals {
  std::uint32_t rows = 0, missing = 0;
  std::uint64_t octets = 0;
  std::string digest;  // 32 octets; of the first leg
};

struct JournalMigration {
  std::int64_t id = 0;
  JournalPlan plan;
  std::uint32_t epoch = 0;
  std::uint64_t startedUtc = 0;  // microseconds since 1970-01-01
  std::uint64_t endedUtc = 0;    // 0: it has not ended, or its manager was killed
  std::optional<migration::Outcome> outcome = {};
  std::string reason = {};
  JournalTotals totals = {};
  bool isRunning = false;  // its manager still lives
};

struct JournalEvent {
  std::int64_t monotonicMicroseconds = 0;
  std::uint64_t utcMicroseconds = 0;
  migration::Mark mark = migration::Mark::none;
  std::string text = {};
  std::string data = {};  // the same for programs, a JSON object (migration_trace.h); empty where there is none
};

class Journal {
 public:
  /// Creates the file when there is none; one that is damaged is put aside (and said), never
  /// deleted; a file that is no SQLite database is somebody else's, and refused. ":memory:" keeps nothing.
  static Result<std::unique_ptr<Journal>> open(const std::string& path);
  /// Changes nothing, and makes no file.
  static Result<std::unique_ptr<Journal>> openToRead(const std::string& path);
  ~Journal();

  Result<std::int64_t> begin(const JournalPlan& plan);
  // These write what they can; a full disk is said once and must not stop a migration.
  void setClaim(std::int64_t id, std::uint32_t epoch, const JournalPlan& plan);
  void append(std::int64_t id, migration::Mark mark, const std::string& text, const std::string& data = {});
  void end(std::int64_t id, migration::Outcome outcome, const std::string& reason, const JournalTotals& totals);

  /// The latest first.
  Result<std::vector<JournalMigration>> list(std::size_t limit);
  Result<std::optional<JournalMigration>> find(std::int64_t id);
  /// Those without an end whose manager is gone, the oldest first.
  Result<std::vector<JournalMigration>> unfinished();
  Result<std::optional<JournalMigration>> latestOf(const Uuid& vm);
  Result<std::vector<JournalEvent>> events(std::int64_t id);

  /// Older migrations than this many go when a new one begins.
  static constexpr std::int64_t retention = 1000;

 private:
  class Statement;
  struct Close {
    void operator()(sqlite3* database) const;
  };
  using Database = std::unique_ptr<sqlite3, Close>;

  explicit Journal(Database database, bool hasData = true) : database_(std::move(database)), hasData_(hasData) {}
  static Result<std::unique_ptr<Journal>> tryOpen(const std::string& path, bool& isDamaged);
  static Status prepareSchema(sqlite3* database);
  static Status execute(sqlite3* database, const char* sql);
  Result<std::vector<JournalMigration>> select(const std::string& where);
  void tell(const Status& status);

  Database database_;
  bool hasData_;  // an older file that is only read has no such column
  bool told_ = false;
};

}  // namespace vmmig

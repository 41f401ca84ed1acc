// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/journal.h"

#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/event_loop.h"
#include "common/log.h"

namespace vmmig {

namespace {

constexpr int oldestVersion = 1;
constexpr int schemaVersion = 2;
constexpr const char* schema = R"(
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
)";
/// From version 1. Whoever still writes as version 1 names its columns, and is not disturbed.
constexpr const char* upgrade = R"(
  ALTER TABLE event ADD COLUMN data TEXT NOT NULL DEFAULT '';
  PRAGMA user_version = 2;
)";

template <class Clock_>
std::int64_t microsecondsOf() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock_::now().time_since_epoch()).count();
}

/// A process id and when that process started (proc(5), stat field 22): an id alone is used again. Empty when it is gone.
std::string processMark(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat{std::istreambuf_iterator<char>(file), {}};
  // Field 2, in parentheses, may hold anything; field 3 follows the last of them.
  auto close = stat.rfind(')');
  if (close == std::string::npos) return {};
  std::istringstream fields{stat.substr(close + 1)};
  std::string field;
  for (int number = 3; number <= 22; ++number) fields >> field;
  return std::to_string(pid) + ":" + field;
}

bool isAlive(const std::string& mark) {
  auto pid = std::atoi(mark.c_str());
  return pid > 0 && processMark(pid) == mark;
}

/// Of a newer vmmig, or of nobody, is a mark that we do not know.
migration::Mark markFrom(std::int64_t number) {
  bool isKnown = number >= 0 && number <= static_cast<std::int64_t>(migration::Mark::resume);
  return isKnown ? static_cast<migration::Mark>(number) : migration::Mark::none;
}

std::string toText(const JournalPlan& plan) {
  nlohmann::json legs = nlohmann::json::array();
  for (const auto& leg : plan.legs) legs.push_back({{"source", leg.source}, {"destination", leg.destination}});
  return nlohmann::json{{"vmName", plan.vmName},
                        {"sourceHost", plan.sourceHost},
                        {"destinationHost", plan.destinationHost},
                        {"legs", std::move(legs)},
                        {"bestEffort", plan.policy == TransferPolicy::bestEffort},
                        {"now", plan.now},
                        {"rowByRow", plan.rowByRow},
                        {"unlisted", plan.unlisted},
                        {"seen", plan.seen}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

JournalPlan planFrom(const std::string& vm, const std::string& text) {
  JournalPlan plan;
  plan.vm = parseUuid(vm).value_or(Uuid{});
  auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return plan;
  plan.vmName = json.value("vmName", "");
  plan.sourceHost = json.value("sourceHost", "");
  plan.destinationHost = json.value("destinationHost", "");
  for (const auto& leg : json.value("legs", nlohmann::json::array()))
    plan.legs.push_back({leg.value("source", ""), leg.value("destination", "")});
  plan.policy = json.value("bestEffort", false) ? TransferPolicy::bestEffort : TransferPolicy::require;
  plan.now = json.value("now", false);
  plan.rowByRow = json.value("rowByRow", false);
  plan.unlisted = json.value("unlisted", decltype(plan.unlisted){});
  plan.seen = json.value("seen", decltype(plan.seen){});
  return plan;
}

}  // namespace

/// A prepared statement with its parameters, from 1, and columns, from 0.
class Journal::Statement {
 public:
  Statement(sqlite3* database, const std::string& sql) : database_(database) {
    sqlite3_prepare_v2(database, sql.c_str(), -1, &statement_, nullptr);
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  Statement& add(std::int64_t value) { return sqlite3_bind_int64(statement_, ++bound_, value), *this; }
  Statement& add(const std::string& value) {
    return sqlite3_bind_text(statement_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT), *this;
  }
  Statement& addBlob(const std::string& value) {
    return sqlite3_bind_blob(statement_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT), *this;
  }
  /// True with a row; false at the end; an error in a sentence.
  Result<bool> next() {
    int code = statement_ ? sqlite3_step(statement_) : SQLITE_ERROR;
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return failure(std::string{"the journal cannot be used: "} + sqlite3_errmsg(database_));
  }
  Status run() {
    auto result = next();
    if (!result) return failure(result.error());
    return {};
  }
  std::int64_t number(int column) { return sqlite3_column_int64(statement_, column); }
  bool isNull(int column) { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string octets(int column) {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return data ? std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))) : std::string{};
  }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

void Journal::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }
Journal::~Journal() = default;

Status Journal::execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return failure(sqlite3_errmsg(database));
}

Status Journal::prepareSchema(sqlite3* database) {
  sqlite3_busy_timeout(database, 2000);
  // A write-ahead log survives a killed process at any point. No checkpoint, hence no fsync, in the middle of a migration: end()
  // makes one.
  if (auto s = execute(database,
                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;"
                       "PRAGMA foreign_keys = ON; BEGIN IMMEDIATE");
      !s)
    return s;
  std::int64_t version = -1;
  {
    Statement read{database, "PRAGMA user_version"};
    auto row = read.next();
    if (row && *row) version = read.number(0);
  }
  Status status;
  if (version == 0) status = execute(database, schema);
  if (status && (version == 0 || version == oldestVersion)) status = execute(database, upgrade);
  if (status) status = execute(database, "COMMIT");
  if (status && version > schemaVersion) status = failure("it was written by a newer vmmig");
  return status;
}

Result<std::unique_ptr<Journal>> Journal::tryOpen(const std::string& path, bool& isDamaged) {
  sqlite3* raw = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  Database database{raw};
  Status status = code == SQLITE_OK ? prepareSchema(raw) : failure(sqlite3_errmsg(raw));
  code = sqlite3_errcode(raw);
  bool isUnsound = code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
  if (status) {
    Statement check{raw, "PRAGMA quick_check(1)"};
    auto row = check.next();
    if (!row || !*row || check.octets(0) != "ok") {
      isUnsound = true;
      status = failure("it is damaged");
    }
  }
  isDamaged = isUnsound;
  if (!status) return failure("the journal " + path + " cannot be used: " + status.error().text);
  return std::unique_ptr<Journal>{new Journal{std::move(database)}};
}

namespace {

/// Whatever else happened to it: a database begins so (https://www.sqlite.org/fileformat.html section 1.3).
bool isDatabase(const std::string& path) {
  constexpr std::string_view magic{"SQLite format 3\0", 16};
  std::string head(magic.size(), '\0');
  std::ifstream in{path, std::ios::binary};
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  return head == magic;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::openToRead(const std::string& path) {
  sqlite3* raw = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
  Database database{raw};
  if (code != SQLITE_OK) return failure("the journal " + path + " cannot be read: " + sqlite3_errmsg(raw));
  sqlite3_busy_timeout(raw, 2000);
  Statement read{raw, "PRAGMA user_version"};
  auto row = read.next();
  if (!row) return failure("the journal " + path + " cannot be read: " + row.error().text);
  auto version = *row ? read.number(0) : 0;
  if (version < oldestVersion || version > schemaVersion)
    return failure(path + " is no journal of this vmmig; name another with --journal");
  return std::unique_ptr<Journal>{new Journal{std::move(database), version == schemaVersion}};
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  bool isDamaged = false;
  auto journal = tryOpen(path, isDamaged);
  if (journal || !isDamaged) return journal;
  if (!isDatabase(path)) return failure(path + " is no journal but another kind of file; name another, or move it away");
  auto aside = path + ".damaged-" + std::to_string(microsecondsOf<std::chrono::system_clock>() / 1'000'000);
  if (std::rename(path.c_str(), aside.c_str()) != 0) return journal;
  // Its log and index belong to it.
  std::rename((path + "-wal").c_str(), (aside + "-wal").c_str());
  std::remove((path + "-shm").c_str());
  log::error("the journal " + path + " was damaged; it is kept as " + aside + ", and a fresh one is begun");
  return tryOpen(path, isDamaged);
}

Result<std::int64_t> Journal::begin(const JournalPlan& plan) {
  Statement insert{database_.get(), "INSERT INTO migration(owner, vm, plan, startedUtc) VALUES(?, ?, ?, ?)"};
  auto status = insert.add(processMark(getpid()))
                    .add(toString(plan.vm))
                    .add(toText(plan))
                    .add(microsecondsOf<std::chrono::system_clock>())
                    .run();
  if (!status) return failure(status.error());
  auto id = sqlite3_last_insert_rowid(database_.get());
  tell(Statement{database_.get(), "DELETE FROM migration WHERE id <= ?"}.add(id - retention).run());
  return id;
}

void Journal::setClaim(std::int64_t id, std::uint32_t epoch, const JournalPlan& plan) {
  Statement update{database_.get(), "UPDATE migration SET epoch = ?, plan = ? WHERE id = ?"};
  tell(update.add(std::int64_t{epoch}).add(toText(plan)).add(id).run());
}

void Journal::append(std::int64_t id, migration::Mark mark, const std::string& text, const std::string& data) {
  Statement insert{database_.get(), "INSERT INTO event(migration, monotonic, utc, mark, text, data) VALUES(?, ?, ?, ?, ?, ?)"};
  insert.add(id).add(microsecondsOf<Clock>()).add(microsecondsOf<std::chrono::system_clock>());
  tell(insert.add(static_cast<std::int64_t>(mark)).add(text).add(data).run());
}

void Journal::end(std::int64_t id, migration::Outcome outcome, const std::string& reason, const JournalTotals& totals) {
  Statement update{database_.get(),
                   "UPDATE migration SET endedUtc = ?, outcome = ?, reason = ?, rows = ?, missing = ?, octets = ?, digest = ? "
                   "WHERE id = ?"};
  update.add(microsecondsOf<std::chrono::system_clock>()).add(static_cast<std::int64_t>(outcome)).add(reason);
  update.add(std::int64_t{totals.rows}).add(std::int64_t{totals.missing}).add(static_cast<std::int64_t>(totals.octets));
  tell(update.addBlob(totals.digest).add(id).run());
  // Nothing waits for it; another reader may hold it up.
  sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

Result<std::vector<JournalMigration>> Journal::select(const std::string& where) {
  Statement rows{
      database_.get(),
      "SELECT id, vm, plan, epoch, startedUtc, endedUtc, outcome, reason, rows, missing, octets, digest, owner FROM migration " +
          where};
  std::vector<JournalMigration> result;
  for (;;) {
    auto row = rows.next();
    if (!row) return failure(row.error());
    if (!*row) return result;
    JournalMigration migration{.id = rows.number(0), .plan = planFrom(rows.octets(1), rows.octets(2))};
    migration.epoch = static_cast<std::uint32_t>(rows.number(3));
    migration.startedUtc = static_cast<std::uint64_t>(rows.number(4));
    migration.endedUtc = static_cast<std::uint64_t>(rows.number(5));
    if (!rows.isNull(6)) migration.outcome = static_cast<migration::Outcome>(rows.number(6));
    migration.reason = rows.octets(7);
    migration.totals = {static_cast<std::uint32_t>(rows.number(8)), static_cast<std::uint32_t>(rows.number(9)),
                        static_cast<std::uint64_t>(rows.number(10)), rows.octets(11)};
    migration.isRunning = migration.endedUtc == 0 && isAlive(rows.octets(12));
    result.push_back(std::move(migration));
  }
}

Result<std::vector<JournalMigration>> Journal::list(std::size_t limit) {
  return select("ORDER BY id DESC LIMIT " + std::to_string(limit));
}

Result<std::optional<JournalMigration>> Journal::find(std::int64_t id) {
  auto rows = select("WHERE id = " + std::to_string(id));
  if (!rows) return failure(rows.error());
  if (rows->empty()) return std::optional<JournalMigration>{};
  return std::optional<JournalMigration>{std::move(rows->front())};
}

Result<std::vector<JournalMigration>> Journal::unfinished() {
  auto rows = select("WHERE endedUtc = 0 ORDER BY id");
  if (rows) std::erase_if(*rows, [](const JournalMigration& migration) { return migration.isRunning; });
  return rows;
}

Result<std::optional<JournalMigration>> Journal::latestOf(const Uuid& vm) {
  // The text of a UUID has no character that SQL would mistake.
  auto rows = select("WHERE vm = '" + toString(vm) + "' ORDER BY id DESC LIMIT 1");
  if (!rows) return failure(rows.error());
  if (rows->empty()) return std::optional<JournalMigration>{};
  return std::optional<JournalMigration>{std::move(rows->front())};
}

Result<std::vector<JournalEvent>> Journal::events(std::int64_t id) {
  Statement rows{database_.get(), std::string{"SELECT monotonic, utc, mark, text, "} + (hasData_ ? "data" : "''") +
                                      " FROM event WHERE migration = ? ORDER BY id"};
  rows.add(id);
  std::vector<JournalEvent> result;
  for (;;) {
    auto row = rows.next();
    if (!row) return failure(row.error());
    if (!*row) return result;
    result.push_back(
        {rows.number(0), static_cast<std::uint64_t>(rows.number(1)), markFrom(rows.number(2)), rows.octets(3), rows.octets(4)});
  }
}

void Journal::tell(const Status& status) {
  if (status || std::exchange(told_, true)) return;
  log::error(status.error().text + "; migrations go on without it");
}

}  // namespace vmmig

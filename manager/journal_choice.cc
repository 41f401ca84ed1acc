// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/journal_choice.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>

namespace vmmig {

namespace {

namespace po = boost::program_options;

Result<std::string> journalFile(const Invocation& invocation) {
  if (invocation.has("journal")) return invocation.text("journal");
  if (!invocation.has("config") && ::access(Inventory::defaultFile, F_OK) != 0) return Inventory{}.journal;
  auto inventory = Inventory::read(invocation.has("config") ? invocation.text("config") : Inventory::defaultFile);
  if (!inventory) return failure(inventory.error());
  return inventory->journal;
}

Result<JournalMigration> latest(Journal& journal) {
  auto listed = journal.list(1);
  if (!listed) return failure(SnmpStatus::badValue, listed.error().text);
  if (listed->empty()) return failure(SnmpStatus::noSuchName, "the journal has no migration yet");
  return std::move(listed->front());
}

Result<JournalMigration> byNumber(Journal& journal, const std::string& word) {
  std::int64_t id = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
  if (error != std::errc{} || end != word.data() + word.size())
    return failure(SnmpStatus::badValue, word + " is no number of a migration; `vmmig journal` lists them");
  auto found = journal.find(id);
  if (!found) return failure(SnmpStatus::badValue, found.error().text);
  if (!*found) return failure(SnmpStatus::noSuchName, "the journal has no migration " + word);
  return std::move(**found);
}

}  // namespace

void addJournalOptions(po::options_description& options) {
  auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  options.add_options()("config", text("FILE"), "the configuration that names the journal (/etc/vmmig/vmmig.conf)")(
      "journal", text("FILE"), "the journal itself");
}

Result<std::unique_ptr<Journal>> openChosenJournal(const Invocation& invocation) {
  auto file = journalFile(invocation);
  if (!file) return failure(file.error());
  if (::access(file->c_str(), R_OK) != 0) {
    if (errno == EACCES) return failure("you may not read the journal " + *file + ": be root, or in the group that owns it");
    return failure("there is no journal " + *file + ": the first migration makes it; another is named by --journal");
  }
  return Journal::openToRead(*file);
}

Result<ChosenMigration> chooseMigration(Journal& journal, const std::string& word) {
  auto migration = word == "latest" ? latest(journal) : byNumber(journal, word);
  if (!migration) return failure(migration.error());
  auto events = journal.events(migration->id);
  if (!events) return failure(SnmpStatus::badValue, events.error().text);
  return ChosenMigration{std::move(*migration), std::move(*events)};
}

}  // namespace vmmig

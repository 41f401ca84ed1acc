// SPDX-License-Identifier: GPL-2.0-or-later
// What the commands that read the journal have in common: which journal, and which migration.
#pragma once

#include "manager/command.h"
#include "manager/journal.h"

namespace vmmig {

/// --config and --journal.
void addJournalOptions(boost::program_options::options_description& options);

/// The journal that the options or the inventory name, to be read. Looking does not make one.
Result<std::unique_ptr<Journal>> openChosenJournal(const Invocation& invocation);

struct ChosenMigration {
  JournalMigration migration;
  std::vector<JournalEvent> events;
};
/// By its number; "latest" is the one that began last. noSuchName when there is none, badValue when `word` is no number.
Result<ChosenMigration> chooseMigration(Journal& journal, const std::string& word);

}  // namespace vmmig

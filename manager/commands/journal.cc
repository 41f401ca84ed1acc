// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig journal`: past migrations, and the timeline of one.
#include <iostream>
#include <nlohmann/json.hpp>

#include "manager/journal_choice.h"
#include "manager/report.h"
#include "manager/table_printer.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "Without ID: the latest migrations, one a line. With ID: what happened in that one, and the proof of its order. ID is a\n"
    "number of the list, or latest.\n"
    "\n"
    "Examples:\n"
    "  vmmig journal\n"
    "  vmmig journal 17 --json\n";

constexpr std::size_t shownAtOnce = 50;

void addOptions(po::options_description& options) {
  addJournalOptions(options);
  options.add_options()("json", "print JSON");
}

void printJson(const nlohmann::json& json) {
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

ExitCode list(const Invocation& invocation, Journal& journal) {
  auto migrations = journal.list(shownAtOnce);
  if (!migrations) return complain(ExitCode::usage, migrations.error().text);
  if (invocation.has("json")) {
    auto all = nlohmann::json::array();
    for (const auto& migration : *migrations) all.push_back(toJson(migration));
    printJson(all);
    return ExitCode::ok;
  }
  TablePrinter table{{"ID", "STARTED (UTC)", "VM", "FROM", "TO", "ROWS", "STATE"}};
  for (const auto& migration : *migrations) {
    const auto& plan = migration.plan;
    auto from = plan.legs.empty() ? plan.sourceHost : plan.legs.front().source;
    auto to = plan.legs.empty() ? plan.destinationHost : plan.legs.front().destination;
    table.add({std::to_string(migration.id), utcText(migration.startedUtc), printable(plan.vmName), printable(from),
               printable(to), std::to_string(migration.totals.rows), stateOf(migration)});
  }
  table.print(std::cout);
  return ExitCode::ok;
}

ExitCode showOne(const Invocation& invocation, Journal& journal, const std::string& word) {
  auto chosen = chooseMigration(journal, word);
  if (!chosen) return complain(exitCodeOf(chosen.error()), chosen.error().text);
  if (invocation.has("json"))
    printJson(toJson(chosen->migration, chosen->events));
  else
    print(std::cout, chosen->migration, chosen->events);
  return ExitCode::ok;
}

Task<ExitCode> run(Invocation invocation) {
  auto journal = openChosenJournal(invocation);
  if (!journal) co_return complain(ExitCode::usage, journal.error().text);
  co_return invocation.arguments.empty() ? list(invocation, **journal) : showOne(invocation, **journal, invocation.arguments[0]);
}

}  // namespace

const Command& journalCommand() {
  static const Command command{"journal", "List past migrations, or tell one", {"[ID]"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig

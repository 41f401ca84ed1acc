// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig journal`: past migrations, and the timeline of one.
#include <unistd.h>

#include <charconv>
#include <iostream>
#include <nlohmann/json.hpp>

#include "manager/command.h"
#include "manager/inventory.h"
#include "manager/report.h"
#include "manager/table_printer.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "Without ID: the latest migrations, one a line. With ID: what happened in that one, and the proof of its order.\n"
    "\n"
    "Examples:\n"
    "  vmmig journal\n"
    "  vmmig journal 17 --json\n";

constexpr std::size_t shownAtOnce = 50;

void addOptions(po::options_description& options) {
  auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  options.add_options()("config", text("FILE"), "the configuration that names the journal (/etc/vmmig/vmmig.conf)")(
      "journal", text("FILE"), "the journal itself")("json", "print JSON");
}

Result<std::string> journalFile(const Invocation& invocation) {
  if (invocation.has("journal")) return invocation.text("journal");
  if (!invocation.has("config") && ::access(Inventory::defaultFile, F_OK) != 0) return Inventory{}.journal;
  auto inventory = Inventory::read(invocation.has("config") ? invocation.text("config") : Inventory::defaultFile);
  if (!inventory) return failure(inventory.error());
  return inventory->journal;
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
  std::int64_t id = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
  if (error != std::errc{} || end != word.data() + word.size())
    return complain(ExitCode::usage, word + " is no number of a migration; `vmmig journal` lists them");
  auto migration = journal.find(id);
  if (!migration) return complain(ExitCode::usage, migration.error().text);
  if (!*migration) return complain(ExitCode::negative, "the journal has no migration " + word);
  auto events = journal.events(id);
  if (!events) return complain(ExitCode::usage, events.error().text);
  if (invocation.has("json"))
    printJson(toJson(**migration, *events));
  else
    print(std::cout, **migration, *events);
  return ExitCode::ok;
}

Task<ExitCode> run(Invocation invocation) {
  auto file = journalFile(invocation);
  if (!file) co_return complain(ExitCode::usage, file.error().text);
  // To look must not make one.
  if (::access(file->c_str(), R_OK) != 0)
    co_return complain(ExitCode::usage, "there is no journal " + *file + " that you may read");
  auto journal = Journal::openToRead(*file);
  if (!journal) co_return complain(ExitCode::usage, journal.error().text);
  co_return invocation.arguments.empty() ? list(invocation, **journal) : showOne(invocation, **journal, invocation.arguments[0]);
}

}  // namespace

const Command& journalCommand() {
  static const Command command{"journal", "List past migrations, or tell one", {"[ID]"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig

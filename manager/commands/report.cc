// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig report`: a past migration as a page to look at, to print and to send.
#include <chrono>

#include "manager/journal_choice.h"
#include "manager/page/page.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "Writes one HTML page that needs nothing else: what the migration came to, its figures and the proof of its order, the "
    "timeline\n"
    "of phases and devices, rows by table and device, what was refused and why, digests, and every event. ID is a number of\n"
    "`vmmig journal`; without it, or with latest, the migration that began last.\n"
    "\n"
    "Examples:\n"
    "  vmmig report -o latest.html\n"
    "  vmmig report 17 --output web1.html\n";

void addOptions(po::options_description& options) {
  addJournalOptions(options);
  options.add_options()("output,o", po::value<std::string>()->value_name("FILE"), "write to FILE instead of standard output (-)");
}

template <class Clock_>
std::int64_t microsecondsNow() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock_::now().time_since_epoch()).count();
}

Task<ExitCode> run(Invocation invocation) {
  auto journal = openChosenJournal(invocation);
  if (!journal) co_return complain(ExitCode::usage, journal.error().text);
  auto chosen = chooseMigration(**journal, invocation.arguments.empty() ? "latest" : invocation.arguments[0]);
  if (!chosen) co_return complain(exitCodeOf(chosen.error()), chosen.error().text);
  page::Now now{microsecondsNow<Clock>(), static_cast<std::uint64_t>(microsecondsNow<std::chrono::system_clock>())};
  auto html = page::toHtml(chosen->migration, chosen->events, now);
  co_return writeOutput(invocation.text("output"), html);
}

}  // namespace

const Command& reportCommand() {
  static const Command command{"report", "Write a past migration as an HTML page", {"[ID]"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig

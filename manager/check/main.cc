// SPDX-License-Identifier: GPL-2.0-or-later
// check_vmmig(8): a plugin for Nagios, Icinga and their like. A program of its own, and not a script over Net-SNMP's commands:
// rows and labels come from the same descriptions as in vmmig, and no passphrase is in an argument that ps(1) shows.
#include <unistd.h>

#include <boost/program_options.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>

#include "common/event_loop.h"
#include "common/log.h"
#include "config.h"
#include "manager/check/modes.h"
#include "manager/command_line.h"

namespace vmmig::check {
namespace {

namespace po = boost::program_options;

constexpr int defaultTimeoutSeconds = 10;

po::options_description options() {
  auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  po::options_description all{"Options"};
  all.add_options()("hostname,H", text("AGENT"), "the agent, as in snmpcmd(1): tcp:10.0.0.1")(
      "mode,m", text("MODE")->default_value("health"), "what to look at, see above")(
      "warning,w", text("RANGE"), "warning outside of it: [@][start:][end]")("critical,c", text("RANGE"),
                                                                             "critical outside of it")(
      "timeout,t", po::value<int>()->value_name("SECONDS")->default_value(defaultTimeoutSeconds), "critical after so long")(
      "recent", po::value<int>()->value_name("SECONDS")->default_value(3600), "how long a failure counts")(
      "user,u", text("USER"), "SNMPv3 user")("level,l", text("LEVEL"), "authPriv, authNoPriv or noAuthNoPriv")(
      "snmp-conf", text("DIRECTORY"), "where snmp.conf is, with passphrases and defaults")(
      "verbose,v", po::value<std::vector<std::string>>()->zero_tokens(), "accepted, also -vvv: it always says all it knows")(
      "help,h", "this text")("version,V", "the version");
  return all;
}

std::string help() {
  std::ostringstream text;
  text << "check_vmmig " PACKAGE_VERSION
          "\nUsage: check_vmmig -H AGENT [-m MODE] [-w RANGE] [-c RANGE] [options]\n"
          "Watches an agent that implements VM-MIGRATION-MIB. MODE is one of\n";
  for (const auto& mode : modes()) {
    text << "  " << std::string{mode.name} + std::string(11 - mode.name.size(), ' ') << mode.meaning;
    if (mode.hasRanges) text << " [-w '" << mode.warning << "' -c '" << mode.critical << "']";
    text << '\n';
  }
  text << "or a number among the scalars, such as vmMigVms, with the ranges that are given.\n\n"
       << options()
       << "\nPassphrases are in snmp.conf(5) (defSecurityName, defAuthPassphrase, defPrivPassphrase...), that of --snmp-conf or "
          "of "
          "the\nuser who runs this.\n\nExit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n";
  return text.str();
}

/// What one call is to do.
struct Plan {
  const Mode* mode = nullptr;  // null: a scalar
  std::string name;
  SessionOptions session;
  Question question;
  std::chrono::seconds timeout{};
};

Result<std::optional<Range>> rangeOf(const po::variables_map& values, const char* option, std::string_view otherwise) {
  auto text = values.count(option) ? values[option].as<std::string>() : std::string{otherwise};
  if (text.empty()) return std::optional<Range>{};
  auto range = parseRange(text);
  if (!range) return failure(range.error());
  return std::optional{*range};
}

Status setMode(const po::variables_map& values, Plan& plan) {
  plan.name = values["mode"].as<std::string>();
  for (const auto& mode : modes())
    if (mode.name == plan.name) plan.mode = &mode;
  if (!plan.mode && !isNumber(plan.name))
    return failure("there is no mode \"" + plan.name + "\", and no number of that name: try check_vmmig --help");
  if (plan.mode && !plan.mode->hasRanges && (values.count("warning") || values.count("critical")))
    return failure("-w and -c mean nothing with -m " + plan.name);
  auto warning = rangeOf(values, "warning", plan.mode ? plan.mode->warning : "");
  if (!warning) return failure(warning.error());
  auto critical = rangeOf(values, "critical", plan.mode ? plan.mode->critical : "");
  if (!critical) return failure(critical.error());
  plan.question.thresholds = {*warning, *critical};
  return {};
}

/// Net-SNMP passes over what it cannot read, and then misses a user: as whom the monitoring system runs this is what to look at.
Status readConfiguration(const std::string& directory) {
  auto path = directory + "/snmp.conf";
  if (::access(path.c_str(), R_OK) != 0)
    return failure("--snmp-conf: " + path + " cannot be read (" + std::strerror(errno) + ") by the user who runs check_vmmig");
  ::setenv("SNMPCONFPATH", directory.c_str(), 1);
  return {};
}

Result<Plan> planOf(const po::variables_map& values) {
  Plan plan;
  if (!values.count("hostname")) return failure("-H is missing: which agent?");
  if (auto status = setMode(values, plan); !status) return failure(status.error());
  auto timeout = values["timeout"].as<int>();
  if (timeout < 1 || timeout > 3600) return failure("-t is a number of seconds from 1 to 3600");
  plan.timeout = std::chrono::seconds{timeout};
  plan.question.recentSeconds = values["recent"].as<int>();
  if (plan.question.recentSeconds < 1) return failure("--recent is a number of seconds above 0");
  plan.session.peer = values["hostname"].as<std::string>();
  if (values.count("user")) plan.session.user = values["user"].as<std::string>();
  if (values.count("level")) plan.session.level = values["level"].as<std::string>();
  // One try less than the timeout has room for: its end is told by us, in time.
  plan.session.timeoutSeconds = std::to_string(std::max(1, timeout / 2));
  plan.session.retries = "1";
  if (values.count("snmp-conf"))
    if (auto status = readConfiguration(values["snmp-conf"].as<std::string>()); !status) return failure(status.error());
  return plan;
}

Task<> ask(Plan plan, std::optional<Verdict>& verdict) {
  if (plan.mode)
    verdict = co_await plan.mode->ask(plan.question);
  else
    verdict = co_await askScalar(plan.question, plan.name);
}

int finish(const Verdict& verdict) {
  std::cout << verdict.print() << std::flush;
  return static_cast<int>(verdict.state());
}

int run(const Plan& plan) {
  // Behind the loop: what is still under way at the end ends with it.
  EventLoop loop;
  auto session = SnmpSession::open(loop, plan.session);
  if (!session) return finish(Verdict{State::unknown, session.error().text});
  auto ready = plan;
  ready.question.device = std::make_shared<Device>(plan.session.peer, std::move(*session));
  std::optional<Verdict> verdict;
  spawn(ask(ready, verdict));
  loop.runUntil([&] { return verdict.has_value(); }, Clock::now() + plan.timeout);
  if (verdict) return finish(*verdict);
  auto code =
      finish(Verdict{State::critical, plan.session.peer + " has not answered within " + std::to_string(plan.timeout.count()) +
                                          " s: vmmig doctor tells where it hangs"});
  // A request is still under way: there is nothing to tidy up that the end of the process does not.
  std::_Exit(code);
}

int parseAndRun(int argc, char** argv) {
  po::variables_map values;
  int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::store(po::command_line_parser(argc, argv).options(options()).positional({}).style(style).run(), values);
  if (values.count("help") || values.count("version")) {
    std::cout << (values.count("help") ? help() : "check_vmmig " PACKAGE_VERSION "\n") << std::flush;
    return static_cast<int>(State::ok);
  }
  auto plan = planOf(values);
  if (!plan) return finish(Verdict{State::unknown, plan.error().text});
  return run(*plan);
}

}  // namespace
}  // namespace vmmig::check

int main(int argc, char** argv) {
  using namespace vmmig::check;
  vmmig::log::setProgram("check_vmmig");
  try {
    return parseAndRun(argc, argv);
  } catch (const std::exception& error) {
    return finish(Verdict{State::unknown, std::string{error.what()} + ": try check_vmmig --help"});
  }
}

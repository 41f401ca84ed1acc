// SPDX-License-Identifier: GPL-2.0-or-later
// vmmigd(8): puts the parts of the agent together, and runs them until a signal.
#include <fcntl.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <memory>

#include "common/log.h"
#include "subagent/agent.h"
#include "subagent/options.h"
#include "subagent/start_up.h"

namespace {

using namespace vmmig;

Status checkStart(const Options& options) {
  if (auto checked = checkStateDirectory(options.stateDirectory); !checked) return checked;
  if (auto checked = checkAgentxSocket(options.agentxSocket); !checked) return checked;
  if (options.roles.contains(Role::device) && options.backEnd == BackEndKind::linux_) return checkNetAdmin();
  return {};
}

int run(const Options& options) {
  if (auto checked = checkStart(options); !checked) {
    log::error(checked.error().text);
    return EXIT_FAILURE;
  }
  auto lock = lockStateDirectory(options.stateDirectory);
  if (!lock) {
    log::error(lock.error().text);
    return EXIT_FAILURE;
  }
  // Standard error stays: it is the log.
  if (!options.foreground && ::daemon(0, 1) != 0) {
    log::error("cannot go to the background; start vmmigd with -f");
    return EXIT_FAILURE;
  }
  ::signal(SIGPIPE, SIG_IGN);
  // Whoever started us may ignore it, and that is inherited: nobody would learn then how tc ended.
  ::signal(SIGCHLD, SIG_DFL);
  EventLoop loop;
  Agent agent{loop, options};
  const auto stop = [&] {
    sd_notify(0, "STOPPING=1");
    loop.stop();
  };
  loop.onSignal(SIGTERM, stop);
  loop.onSignal(SIGINT, stop);
  loop.onSignal(SIGHUP,
                [] { log::notice("SIGHUP: the configuration is read at the start only; restart vmmigd to use a new one"); });
  sd_notify(0, "READY=1");
  log::notice("ready");
  loop.run();
  log::notice("stopping");
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  log::setProgram("vmmigd");
  auto parsed = parseOptions(argc, argv);
  if (!parsed) {
    log::error(parsed.error().text);
    return EXIT_FAILURE;
  }
  if (const auto* notice = std::get_if<Notice>(&*parsed)) {
    std::fputs(notice->text.c_str(), stdout);
    return EXIT_SUCCESS;
  }
  const auto& options = std::get<Options>(*parsed);
  log::setLevel(options.logLevel);
  try {
    return run(options);
  } catch (const std::exception& error) {
    log::error(error.what());
    return EXIT_FAILURE;
  }
}

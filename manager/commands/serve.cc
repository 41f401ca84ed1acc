// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig serve`: the daemon that migrates whatever the hosts of the inventory tell of.
#include <signal.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "manager/command.h"
#include "manager/counted.h"
#include "manager/service.h"
#include "manager/trap_listener.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;

constexpr const char* description =
    "Reads the inventory, listens for the INFORMs of the hosts (and asks them now and then, in case one was lost), and moves the "
    "state\n"
    "of every VM whose migration they tell. What an earlier manager did not end is ended first. SIGTERM ends it once no VM waits "
    "for\n"
    "it; the next one goes on from the journal.\n"
    "\n"
    "Example:\n"
    "  vmmig serve --config /etc/vmmig/vmmig.conf\n";

void addOptions(po::options_description& options) {
  options.add_options()("config", po::value<std::string>()->value_name("FILE"), "the inventory (/etc/vmmig/vmmig.conf)");
}

Task<ExitCode> run(Invocation invocation) {
  auto inventory = Inventory::read(invocation.has("config") ? invocation.text("config") : Inventory::defaultFile);
  if (!inventory) co_return complain(ExitCode::usage, inventory.error().text);
  bool followsUnlisted = inventory->unlistedHosts != Inventory::Unlisted::none && !inventory->listen.empty();
  if (inventory->hosts.empty() && !(followsUnlisted && !inventory->devices.empty()))
    co_return complain(ExitCode::usage, "the inventory names no host: add a section [host.NAME]");
  auto journal = Journal::open(inventory->journal);
  if (!journal) co_return complain(ExitCode::usage, journal.error().text);
  DevicePool pool{invocation.loop, *inventory, invocation.session};
  Service service{invocation.loop, *inventory, pool, **journal};

  std::unique_ptr<TrapListener> listener;
  if (!inventory->listen.empty()) {
    TrapListener::Options options{.address = inventory->listen, .usersFile = inventory->listenUsers};
    auto handler = [&service](const ReceivedNotification& received) {
      if (received.notification == mib::Notification::phaseChanged)
        service.notified(received.sourceAddress, received.row.as<PhaseRow>());
    };
    auto opened = TrapListener::open(invocation.loop, options, handler);
    if (!opened) co_return complain(ExitCode::usage, opened.error().text);
    listener = std::move(*opened);
  }
  for (int signal : {SIGTERM, SIGINT})
    invocation.loop.onSignal(signal, [&service] {
      log::notice("told to end");
      sd_notify(0, "STOPPING=1");
      service.stop();
    });
  log::notice("ready: " + counted(inventory->hosts.size(), "host") + ", " + counted(inventory->devices.size(), "device") +
              (listener ? ", listening on " + inventory->listen : std::string{}));
  sd_notify(0, "READY=1");
  co_await service.run();
  co_return ExitCode::ok;
}

}  // namespace

const Command& serveCommand() {
  static const Command command{"serve", "Migrate whatever the hosts tell of", {}, description, addOptions, run};
  return command;
}

}  // namespace vmmig

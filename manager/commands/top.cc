// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig top`: devices, transfers and holds as they are now, again and again.
#include <unistd.h>

#include <clocale>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/replace_file.h"
#include "manager/command.h"
#include "manager/device_pool.h"
#include "manager/top/screen.h"

namespace vmmig {

namespace {

namespace po = boost::program_options;
using namespace top;

constexpr const char* description =
    "Shows which VMs are held and for how long they still are, every transfer with its rows and how far it is, and how the "
    "devices\n"
    "and hosts are: those of the inventory, or those that are named as in snmpcmd(1). An agent that does not answer is shown as "
    "such,\n"
    "and holds up nobody. Nothing is changed anywhere.\n"
    "\n"
    "Keys: q quits; the arrows, Page Up and Down, Home and End scroll; p pauses; s sorts transfers by state, VM, device or "
    "rows,\n"
    "r the other way round; f hides those that have ended.\n"
    "\n"
    "Here -d and -n are as in top(1), and not as in snmpcmd(1).\n"
    "\n"
    "Exit status: 0; 2 usage or configuration; 3 with --batch or --json, when no agent at all answered for the last frame.\n"
    "\n"
    "Examples:\n"
    "  vmmig top\n"
    "  vmmig top -d 0.5 fw-a fw-b\n"
    "  vmmig top --json -n 1 | jq '.transfers[] | select(.vmMigTransferOperStatus == \"failed\")'\n";

// One answer that does not come must not hide for long that it does not.
constexpr const char* timeoutSeconds = "1";
constexpr const char* retries = "1";
constexpr auto longestFirstRound = std::chrono::seconds{10};
constexpr std::size_t batchWidth = 200;

void addOptions(po::options_description& options) {
  options.add_options()("delay,d", po::value<double>()->value_name("SECONDS")->default_value(1, "1"),
                        "between two looks at each agent")(
      "iterations,n", po::value<long>()->value_name("N")->default_value(0, "0"), "end after N frames; 0: never")(
      "batch,b", "plain text, a frame below the other, for files and pipes")(
      "json", "a frame is one line, a JSON object; implies --batch");
  addConfigOption(options);
}

Result<std::vector<Poller::Subject>> subjectsOf(DevicePool& pool, const Inventory& inventory,
                                                const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, bool>> wanted;
  for (const auto& name : names) wanted.emplace_back(name, inventory.hosts.contains(name) && !inventory.devices.contains(name));
  if (names.empty()) {
    for (const auto& [name, options] : inventory.devices) wanted.emplace_back(name, false);
    for (const auto& [name, host] : inventory.hosts) wanted.emplace_back(name, true);
  }
  if (wanted.empty()) return failure("DEVICE is missing, and there is no inventory that names any: give one, or --config FILE");
  std::vector<Poller::Subject> subjects;
  for (const auto& [name, isHost] : wanted) {
    auto agent = isHost ? pool.host(name) : pool.device(name);
    if (!agent) return failure(agent.error());
    subjects.push_back({name, isHost, *agent});
  }
  return subjects;
}

std::string textOf(const Frame& frame) {
  std::string text;
  for (const auto* lines : {&frame.head, &frame.body})
    for (const auto& line : *lines) text += plainText(line) + "\n";
  return text + "\n";
}

struct Batch {
  const Inventory& inventory;
  View view;
  std::size_t frames;
  bool isJson;
};

Task<ExitCode> printFrames(EventLoop& loop, Poller& poller, Batch batch) {
  auto delay = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{batch.view.delaySeconds});
  // The first frame has everybody in it who answers at all.
  auto latest = Clock::now() + longestFirstRound;
  while (!poller.isComplete() && Clock::now() < latest) co_await sleepFor(loop, std::chrono::milliseconds{10});
  bool isAnswered = false;
  auto next = Clock::now();
  for (std::size_t frame = 0; batch.frames == 0 || frame < batch.frames; ++frame) {
    if (frame > 0) co_await sleepFor(loop, next - Clock::now());
    next += delay;
    auto snapshot = poller.snapshot();
    isAnswered = false;
    for (const auto& agent : snapshot.agents)
      isAnswered = isAnswered || agent.reach == Reach::answers || agent.reach == Reach::noAgent;
    auto text = batch.isJson
                    ? jsonOf(snapshot, batch.inventory).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                    : textOf(frameOf(snapshot, batch.inventory, batch.view));
    if (!writeAll(STDOUT_FILENO, text)) co_return complain(ExitCode::usage, "cannot write to standard output");
  }
  co_return isAnswered ? ExitCode::ok : ExitCode::device;
}

Task<ExitCode> run(Invocation invocation) {
  auto inventory = invocation.inventory();
  if (!inventory) co_return complain(ExitCode::usage, inventory.error().text);
  View view;
  view.delaySeconds = invocation.values["delay"].as<double>();
  if (!(view.delaySeconds >= 0.1 && view.delaySeconds <= 3600))
    co_return complain(ExitCode::usage, "--delay is a number of seconds from 0.1 to 3600");
  auto iterations = invocation.values["iterations"].as<long>();
  if (iterations < 0) co_return complain(ExitCode::usage, "--iterations is a number of frames, or 0 for no end");
  auto frames = static_cast<std::size_t>(iterations);
  bool isBatch = invocation.has("batch") || invocation.has("json");
  if (!isBatch && !Terminal::isUsable())
    co_return complain(ExitCode::usage, "this is no terminal that can be drawn on (TERM); --batch prints plain text");
  auto session = invocation.session;
  if (session.timeoutSeconds.empty()) session.timeoutSeconds = timeoutSeconds;
  if (session.retries.empty()) session.retries = retries;
  DevicePool pool{invocation.loop, *inventory, session};
  auto subjects = subjectsOf(pool, *inventory, invocation.arguments);
  if (!subjects) co_return complain(ExitCode::usage, subjects.error().text);

  std::setlocale(LC_CTYPE, "");
  std::unique_ptr<Screen> screen;
  auto interval = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{view.delaySeconds});
  Poller poller{invocation.loop, std::move(*subjects), interval, [&screen] {
                  if (screen) screen->changed();
                }};
  if (isBatch) {
    view.width = batchWidth;
    poller.start();
    Batch batch{*inventory, view, frames, invocation.has("json")};
    co_return co_await printFrames(invocation.loop, poller, batch);
  }
  // What the log says would be written over the screen.
  log::setLevel(log::Level::error);
  screen = std::make_unique<Screen>(invocation.loop, poller, *inventory, view, frames);
  poller.start();
  co_await screen->run();
  screen.reset();
  co_return ExitCode::ok;
}

}  // namespace

const Command& topCommand() {
  static const Command command{"top", "Show devices, transfers and holds live", {"[DEVICE...]"}, description, addOptions, run};
  return command;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The frame: holds first, since they do not wait, then transfers, then the agents.
#include <algorithm>
#include <cstdio>

#include "manager/report.h"
#include "manager/top/frame_parts.h"

namespace vmmig::top {

std::string secondsText(std::uint64_t milliseconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(milliseconds) / 1000);
  return text;
}

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

namespace {

Line titleOf(const Snapshot& snapshot, const View& view) {
  char delay[32];
  std::snprintf(delay, sizeof delay, "%g s", view.delaySeconds);
  auto time = utcText(snapshot.utcMicroseconds).substr(11, 8);
  Line line{{"vmmig top", Style::title}, {"  " + time + " UTC, every " + delay, Style::plain}};
  line.push_back({", by " + std::string{name(view.sort)} + (view.isReversed ? ", reversed" : ""), Style::plain});
  if (view.isPaused) line.push_back({"  PAUSED", Style::warn});
  return line;
}

Line summaryOf(const Snapshot& snapshot, const std::vector<ShownTransfer>& transfers, const std::vector<ShownPhase>& phases) {
  auto agents = [&](auto holds) {
    return static_cast<std::size_t>(std::count_if(snapshot.agents.begin(), snapshot.agents.end(), holds));
  };
  auto silent = agents([](const Agent& agent) { return agent.reach == Reach::silent || agent.reach == Reach::noAgent; });
  auto unwell = agents([](const Agent& agent) { return agent.reach == Reach::answers && agent.scalars.health != Health::up; });
  auto underWay = static_cast<std::size_t>(
      std::count_if(transfers.begin(), transfers.end(), [](const auto& each) { return !isFinal(each.row->operStatus); }));
  auto held = static_cast<std::size_t>(
      std::count_if(phases.begin(), phases.end(), [](const auto& each) { return each.leftMilliseconds.has_value(); }));
  Line line{{counted(snapshot.agents.size(), "agent")},
            {", "},
            {std::to_string(silent) + " unreachable", silent ? Style::bad : Style::plain},
            {", "},
            {std::to_string(unwell) + " not well", unwell ? Style::warn : Style::plain},
            {"; "},
            {counted(underWay, "transfer") + " under way", underWay ? Style::bold : Style::plain},
            {", "},
            {counted(held, "VM") + " held", held ? Style::warn : Style::plain}};
  return line;
}

}  // namespace

Frame frameOf(const Snapshot& snapshot, const Inventory& inventory, const View& view) {
  auto transfers = transfersOf(snapshot, inventory);
  auto phases = phasesOf(snapshot, inventory);
  Frame frame;
  frame.head = {titleOf(snapshot, view), summaryOf(snapshot, transfers, phases), {}};
  addPhases(frame.body, phases, view);
  frame.body.emplace_back();
  addTransfers(frame.body, std::move(transfers), view);
  frame.body.emplace_back();
  addAgents(frame.body, snapshot, view);
  for (auto* lines : {&frame.head, &frame.body})
    for (auto& line : *lines) line = fitted(line, view.width);
  return frame;
}

}  // namespace vmmig::top

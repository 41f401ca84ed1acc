// SPDX-License-Identifier: GPL-2.0-or-later
// The devices and hosts of a frame.
#include <algorithm>

#include "manager/top/frame_parts.h"
#include "mibs/labels.h"

namespace vmmig::top {

namespace {

Style styleOf(const Agent& agent) {
  switch (agent.reach) {
    case Reach::asking: return Style::dim;
    case Reach::noAgent:
    case Reach::silent: return Style::bad;
    case Reach::answers: break;
  }
  return agent.scalars.health == Health::up ? Style::good : agent.scalars.health == Health::degraded ? Style::warn : Style::bad;
}

/// What a transfer needs of an agent.
std::string abilitiesOf(const DeviceScalars& scalars) {
  std::string text;
  std::size_t tables = 0;
  for (const auto& label : Labels<Capability>::labels) {
    auto capability = static_cast<Capability>(label.number);
    if (!scalars.capabilities.has(capability)) continue;
    bool isTable = capability <= Capability::policy || capability == Capability::expect;
    if (isTable)
      ++tables;
    else
      text += (text.empty() ? "" : " ") + std::string{label.name};
  }
  return tables == 0 ? text : counted(tables, "table") + (text.empty() ? "" : ", " + text);
}

/// The name stands in the same line.
std::string withoutPrefix(const std::string& text, const std::string& prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

std::string noteOf(const Snapshot& snapshot, const Agent& agent, const View& view) {
  auto late = std::chrono::duration<double>(snapshot.now - agent.askedAt).count();
  switch (agent.reach) {
    case Reach::silent: return withoutPrefix(agent.error, agent.name + ": ");
    case Reach::noAgent: return "its snmpd answers, but has no VM-MIGRATION-MIB: is its vmmigd running?";
    case Reach::asking: return "no answer yet";
    case Reach::answers: break;
  }
  bool isLate = agent.askedAt > agent.answeredAt && late > 2 * view.delaySeconds && !view.isPaused;
  return isLate ? "no answer for " + secondsText(static_cast<std::uint64_t>(late * 1000)) : agent.scalars.healthText.value;
}

}  // namespace

void addAgents(std::vector<Line>& lines, const Snapshot& snapshot, const View& view, Notes& cut) {
  lines.push_back({{"DEVICES AND HOSTS", Style::bold}});
  if (snapshot.agents.empty()) return lines.push_back({{"none", Style::dim}});
  Table table{{{"NAME", 10},
               {"STATE", 10},
               {"BACK END", 4},
               {"VMS", 5, true},
               {"ROWS", 6, true},
               {"CAPACITY", 4, true},
               {"UNDER WAY", 7, true},
               {"DONE", 3, true},
               {"FAILED", 6, true},
               {"RECONNECTS", 1, true},
               {"ANSWER", 2, true},
               {"CAN", 0},
               {"NOTE", 8}}};
  for (const auto& agent : snapshot.agents) {
    const auto& is = agent.scalars;
    auto note = noteOf(snapshot, agent, view);
    if (agent.reach != Reach::answers) {
      std::vector<Run> cells(12);
      cells[0] = {agent.name};
      cells[1] = {stateOf(agent), styleOf(agent)};
      cells.push_back({note, agent.reach == Reach::asking ? Style::dim : Style::bad});
      table.add(std::move(cells));
      continue;
    }
    bool isDevice = !is.backEnd.value.empty();
    std::uint64_t rows = 0;
    for (const auto& row : agent.transfers) rows += isFinal(row.operStatus) ? 0 : row.rows;
    auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(agent.answerTime).count();
    auto ofDevice = [&](std::uint64_t number) { return isDevice ? std::to_string(number) : std::string{}; };
    table.add({{agent.name},
               {stateOf(agent), styleOf(agent)},
               {isDevice ? is.backEnd.value : "host"},
               {ofDevice(is.vms)},
               {ofDevice(rows)},
               {ofDevice(is.maxRows)},
               {isDevice ? std::to_string(is.transfers) + "/" + std::to_string(is.maxTransfers) : ""},
               {ofDevice(is.transfersFinished.value)},
               {ofDevice(is.transfersFailed.value), is.transfersFailed.value ? Style::warn : Style::plain},
               {std::to_string(is.agentXReconnects.value), is.agentXReconnects.value ? Style::warn : Style::plain},
               {std::to_string(milliseconds) + " ms", Style::dim},
               {abilitiesOf(is), Style::dim},
               {note, styleOf(agent) == Style::good ? Style::warn : styleOf(agent)}});
  }
  auto drawn = table.lines(view.width);
  for (std::size_t at = 0; at < snapshot.agents.size(); ++at) {
    const auto& agent = snapshot.agents[at];
    auto style = styleOf(agent) == Style::good ? Style::warn : styleOf(agent);
    keepIfCut(cut, drawn[at + 1], {agent.name, noteOf(snapshot, agent, view), style});
  }
  for (auto& line : drawn) lines.push_back(std::move(line));
}

}  // namespace vmmig::top

// SPDX-License-Identifier: GPL-2.0-or-later
// The frame: holds first, since they do not wait, then transfers, then the agents.
#include <algorithm>
#include <cstdio>
#include <sstream>

#include "manager/report.h"
#include "manager/top/frame_parts.h"

namespace vmmig::top {

std::string secondsText(std::uint64_t milliseconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(milliseconds) / 1000);
  return text;
}

void keepIfCut(Notes& notes, const Line& line, Note note) {
  note.text = fitted(note.text, std::string::npos);
  if (plainText(line).find(note.text) != std::string::npos) return;
  auto same = std::find_if(notes.begin(), notes.end(), [&](const Note& each) { return each.text == note.text; });
  if (same == notes.end())
    notes.push_back(std::move(note));
  else
    same->who += "; " + note.who;
}

namespace {

/// Between words, where there are any; from the second line on two cells in.
std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines(1);
  std::istringstream words{text};
  for (std::string word; words >> word;) {
    bool isFirst = lines.back().find_first_not_of(' ') == std::string::npos;
    bool fits = cellsOf(lines.back()) + 1 + cellsOf(word) <= width;
    if (isFirst)
      lines.back() += word;
    else if (fits)
      lines.back() += " " + word;
    else
      lines.push_back("  " + word);
  }
  return lines;
}

/// What is to be done is in them: nobody should need another terminal for it.
void addNotes(std::vector<Line>& lines, const Notes& notes, const View& view) {
  if (notes.empty()) return;
  lines.emplace_back();
  lines.push_back({{"NOTES", Style::bold}});
  for (const auto& note : notes)
    for (auto& line : wrapped(note.who + ": " + note.text, view.width)) lines.push_back({{std::move(line), note.style}});
}

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
  Notes cut;
  addTransfers(frame.body, std::move(transfers), view, cut);
  frame.body.emplace_back();
  addAgents(frame.body, snapshot, view, cut);
  addNotes(frame.body, cut, view);
  for (auto* lines : {&frame.head, &frame.body})
    for (auto& line : *lines) line = fitted(line, view.width);
  return frame;
}

}  // namespace vmmig::top

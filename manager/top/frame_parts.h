// SPDX-License-Identifier: GPL-2.0-or-later
// The parts of a frame; only frame*.cc include it.
#pragma once

#include "manager/counted.h"
#include "manager/top/model.h"

namespace vmmig::top {

/// What a line had no room for.
struct Note {
  std::string who, text;
  Style style;
};
using Notes = std::vector<Note>;
/// Keeps the note when it does not stand whole in the line.
void keepIfCut(Notes& notes, const Line& line, Note note);

void addPhases(std::vector<Line>& lines, const std::vector<ShownPhase>& phases, const View& view);
void addTransfers(std::vector<Line>& lines, std::vector<ShownTransfer> transfers, const View& view, Notes& cut);
void addAgents(std::vector<Line>& lines, const Snapshot& snapshot, const View& view, Notes& cut);

/// "1.5 s".
std::string secondsText(std::uint64_t milliseconds);

}  // namespace vmmig::top

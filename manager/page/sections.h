// SPDX-License-Identifier: GPL-2.0-or-later
// The parts of the page, from its head to its end.
#pragma once

#include "manager/page/html.h"
#include "manager/page/page.h"
#include "manager/page/story.h"

namespace vmmig::page {

void addHead(Html& html, const JournalMigration& migration, const Story& story, const Now& now);
void addFigures(Html& html, const JournalMigration& migration, const Story& story);
void addTimeline(Html& html, const Story& story);
void addLegs(Html& html, const JournalMigration& migration, const Story& story);
void addRefusals(Html& html, const Story& story);
void addMoments(Html& html, const Story& story);
void addLanes(Html& html, const Story& story);
void addEvents(Html& html, const Story& story, const std::vector<JournalEvent>& events);

/// A number for people, and in the attribute for programs.
void addNumber(Html& html, std::uint64_t number);

}  // namespace vmmig::page

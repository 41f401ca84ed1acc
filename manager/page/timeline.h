// SPDX-License-Identifier: GPL-2.0-or-later
// The timeline as SVG: a lane for the VM, each host and each device. Text keeps its size on a screen of any width, so there is a
// drawing for wide ones and paper and one for narrow ones, and the page's style shows one of them.
#pragma once

#include <string>

#include "manager/page/html.h"
#include "manager/page/story.h"

namespace vmmig::page {

enum class Width { wide, narrow };

/// All of the migration. `id` begins the ids within it, which must be the page's only ones of that name.
void drawOverview(Html& html, const Story& story, Width width, const std::string& id);
/// The stop alone, with each moment; only for a story that has one.
void drawStop(Html& html, const Story& story, Width width, const std::string& id);

}  // namespace vmmig::page

// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig report`: one migration as an HTML page that needs nothing else, neither scripts nor other files.
#pragma once

#include "manager/report.h"

namespace vmmig::page {

struct Now {
  std::int64_t monotonicMicroseconds;
  std::uint64_t utcMicroseconds;
};

std::string toHtml(const JournalMigration& migration, const std::vector<JournalEvent>& events, Now now);

}  // namespace vmmig::page

// SPDX-License-Identifier: GPL-2.0-or-later
// How what we have looked at of ourselves is told.
#pragma once

#include <string>

#include "mibs/check_table.h"

namespace vmmig {

/// One row of checks(), its texts shortened where they are too long.
CheckRow finding(const std::string& name, Health health, std::string text, std::string remedy = {});

}  // namespace vmmig

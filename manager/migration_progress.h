// SPDX-License-Identifier: GPL-2.0-or-later
// A migration in one line, for a person at a terminal.
#pragma once

#include <string>

#include "manager/migration_runner.h"

namespace vmmig {

/// "web1 switching | fw-a frozen > fw-b committing | 1200 rows, 86400 octets".
std::string progressLine(const MigrationRunner& runner);

}  // namespace vmmig

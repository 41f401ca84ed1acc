// SPDX-License-Identifier: GPL-2.0-or-later
// What the phase source qmp finds of its sockets and VMs: one row for all, and one for each that is not well.
#pragma once

#include <list>
#include <vector>

#include "mibs/check_table.h"
#include "subagent/qmp_client.h"
#include "subagent/qmp_sockets.h"

namespace vmmig {

std::vector<CheckRow> qmpChecks(const QmpSockets& sockets, const std::list<QmpClient>& clients);

}  // namespace vmmig

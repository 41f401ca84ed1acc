// SPDX-License-Identifier: GPL-2.0-or-later
// A row of vmMigFlowTable to and from a ctnetlink message.
#pragma once

#include "subagent/linux_conntrack_tuples.h"

namespace vmmig {

/// The row that an entry of the kernel is for this VM; nothing when it is none of its flows. An error when it is one and cannot
/// be told as a row.
Result<std::optional<FlowRow>> flowFromMessage(const nlmsghdr* message, const Vm& vm);

/// The whole entry, for a request that creates it.
void putFlow(nlmsghdr* message, const FlowRow& row);
/// What updates an entry in place to `after`; canUpdate() says whether that is all.
void putUpdate(nlmsghdr* message, const FlowRow& before, const FlowRow& after);
bool canUpdate(const FlowRow& before, const FlowRow& after);

/// What the kernel cannot hold, or not so that it reads back the same. The text names the column.
Status checkKernelHolds(const FlowRow& row);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The varbinds of a notification (RFC 3416 section 4.2.6) as a row.
#pragma once

#include <utility>
#include <vector>

#include "common/result.h"
#include "common/smi_value.h"
#include "mibs/registry.h"

namespace vmmig {

/// What a notification of VM-MIGRATION-MIB says: its row has the INDEX and the OBJECTS, other columns are at their defaults.
/// Objects behind those of the NOTIFICATION-TYPE are allowed and ignored. An error says what is foreign or malformed.
Result<std::pair<mib::Notification, AnyRow>> parseNotification(const std::vector<smi::VarBind>& varbinds);

}  // namespace vmmig

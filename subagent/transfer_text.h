// SPDX-License-Identifier: GPL-2.0-or-later
// What rows and logs of transfers and phases are written with: times and texts that fit.
#pragma once

#include <string>

#include "mibs/labels.h"
#include "mibs/row.h"

namespace vmmig {

/// Now, by the system's clock.
MicrosecondsUtc nowUtc();

/// At most 255 octets of it, cut between characters.
Text<255> shortened(std::string text);

/// Which row it is, among those of its VM: "vmMigPolicyEntry acl-100 1".
std::string describe(const AnyRow& row);

}  // namespace vmmig

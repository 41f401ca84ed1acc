// SPDX-License-Identifier: GPL-2.0-or-later
// What rows and logs of transfers and phases are written with: times and texts that fit.
#pragma once

#include <string>

#include "mibs/labels.h"

namespace vmmig {

/// Now, by the system's clock.
MicrosecondsUtc nowUtc();

/// At most 255 octets of it, cut between characters.
Text<255> shortened(std::string text);

}  // namespace vmmig

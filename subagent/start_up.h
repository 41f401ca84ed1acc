// SPDX-License-Identifier: GPL-2.0-or-later
// What vmmigd looks at before it starts, so that it says at once, and in a sentence, what it would fail of later.
#pragma once

#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace vmmig {

/// Exists or can be made, and is writable.
Status checkStateDirectory(const std::string& directory);
/// Held as long as the descriptor lives, over a fork too: two vmmigd on one state would take each other's transfers back.
Result<UniqueFd> lockStateDirectory(const std::string& directory);
/// Where the socket is a file that exists, we may connect to it. One that does not exist yet is no error: snmpd may start later.
Status checkAgentxSocket(const std::string& socket);
/// CAP_NET_ADMIN is effective.
Status checkNetAdmin();

}  // namespace vmmig

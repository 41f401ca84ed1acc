// SPDX-License-Identifier: GPL-2.0-or-later
// dot1dBasePortTable and dot1dTpFdbTable (BRIDGE-MIB, RFC 4188) of this system's Linux bridges, which Net-SNMP does not serve: a
// manager learns from them behind which port a VM or a host is.
//
// The module knows one bridge an agent. So that several fit, a port's number is its ifIndex; and of a station that several ports
// know, one is told: the own addresses of the system first, then the lowest port.
#pragma once

#include <vector>

#include "mibs/row.h"

namespace vmmig {

Result<std::vector<AnyRow>> readBridgePorts();
Result<std::vector<AnyRow>> readBridgeForwarding();

}  // namespace vmmig

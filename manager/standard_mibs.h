// SPDX-License-Identifier: GPL-2.0-or-later
// Reads what any vendor's agent tells of its place in the network: IF-MIB, BRIDGE-MIB, Q-BRIDGE-MIB, LLDP-MIB.
#pragma once

#include "manager/device.h"
#include "manager/topology.h"

namespace vmmig {

/// A table that the agent does not have is empty. `withTables` false: only what it is called and its own addresses (a host).
Task<Result<NetworkNode>> readNetworkNode(Device& device, bool withTables);

}  // namespace vmmig

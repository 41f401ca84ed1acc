// SPDX-License-Identifier: GPL-2.0-or-later
// What rows of vmMigMulticastTable say of a port's membership in a group, and the other way round. A group without a source list
// is one row; one that excludes sources that row and one a source; one that includes sources a row a source and no other.
#pragma once

#include "mibs/multicast_table.h"
#include "subagent/linux_mdb.h"
#include "subagent/vm_registry.h"

namespace vmmig {

MdbKey keyOf(unsigned port, const MulticastRow& row);
/// "group 239.1.1.1 from 10.0.0.9 in VLAN 5".
std::string describe(const MulticastRow& row);
/// inconsistentValue, and why.
Status inconsistent(const Vm& vm, const MulticastRow& row, const std::string& why);

/// Does a group follow a VM? Not those that switches, or programs on one host, talk by among themselves.
bool moves(const InetAddress& group);

std::vector<MulticastRow> rowsOf(const Uuid& vm, const std::string& port, const MdbKey& key, const Membership& membership);

/// Does the port get what the row asks for? It may get more, because others behind it do.
bool provides(const Membership& membership, const MulticastRow& row);
/// Seconds until this ends unless it is reported.
std::uint32_t timeoutOf(const Membership& membership, const MulticastRow& row);

/// With the row besides. isAlone: nobody else needs the sources that the row excludes.
Membership joined(Membership membership, const MulticastRow& row, bool isAlone);
/// Without the row.
Membership without(Membership membership, const MulticastRow& row);

}  // namespace vmmig

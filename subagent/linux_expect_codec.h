// SPDX-License-Identifier: GPL-2.0-or-later
// A row of vmMigExpectTable to and from a message of ctnetlink's expectation subsystem.
#pragma once

#include "mibs/expect_table.h"
#include "subagent/linux_conntrack_tuples.h"

namespace vmmig {

/// An expectation as the kernel tells it: whose it is and in which zone, it does not say.
struct ToldExpectation {
  ExpectRow row;
  std::uint32_t id = 0;             // CTA_EXPECT_ID
  std::optional<Error> fault = {};  // why no row can tell it; whoever's it is has to know, and nobody else
};

ToldExpectation expectationFromMessage(const nlmsghdr* message);

Tuple tupleOf(const ExpectRow& row);
Tuple masterOf(const ExpectRow& row);
/// Is an address that it names the VM's, through a translation as well?
bool names(const ExpectRow& row, const Vm& vm);

/// What names it, for a request to get or delete it.
void putKey(nlmsghdr* message, const ExpectRow& key);
/// All of it but the life, which the kernel takes only when it is there already.
void putExpectation(nlmsghdr* message, const ExpectRow& row);
/// With putExpectation(), for a request that changes the life of one that is there.
void putLife(nlmsghdr* message, const ExpectRow& row);

/// What the kernel cannot hold. The text names the column.
Status checkKernelHolds(const ExpectRow& row);

/// Why the kernel does not make it, for its errno.
Error creationError(const Vm& vm, const ExpectRow& row, int code);

/// "expected connection (protocol 6) 192.0.2.9 to 10.0.0.5 port 40000 of VM ..."
std::string describe(const Vm& vm, const ExpectRow& row);

}  // namespace vmmig

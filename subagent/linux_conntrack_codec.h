// SPDX-License-Identifier: GPL-2.0-or-later
// A row of vmMigTcpConnTable to and from a ctnetlink message.
#pragma once

#include "subagent/linux_conntrack_tuples.h"
#include "subagent/linux_sysctl.h"
#include "subagent/linux_tcp_windows.h"

namespace vmmig {

/// The row that an entry of the kernel is for this VM; nothing when it is none of its TCP connections. An error when it is one
/// and cannot be told as a row.
Result<std::optional<TcpConnRow>> rowFromMessage(const nlmsghdr* message, const Vm& vm, const TcpTimeouts& timeouts);

/// Gives the row, which has its windows already, the remaining life and idle time of what LinuxTcpWindows::look() has seen.
/// False: its entry is gone, or has become another otherwise than by packets that raise no event.
bool takeSeen(TcpConnRow& row, const LinuxTcpWindows::Seen& seen, const TcpTimeouts& timeouts);

/// The whole entry, for a request that creates it.
void putRow(nlmsghdr* message, const TcpConnRow& row, const TcpTimeouts& timeouts);
/// What updates an entry in place to `after`; canUpdate() says whether that is all.
void putUpdate(nlmsghdr* message, const TcpConnRow& before, const TcpConnRow& after, const TcpTimeouts& timeouts);
bool canUpdate(const TcpConnRow& before, const TcpConnRow& after);
/// What updates the flag beLiberal of an entry, both ways, to the row's, and nothing else.
void putLeniency(nlmsghdr* message, const TcpConnRow& row);
/// Has the kernel seen a packet of each end that fitted into its window (IP_CT_TCP_FLAG_MAXACK_SET)?
bool knowsWindows(const nlmsghdr* message);

/// What the kernel cannot hold, or not so that it reads back the same. The text names the column.
Status checkKernelHolds(const TcpConnRow& row);

}  // namespace vmmig

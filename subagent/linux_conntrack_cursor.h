// SPDX-License-Identifier: GPL-2.0-or-later
// A ctnetlink dump as a RowCursor: one recvmsg a call; the kernel goes on with the dump only when it is read.
#pragma once

#include "subagent/back_end.h"
#include "subagent/linux_netlink.h"
#include "subagent/linux_sysctl.h"
#include "subagent/linux_window_learning.h"
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

/// Which entries the kernel leaves out of a dump: those whose status, under the mask, is another. 0, 0: none.
struct StatusFilter {
  std::uint32_t status = 0;
  std::uint32_t mask = 0;
};

class ConntrackCursor final : public RowCursor {
 public:
  /// `learning` must outlive the cursor; null: shows the entries as they are.
  ConntrackCursor(Vm vm, const TcpTimeouts& timeouts, StatusFilter filter = {}, const LinuxWindowLearning* learning = nullptr);

  Result<bool> next(std::vector<AnyRow>& rows) override;
  /// The same, as structs.
  Result<bool> next(std::vector<TcpConnRow>& rows);

 private:
  Status start();
  Status takeMessage(const nlmsghdr* message, std::vector<TcpConnRow>& rows);
  bool isRepeated(const TcpConnRow& row) const;

  Vm vm_;
  TcpTimeouts timeouts_;
  StatusFilter filter_;
  const LinuxWindowLearning* learning_;
  std::optional<NetlinkSocket> socket_;
  bool ended_ = false;
  std::vector<TcpConnRow> last_;  // the last ones of the message before
};

}  // namespace vmmig

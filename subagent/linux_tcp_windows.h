// SPDX-License-Identifier: GPL-2.0-or-later
// Sequence numbers and windows of TCP connections (struct ip_ct_tcp_state), which ctnetlink does not tell: read by a BPF program
// (subagent/bpf/tcp_windows.bpf.c) in the network namespace of this process. About 0.3 us a connection.
//
// Needs a kernel with BTF and bpf_xdp_ct_lookup() (Linux 5.18), CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN.
#pragma once

#include <memory>
#include <span>

#include "common/result.h"
#include "mibs/tcp_conn_table.h"

namespace vmmig {

class LinuxTcpWindows {
 public:
  /// An Error says what the kernel or this process lacks.
  static Result<LinuxTcpWindows> open();
  LinuxTcpWindows(LinuxTcpWindows&&) noexcept;
  LinuxTcpWindows& operator=(LinuxTcpWindows&&) noexcept;
  ~LinuxTcpWindows();

  /// Fills windowKnown and the columns that it governs. A connection that is gone, or of which the kernel has not seen both ends
  /// acknowledge, is left without. An Error: the program could not be run.
  Status read(std::span<TcpConnRow> rows);

 private:
  struct Program;
  explicit LinuxTcpWindows(std::unique_ptr<Program> program);
  Status readSome(std::span<TcpConnRow> rows);
  std::unique_ptr<Program> program_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Sequence numbers and windows of TCP connections (struct ip_ct_tcp_state), which ctnetlink does not tell: read by a BPF program
// (subagent/bpf/tcp_windows.bpf.c) in the network namespace of this process. About 0.3 us a connection. And some of what
// ctnetlink does tell, but not as fast.
//
// Needs a kernel with BTF and bpf_xdp_ct_lookup() (Linux 5.18), CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "common/result.h"
#include "mibs/tcp_conn_table.h"

struct vmmig_lookup;

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

  /// What the kernel knows of a connection's entry right now, in its own words.
  struct Seen {
    bool exists = false;  // without it nothing else is set
    /// ctnetlink tells of it. Without, it was opened while events were off, and never will.
    bool hasEvents = false;
    std::uint32_t status = 0;          // IPS_*
    std::uint8_t state = 0;            // TCP_CONNTRACK_*
    std::uint32_t timeoutSeconds = 0;  // what is left
    std::uint32_t mark = 0;
    std::array<std::uint8_t, 2> flags{};  // IP_CT_TCP_FLAG_*, the opener's first
  };
  /// One for each row, which is named by its tuples and zone; and read() besides. An Error: the program could not be run.
  Result<std::vector<Seen>> look(std::span<TcpConnRow> rows);

 private:
  struct Program;
  explicit LinuxTcpWindows(std::unique_ptr<Program> program);
  Result<std::span<const vmmig_lookup>> lookUp(std::span<const TcpConnRow> rows);
  std::unique_ptr<Program> program_;
};

}  // namespace vmmig

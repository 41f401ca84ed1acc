// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_back_end.h"

#include <algorithm>

#include "common/log.h"
#include "subagent/linux_block.h"
#include "subagent/linux_conntrack_table.h"

namespace vmmig {

namespace {

class LinuxBackEnd final : public BackEnd {
 public:
  explicit LinuxBackEnd(LinuxOptions options)
      : options_(options),
        tcpConns_({[this] { return maxRows(); }, [this] { return rows(); }, [this] { return block_.stands(); }}, options.loop),
        block_([this](const Vm& vm) { return tcpConns_.translatedInboundOf(vm); }),
        tables_{&tcpConns_} {
    // Now: the first base chain of a hook takes the kernel up to 100 ms, which a stopped VM should not wait for.
    if (auto status = block_.ensure(); !status) blockText_ = status.error().text;
  }

  std::string_view name() const override { return "linux"; }
  Bits<Capability> capabilities() const override;
  HealthReport health() override;
  std::uint32_t maxRows() override { return std::min(options_.maxRows, conntrackSysctl("max").value_or(0)); }
  std::uint32_t rows() override { return conntrackSysctl("count").value_or(0); }
  std::span<TableBackEnd* const> tables() override { return tables_; }

  Status block(const Vm& vm) override { return block_.block(vm); }
  void unblock(const Uuid& vm) override { block_.unblock(vm); }
  bool isBlocked(const Uuid& vm) const override { return block_.isBlocked(vm); }

 private:
  LinuxOptions options_;
  LinuxTcpConnTable tcpConns_;
  LinuxBlock block_;
  std::string blockText_;
  std::array<TableBackEnd*, 1> tables_;
};

Bits<Capability> LinuxBackEnd::capabilities() const {
  Bits<Capability> result;
  result.set(Capability::tcpConn, conntrackSysctl("count").has_value());
  result.set(Capability::block, block_.stands());
  return result;
}

HealthReport LinuxBackEnd::health() {
  if (!conntrackSysctl("count"))
    return {Health::down, "this kernel tracks no connections: load nf_conntrack (modprobe nf_conntrack)"};
  if (!hasNetAdmin()) return {Health::down, "vmmigd may not change connections: it needs CAP_NET_ADMIN"};
  if (!block_.stands()) return {Health::degraded, blockText_};
  if (rows() >= maxRows())
    return {Health::degraded, "all " + std::to_string(maxRows()) +
                                  " entries of the connection table are in use: raise net.netfilter.nf_conntrack_max"};
  if (conntrackSysctl("tcp_be_liberal").value_or(0))
    return {Health::degraded,
            "net.netfilter.nf_conntrack_tcp_be_liberal is 1: this firewall does not check sequence numbers; set it to 0"};
  if (conntrackSysctl("tcp_loose").value_or(0))
    return {Health::degraded,
            "net.netfilter.nf_conntrack_tcp_loose is 1: this firewall takes packets of unknown connections for new ones; set it "
            "to 0"};
  return {};
}

}  // namespace

std::unique_ptr<BackEnd> makeLinuxBackEnd(LinuxOptions options) { return std::make_unique<LinuxBackEnd>(options); }

}  // namespace vmmig

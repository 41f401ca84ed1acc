// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_back_end.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "common/log.h"
#include "subagent/linux_acl_table.h"
#include "subagent/linux_block.h"
#include "subagent/linux_counter_table.h"
#include "subagent/linux_dhcp_binding_table.h"
#include "subagent/linux_exchanged_table.h"
#include "subagent/linux_expect_table.h"
#include "subagent/linux_flow_table.h"
#include "subagent/linux_multicast_table.h"
#include "subagent/linux_policy_table.h"
#include "subagent/linux_tcp_conn_table.h"

namespace vmmig {

namespace {

class LinuxBackEnd final : public BackEnd {
 public:
  explicit LinuxBackEnd(LinuxOptions options);

  std::string_view name() const override { return "linux"; }
  Bits<Capability> capabilities() const override;
  std::vector<CheckRow> checks() override;
  std::uint32_t maxRows() override { return std::min(options_.maxRows, conntrackSysctl("max").value_or(0)); }
  std::uint32_t rows() override { return conntrackSysctl("count").value_or(0); }
  std::span<TableBackEnd* const> tables() override { return tables_; }
  std::unique_ptr<RowCursor> read(const Vm& vm, std::span<const TableInfo* const> tables) override;

  std::optional<Refusal> exchange(const Vm& vm, const Exchange& exchange) override {
    return vmmig::exchange(*nft_, exchanged_, vm, exchange);
  }
  std::optional<Refusal> rehearse(const Vm& vm, const Exchange& exchange) override {
    return vmmig::rehearse(*nft_, exchanged_, vm, exchange);
  }

  void prepareBlock(const Vm& vm) override { block_.prepare(vm); }
  Status block(const Vm& vm) override { return block_.block(vm); }
  void unblock(const Uuid& vm) override { block_.unblock(vm); }
  bool isSettled(const Uuid& vm) override { return block_.isSettled(vm); }
  bool isBlocked(const Uuid& vm) const override { return block_.isBlocked(vm); }

 private:
  template <class Table, class... Arguments>
  void addTable(Arguments&&... arguments);
  void addDhcpBindings();
  ConntrackDevice conntrack();
  std::function<bool()> waitForPackets() {
    return [this] { return waitForPacketsUnderWay(tcpConns_.tap()); };
  }
  CheckRow checkConntrack();
  CheckRow checkStrictness();

  LinuxOptions options_;
  std::unique_ptr<Nft> nft_;
  ConntrackEvents events_;
  LinuxTcpConnTable tcpConns_;
  LinuxFlowTable flows_;
  LinuxExpectTable expectations_;
  LinuxBlock block_;
  std::string blockText_;
  std::vector<std::unique_ptr<TableBackEnd>> owned_;
  std::vector<TableBackEnd*> tables_;
  std::vector<LinuxExchangedTable*> exchanged_;
};

Nft openNft() {
  auto nft = Nft::open();
  if (!nft) throw std::runtime_error(nft.error().text);
  return std::move(*nft);
}

/// Tables that the configuration names something for; the others are not there, and vmMigCapabilities says so.
LinuxBackEnd::LinuxBackEnd(LinuxOptions options)
    : options_(std::move(options)),
      nft_(std::make_unique<Nft>(openNft())),
      events_(options_.loop, waitForPackets()),
      tcpConns_(conntrack(), options_.loop, options_.hasWindows),
      flows_(conntrack()),
      block_(events_, translatedInboundOf, waitForPackets()),
      // Masters ahead of what is expected behind them.
      tables_{&tcpConns_, &flows_, &expectations_} {
  if (const auto* tap = tcpConns_.tap()) events_.disregard(tap->index());
  // 2 (the default) lets entries that began while nobody listened end without a word.
  if (conntrackSysctl("events") == 2u) setConntrackSysctl("events", 1);
  // Now: the first base chain of a hook takes the kernel up to 100 ms, which a stopped VM should not wait for.
  if (auto status = block_.ensure(); !status) blockText_ = status.error().text;
  addDhcpBindings();
  if (const auto& bridges = options_.resources.multicastBridges; !bridges.empty())
    addTable<LinuxMulticastTable>(bridges, options_.stateDirectory);
  if (const auto& lists = options_.resources.acls; !lists.empty()) addTable<LinuxAclTable>(*nft_, lists);
  if (const auto& counters = options_.resources.counters; !counters.empty()) addTable<LinuxCounterTable>(*nft_, counters);
  if (const auto& policies = options_.resources.policies; !policies.empty()) addTable<LinuxPolicyTable>(*nft_, policies);
}

/// Of connections and flows one dump.
std::unique_ptr<RowCursor> LinuxBackEnd::read(const Vm& vm, std::span<const TableInfo* const> tables) {
  auto isOfDump = [this](const TableInfo* table) { return table == &tcpConns_.table() || table == &flows_.table(); };
  if (std::count_if(tables.begin(), tables.end(), isOfDump) < 2) return BackEnd::read(vm, tables);
  ConntrackCursor::Readers readers;
  readers.push_back(tcpConns_.reader(vm));
  readers.push_back(flows_.reader(vm));
  std::vector<std::unique_ptr<RowCursor>> cursors;
  cursors.push_back(std::make_unique<ConntrackCursor>(vm, 0, rows(), std::move(readers)));
  std::vector<const TableInfo*> others;
  std::remove_copy_if(tables.begin(), tables.end(), std::back_inserter(others), isOfDump);
  cursors.push_back(BackEnd::read(vm, others));
  return readInTurn(std::move(cursors));
}

ConntrackDevice LinuxBackEnd::conntrack() {
  return {[this] { return maxRows(); }, [this] { return rows(); }, [this] { return block_.stands(); }, &events_};
}

template <class Table, class... Arguments>
void LinuxBackEnd::addTable(Arguments&&... arguments) {
  auto table = std::make_unique<Table>(std::forward<Arguments>(arguments)...);
  if constexpr (std::is_base_of_v<LinuxExchangedTable, Table>) exchanged_.push_back(table.get());
  tables_.push_back(table.get());
  owned_.push_back(std::move(table));
}

void LinuxBackEnd::addDhcpBindings() {
  const auto& configured = options_.resources.dhcpSnooping;
  if (configured.empty()) return LinuxSourceGuard::removeLeftOver(*nft_);
  auto isBlocked = [this](const std::string& mac, const InetAddress& address) { return block_.covers(mac, address); };
  addTable<LinuxDhcpBindingTable>(*nft_,
                                  LinuxDhcpBindingTable::Setup{options_.loop, configured, options_.stateDirectory, isBlocked});
}

Bits<Capability> LinuxBackEnd::capabilities() const {
  Bits<Capability> result;
  for (auto* table : tables_) result.set(capabilityOf(table->table()));
  for (auto each : {Capability::tcpConn, Capability::flow, Capability::expect})
    result.set(each, conntrackSysctl("count").has_value());
  result.set(Capability::block, block_.stands());
  result.set(Capability::windowRead, tcpConns_.readsWindows());
  result.set(Capability::windowWrite, tcpConns_.writesWindows());
  return result;
}

std::vector<CheckRow> LinuxBackEnd::checks() {
  std::vector<CheckRow> rows{checkConntrack(), checkStrictness()};
  rows.push_back(hasNetAdmin() ? finding("privilege", Health::up, "vmmigd has CAP_NET_ADMIN")
                               : finding("privilege", Health::down, "vmmigd may not change connections",
                                         "start it as root, or with CAP_NET_ADMIN (AmbientCapabilities in its unit)"));
  rows.push_back(block_.stands() ? finding("block", Health::up, "VMs can be blocked")
                                 : finding("block", Health::degraded, blockText_, "see the log of vmmigd"));
  for (auto* table : tables_)
    for (auto& row : table->checks()) rows.push_back(std::move(row));
  return rows;
}

CheckRow LinuxBackEnd::checkConntrack() {
  if (!conntrackSysctl("count"))
    return finding("conntrack", Health::down, "this kernel tracks no connections", "load nf_conntrack: modprobe nf_conntrack");
  auto use = std::to_string(rows()) + " of " + std::to_string(maxRows()) + " entries of the connection table are in use";
  if (rows() >= maxRows()) return finding("conntrack", Health::degraded, use, "raise net.netfilter.nf_conntrack_max");
  return finding("conntrack", Health::up, use);
}

CheckRow LinuxBackEnd::checkStrictness() {
  if (conntrackSysctl("tcp_be_liberal").value_or(0))
    return finding("strictness", Health::degraded,
                   "net.netfilter.nf_conntrack_tcp_be_liberal is 1: this firewall does not check sequence numbers",
                   "set it to 0");
  if (conntrackSysctl("tcp_loose").value_or(0))
    return finding("strictness", Health::degraded,
                   "net.netfilter.nf_conntrack_tcp_loose is 1: this firewall takes packets of unknown connections for new ones",
                   "set it to 0");
  return finding("strictness", Health::up, "sequence numbers are checked");
}

}  // namespace

std::unique_ptr<BackEnd> makeLinuxBackEnd(LinuxOptions options) { return std::make_unique<LinuxBackEnd>(std::move(options)); }

}  // namespace vmmig

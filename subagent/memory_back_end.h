// SPDX-License-Identifier: GPL-2.0-or-later
// The back end `memory`: a device that has every table that moves, for tests, for trying the MIB, and as the model that others
// are held against. Its connections are those of a MemoryFirewall; it knows and sets sequence numbers.
#pragma once

#include "subagent/back_end.h"
#include "subagent/memory_firewall.h"
#include "subagent/memory_table.h"

namespace vmmig {

class MemoryTcpTable;

class MemoryBackEnd final : public BackEnd {
 public:
  explicit MemoryBackEnd(std::uint32_t maxRows = MemoryFirewall::defaultMaxRows, MemoryFirewall::Now now = Clock::now);
  ~MemoryBackEnd() override;

  MemoryFirewall& firewall() { return firewall_; }

  std::string_view name() const override { return "memory"; }
  Bits<Capability> capabilities() const override;
  std::vector<CheckRow> checks() override;
  std::uint32_t maxRows() override { return firewall_.maxRows(); }
  std::uint32_t rows() override;
  std::span<TableBackEnd* const> tables() override { return all_; }

  std::optional<Refusal> exchange(const Vm& vm, const Exchange& exchange) override;
  std::optional<Refusal> rehearse(const Vm& vm, const Exchange& exchange) override;

  Status block(const Vm& vm) override;
  void unblock(const Uuid& vm) override;
  bool isBlocked(const Uuid& vm) const override { return blocked_.contains(vm); }

 private:
  class Undo;
  bool isFull();
  std::optional<Refusal> change(const Vm& vm, const Exchange& exchange);
  std::optional<Refusal> findIncompletePolicy(std::span<const AnyRow> created);

  MemoryFirewall firewall_;
  std::unique_ptr<MemoryTcpTable> tcpTable_;
  std::vector<std::unique_ptr<MemoryTable>> tables_;  // all but the connections
  std::vector<TableBackEnd*> all_;
  std::map<Uuid, std::vector<InetAddress>> blocked_;
};

}  // namespace vmmig

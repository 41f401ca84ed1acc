// SPDX-License-Identifier: GPL-2.0-or-later
// The back end `memory`: a device whose state is a MemoryFirewall, for tests, for trying the MIB, and as the model that others
// are held against. It knows and sets sequence numbers.
#pragma once

#include "subagent/back_end.h"
#include "subagent/memory_firewall.h"

namespace vmmig {

class MemoryBackEnd final : public BackEnd {
 public:
  explicit MemoryBackEnd(std::uint32_t maxRows = MemoryFirewall::defaultMaxRows, MemoryFirewall::Now now = Clock::now);
  ~MemoryBackEnd() override;

  MemoryFirewall& firewall() { return firewall_; }

  std::string_view name() const override { return "memory"; }
  Bits<Capability> capabilities() const override;
  HealthReport health() override;
  std::uint32_t maxRows() override { return firewall_.maxRows(); }
  std::uint32_t rows() override { return static_cast<std::uint32_t>(firewall_.size()); }
  std::span<TableBackEnd* const> tables() override { return tables_; }

  Status block(const Vm& vm) override;
  void unblock(const Uuid& vm) override;
  bool isBlocked(const Uuid& vm) const override { return blocked_.contains(vm); }

 private:
  class TcpTable;
  MemoryFirewall firewall_;
  std::unique_ptr<TcpTable> tcpTable_;
  std::vector<TableBackEnd*> tables_;
  std::map<Uuid, std::vector<InetAddress>> blocked_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A moving table (vmMigTcpConnTable) as SNMP sees it: the back end's rows of every VM that is tracked.
#pragma once

#include <map>
#include <vector>

#include "common/event_loop.h"
#include "subagent/back_end.h"
#include "subagent/row_store.h"

namespace vmmig {

/// An exact GET asks the device for the row. GETNEXT needs an order that no device keeps: it walks a sorted copy of the VM's
/// rows, made anew when it has become old, and dropped when nobody walks any more.
class DeviceTableStore final : public RowStore {
 public:
  using Now = std::function<Clock::time_point()>;
  DeviceTableStore(EventLoop& loop, VmRegistry& registry, TableBackEnd& backEnd, Now now = Clock::now)
      : loop_(loop), registry_(registry), backEnd_(backEnd), now_(std::move(now)) {}
  ~DeviceTableStore() override;

  const TableInfo& table() const override { return backEnd_.table(); }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override;
  Result<std::optional<AnyRow>> next(OidSpan after) override;
  Status check(const Change& change) override;
  Status apply(const Change& change) override;

  /// The VM's rows, counted now and then: a count costs as much as the rows.
  std::uint32_t count(const Vm& vm);

 private:
  struct Copy {
    std::vector<std::pair<Oid, AnyRow>> rows;  // by index
    Clock::time_point made;
    Clock::time_point goodUntil;
    std::uint64_t generation = 0;  // of the VM's rows (VmRegistry)
  };
  struct Count {
    std::uint32_t rows = 0;
    Clock::time_point goodUntil;
    std::uint64_t generation = 0;
  };
  Result<const Copy*> copyOf(const Vm& vm);
  Result<Copy> readRows(const Vm& vm);
  Status countAll();
  void noteCount(const Uuid& vm, std::uint32_t rows, Clock::duration cost);
  const VmRow* tracked(const Uuid& vm) const;
  void dropLater();

  EventLoop& loop_;
  VmRegistry& registry_;
  TableBackEnd& backEnd_;
  Now now_;
  std::map<Uuid, Copy> copies_;
  std::map<Uuid, Count> counts_;
  std::optional<EventLoop::TimerId> dropTimer_;
  bool walked_ = false;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigPhaseTable as SNMP reads and writes it. Only PhaseManager and its store include this.
#pragma once

#include "subagent/phase_manager.h"

namespace vmmig {

inline Oid phaseIndexOf(const Uuid& vm) {
  Oid index;
  Codec<Uuid>::appendIndex(index, vm);
  return index;
}

inline bool isOver(Phase phase) { return phase == Phase::resumed || phase == Phase::failed || phase == Phase::cancelled; }

/// The `manual` source: a SET that writes vmMigPhase is a report, one that writes vmMigPhaseAction ends a hold.
class PhaseManager::Store final : public RowStore {
 public:
  explicit Store(PhaseManager& phases) : phases_(phases) {}

  const TableInfo& table() const override { return TableOf<PhaseRow>::info; }
  Result<std::optional<AnyRow>> find(const AnyRow& key) override {
    auto row = phases_.row(vmOf(key));
    return row ? std::optional<AnyRow>{std::move(*row)} : std::nullopt;
  }
  Result<std::optional<AnyRow>> next(OidSpan after) override {
    auto found = phases_.entries_.upper_bound(Oid{after.begin(), after.end()});
    if (found == phases_.entries_.end()) return std::optional<AnyRow>{};
    return std::optional<AnyRow>{shown(found->second)};
  }
  Status check(const Change& change) override;
  // settle() does it all, and nothing of it can fail: so there is nothing to take back.
  Status apply(const Change&) override { return {}; }
  void settle(const Change& change) override;

 private:
  static Status checkPhase(const PhaseRow& wanted, const PhaseRow* now);
  static Status checkAction(PhaseAction action, const PhaseRow* now, const std::string& vm);
  void remove(const PhaseRow& row);

  PhaseManager& phases_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Ports, zones, lists, counters and policies have names of their own on each device; rows of VM-MIGRATION-MIB carry common ones,
// so that an index read at the source is valid at the destination. This decorator stands between both: behind it there are only
// local names, in front of it only common ones. Which columns hold names, their descriptions say (Names, mibs/column.h).
#pragma once

#include <memory>

#include "subagent/forwarding_back_end.h"
#include "subagent/resources.h"

namespace vmmig {

class NameMap {
 public:
  NameMap() = default;
  /// An error when two rules give the same name to two things, or one cannot mean anything.
  static Result<NameMap> make(std::vector<NameRule> rules);

  /// What no rule concerns has the same name everywhere. For a rule's text: each name in it.
  std::string toLocal(Names names, std::string_view common) const;
  std::string toCommon(Names names, std::string_view local) const;
  bool empty() const { return rules_.empty(); }
  bool concerns(const TableInfo& table) const;

  /// All columns of a row. An error: a column has no room for the other name.
  Result<AnyRow> toLocal(AnyRow row) const;
  Result<AnyRow> toCommon(AnyRow row) const;
  Vm toLocal(Vm vm) const;

 private:
  enum class Way { toLocal, toCommon };
  std::string map(Way way, Names names, std::string_view name) const;
  std::string mapText(Way way, std::string_view text) const;
  Result<AnyRow> map(Way way, AnyRow row) const;
  bool concerns(Names names) const;

  std::vector<NameRule> rules_;
};

class MappedBackEnd final : public ForwardingBackEnd {
 public:
  MappedBackEnd(std::unique_ptr<BackEnd> backEnd, NameMap map);
  ~MappedBackEnd() override;

  std::span<TableBackEnd* const> tables() override { return tables_; }
  std::unique_ptr<RowCursor> read(const Vm& vm, std::span<const TableInfo* const> tables) override;
  std::optional<Refusal> exchange(const Vm& vm, const Exchange& exchange) override;
  std::optional<Refusal> rehearse(const Vm& vm, const Exchange& exchange) override;
  void prepareBlock(const Vm& vm) override { backEnd_->prepareBlock(map_.toLocal(vm)); }
  Status block(const Vm& vm) override { return backEnd_->block(map_.toLocal(vm)); }

 private:
  class Table;
  class Cursor;
  class Follower;
  /// An exchange in local names.
  struct Local {
    std::vector<AnyRow> remove, create;
    std::optional<Refusal> refusal;
  };
  Local toLocal(const Exchange& exchange) const;

  NameMap map_;
  std::vector<std::unique_ptr<Table>> owned_;
  std::vector<TableBackEnd*> tables_;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/row_status.h"

namespace vmmig {

// The table in RowStatus's DESCRIPTION (RFC 2579 section 2), action by action. Where it leaves a choice: a row that lacks a
// column cannot be taken out of notReady, an active row can be taken out of service and be changed.
tl::expected<RowState, SnmpStatus> nextRowState(RowState state, std::optional<RowStatus> wanted, bool complete) {
  const auto refused = [](SnmpStatus status) { return tl::make_unexpected(status); };
  const auto stagedState = complete ? RowState::notInService : RowState::notReady;
  if (!wanted) {
    if (state == RowState::absent) return refused(SnmpStatus::inconsistentName);
    return state == RowState::active ? state : stagedState;
  }
  switch (*wanted) {
    case RowStatus::createAndGo:
      if (state != RowState::absent || !complete) return refused(SnmpStatus::inconsistentValue);
      return RowState::active;
    case RowStatus::createAndWait:
      if (state != RowState::absent) return refused(SnmpStatus::inconsistentValue);
      return stagedState;
    case RowStatus::active:
      if (state == RowState::absent || (isStaged(state) && !complete)) return refused(SnmpStatus::inconsistentValue);
      return RowState::active;
    case RowStatus::notInService:
      if (state == RowState::absent || (isStaged(state) && !complete)) return refused(SnmpStatus::inconsistentValue);
      return RowState::notInService;
    case RowStatus::destroy: return RowState::absent;
    default: return refused(SnmpStatus::wrongValue);  // notReady is told, never written
  }
}

}  // namespace vmmig

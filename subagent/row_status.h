// SPDX-License-Identifier: GPL-2.0-or-later
// RFC 2579's RowStatus: the state table of conceptual rows, as a pure function.
#pragma once

#include <optional>

#include "common/result.h"
#include "mibs/textual_conventions.h"

namespace vmmig {

/// absent; notReady and notInService: kept by the agent alone (StagedRows); active: in the row's store.
enum class RowState { absent, notReady, notInService, active };

inline bool isStaged(RowState state) { return state == RowState::notReady || state == RowState::notInService; }

/// Where a row goes that is in `state`, when a SET writes `wanted` to its RowStatus (nothing: only other columns). `complete`:
/// with this SET every column that the row needs has a value. An error is of the RowStatus, but inconsistentName of a column
/// whose row does not exist.
tl::expected<RowState, SnmpStatus> nextRowState(RowState state, std::optional<RowStatus> wanted, bool complete);

}  // namespace vmmig

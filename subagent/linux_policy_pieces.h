// SPDX-License-Identifier: GPL-2.0-or-later
// The text of a policy in pieces that rows of vmMigPolicyTable take, and back.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mibs/policy_table.h"

namespace vmmig {

/// By vmMigPolicyPiece.
using PolicyPieces = std::map<std::uint32_t, PolicyRow>;

/// Longer ones are not taken, and cannot be carried.
inline constexpr std::size_t maxPolicyText = 64 * 1024;

/// Cut at the end of a line where one is, else at a blank, so that no name is cut.
std::vector<std::string> policyPieces(std::string_view text);

bool isComplete(const PolicyPieces& pieces);
/// "2, 3 of 4", of those that are not empty.
std::string missingOf(const PolicyPieces& pieces);
std::string textOf(const PolicyPieces& pieces);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The names in the text of a policy: interfaces and sets, as nft and tc write them. Everything else, comments among it, is left
// as it is.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace vmmig {

enum class RuleName { port, set };

/// The text with each name replaced by what `map` makes of it: interfaces after iifname, oifname, iif, oif (in quotes, in a set
/// in braces too) and dev, sets after '@'.
std::string mapRuleText(std::string_view text, const std::function<std::string(RuleName, std::string_view)>& map);

}  // namespace vmmig

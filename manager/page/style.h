// SPDX-License-Identifier: GPL-2.0-or-later
// The page's style sheet.
#pragma once

#include <string_view>

namespace vmmig::page {

/// Light, dark and on paper. Colour never tells anything alone: words and forms say the same.
std::string_view styleSheet();

}  // namespace vmmig::page

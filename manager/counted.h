// SPDX-License-Identifier: GPL-2.0-or-later
// A number with what it counts, as a sentence has it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vmmig {

/// "0 rows", "1 row", "2 rows"; "2 addresses".
inline std::string counted(std::uint64_t number, std::string_view noun) {
  std::string text = std::to_string(number) + " " + std::string{noun};
  if (number == 1) return text;
  return text + (noun.ends_with('s') ? "es" : "s");
}

}  // namespace vmmig

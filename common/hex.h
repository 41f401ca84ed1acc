// SPDX-License-Identifier: GPL-2.0-or-later
// Octets as hexadecimal text, for logs, JSON and digests.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vmmig {

/// Lower-case, two digits an octet, no separators.
std::string toHex(std::string_view octets);
/// The inverse; either case; nothing when a digit is odd or strange.
std::optional<std::string> fromHex(std::string_view text);

}  // namespace vmmig

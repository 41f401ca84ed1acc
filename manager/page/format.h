// SPDX-License-Identifier: GPL-2.0-or-later
// Figures as the page writes them.
#pragma once

#include <cstdint>
#include <string>

namespace vmmig::page {

/// "1,234,567".
std::string grouped(std::uint64_t number);
/// "7.412 ms", "2.35 s", "3 min 20 s", "1 h 2 min".
std::string durationText(std::int64_t microseconds);
/// The same with its sign: "+7.412 ms", "−2.35 s".
std::string offsetText(std::int64_t microseconds);
/// For an axis whose ticks are `step` apart: "0", "+2 ms", "−1.5 s".
std::string tickText(std::int64_t microseconds, std::int64_t step);
/// "2026-01-02T03:04:05.678Z", for <time datetime>.
std::string isoText(std::uint64_t utcMicroseconds);

}  // namespace vmmig::page

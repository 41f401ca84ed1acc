// SPDX-License-Identifier: GPL-2.0-or-later
// What transfers may take of this agent's memory and time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmmig {

struct TransferLimits {
  std::uint32_t maxTransfers = 256;             // that run at a time
  std::size_t maxHistory = 1024;                // transfers that are shown, ended ones too
  std::uint32_t maxRows = 1'000'000;            // of one image
  std::uint32_t maxChunks = 65'536;             // of one image
  std::uint64_t maxOctets = 512 * 1024 * 1024;  // of one image
  std::size_t chunkOctets = 32 * 1024;          // that a source packs into one chunk
  std::size_t sliceRows = 256;                  // that are handled before the event loop has its turn
};

/// How often an exchange is tried anew when it is no row's fault: one of the rows to be removed may have ended since it was read.
inline constexpr int exchangeAttempts = 3;

}  // namespace vmmig

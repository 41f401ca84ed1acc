// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_policy_pieces.h"

namespace vmmig {

namespace {

// A name that is mapped can be longer than ours, and the column takes 512.
constexpr std::size_t pieceSize = 448;

}  // namespace

std::vector<std::string> policyPieces(std::string_view text) {
  std::vector<std::string> pieces;
  while (text.size() > pieceSize) {
    auto size = text.rfind('\n', pieceSize - 1) + 1;
    if (size == 0) size = text.rfind(' ', pieceSize - 1) + 1;
    if (size == 0) size = pieceSize;
    while (size > 1 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;  // inside a character
    pieces.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  pieces.emplace_back(text);
  return pieces;
}

bool isComplete(const PolicyPieces& pieces) {
  return !pieces.empty() && pieces.size() == pieces.begin()->second.pieces && pieces.rbegin()->first == pieces.size();
}

std::string missingOf(const PolicyPieces& pieces) {
  std::string text;
  std::uint32_t count = pieces.begin()->second.pieces;
  for (std::uint32_t piece = 1; piece <= count; ++piece)
    if (!pieces.contains(piece)) text += (text.empty() ? "" : ", ") + std::to_string(piece);
  return text + " of " + std::to_string(count);
}

std::string textOf(const PolicyPieces& pieces) {
  std::string text;
  for (const auto& [number, row] : pieces) text += row.text.value;
  return text;
}

}  // namespace vmmig

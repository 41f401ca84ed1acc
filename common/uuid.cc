// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/uuid.h"

#include <algorithm>

#include "common/hex.h"

namespace vmmig {

namespace {
bool isDashPosition(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }
}  // namespace

std::string toString(const Uuid& uuid) {
  std::string hex = toHex({reinterpret_cast<const char*>(uuid.octets.data()), uuid.octets.size()});
  for (std::size_t position : {8, 13, 18, 23}) hex.insert(position, 1, '-');
  return hex;
}

std::optional<Uuid> parseUuid(std::string_view text) {
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool dash = text.size() == 36 && isDashPosition(i);
    if (dash != (text[i] == '-')) return std::nullopt;
    if (!dash) digits += text[i];
  }
  auto octets = fromHex(digits);
  if (!octets || octets->size() != 16) return std::nullopt;
  Uuid uuid;
  std::copy(octets->begin(), octets->end(), uuid.octets.begin());
  return uuid;
}

}  // namespace vmmig

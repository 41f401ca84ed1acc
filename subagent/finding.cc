// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/finding.h"

#include "common/digest.h"
#include "common/hex.h"
#include "subagent/transfer_text.h"

namespace vmmig {

namespace {

/// The name is the index: two long ones must not become the same.
std::string shortName(const std::string& name) {
  constexpr std::size_t most = 32, marked = 7;
  if (name.size() <= most) return name;
  std::size_t end = most - marked;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;  // inside a character
  Sha256 digest;
  digest.update(name);
  return name.substr(0, end) + "#" + toHex(digest.finish()).substr(0, marked - 1);
}

}  // namespace

CheckRow finding(const std::string& name, Health health, std::string text, std::string remedy) {
  CheckRow row;
  row.name.value = shortName(name);
  row.health = health;
  row.text = shortened(std::move(text));
  row.remedy = shortened(std::move(remedy));
  return row;
}

}  // namespace vmmig

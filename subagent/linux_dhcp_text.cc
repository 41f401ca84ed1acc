// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_dhcp_text.h"

#include <algorithm>

#include "common/hex.h"

namespace vmmig {

std::string macText(std::string_view octets) {
  auto text = toHex(octets);
  for (std::size_t at = 2; at < text.size(); at += 3) text.insert(at, ":");
  return text;
}

std::optional<std::string> macFromText(std::string_view text) {
  std::string digits{text};
  std::erase(digits, ':');
  auto octets = fromHex(digits);
  if (!octets || octets->size() != 6) return std::nullopt;
  return octets;
}

std::string describe(const DhcpBinding& binding) {
  auto vlan = binding.vlan ? ", VLAN " + std::to_string(binding.vlan) : "";
  return toString(binding.address) + " (" + macText(binding.macAddress) + vlan + ") at port " + binding.port;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Elements of lists and counters (vmMigAclTable, vmMigCounterTable): what a match says, and the name that stands for it in the
// INDEX. A match is in nft's notation: one component, or several joined by " . ": "10.1.0.5", "10.1.0.0/24 . 443",
// "fd00::1-fd00::9".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/inet_address.h"
#include "common/result.h"

namespace vmmig {

/// The longest match that stands in an INDEX as it is: an OID has 128 sub-identifiers (RFC 2578 section 3.5).
inline constexpr std::size_t maxElementName = 64;

/// The match itself where it is short enough, else '#' and the first 40 hex digits of its SHA-256.
std::string entryName(std::string_view match);

/// Its components: {"10.1.0.5", "443"}.
std::vector<std::string_view> matchComponents(std::string_view match);

/// Whether a component is one of these addresses, or a prefix or range of nothing but such: what holds other addresses as well is
/// not this VM's, and stays when it leaves.
bool concerns(std::string_view match, std::span<const InetAddress> addresses);

/// What an element means that leaves things out: an empty match is its name, and of timeout and lifetime the one that has an end
/// stands for both.
void completeElement(const std::string& name, std::string& match, std::uint32_t& timeout, std::uint32_t& lifetime);

/// The match concerns the VM, and the name is that of the match. `table`: "vmMigAcl", for the text.
Status checkElement(const std::string& table, const std::string& name, const std::string& match,
                    std::span<const InetAddress> addresses);

}  // namespace vmmig

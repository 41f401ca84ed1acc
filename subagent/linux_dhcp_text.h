// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP bindings as text: for nftables, for the file that keeps them, for people.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "subagent/linux_dhcp_learner.h"

namespace vmmig {

/// "02:00:00:00:00:05"
std::string macText(std::string_view octets);
std::optional<std::string> macFromText(std::string_view text);

/// "10.1.0.5 (02:00:00:00:00:05, VLAN 10) at port vnet3"
std::string describe(const DhcpBinding& binding);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The keys and values of nftables' sets and maps as text: what a row may say of them, checked word by word before any of it
// becomes part of a command. Every value has one form, that of `nft -nn`, so that what was written reads the same.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace vmmig {

/// {"ipv4_addr", "inet_service"}: the types of a key's or value's components.
using NftTypes = std::vector<std::string>;

/// "ipv4_addr . inet_service", or an error when a word is no type's name.
Result<NftTypes> parseNftTypes(std::string_view text);
std::string toString(const NftTypes& types);

/// A key or value from JSON with numbers: "10.1.0.5 . 443", "10.1.0.0/24", "0x00000005", "jump web".
std::string nftText(const nlohmann::json& value, const NftTypes& types);

/// As a command takes it: names in quotes. Error inconsistentValue when it is not a value of these types in its one form;
/// `ranges`: prefixes and ranges may stand there.
Result<std::string> nftCommandText(std::string_view text, const NftTypes& types, bool ranges);

}  // namespace vmmig

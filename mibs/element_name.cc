// SPDX-License-Identifier: GPL-2.0-or-later
#include "mibs/element_name.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "common/digest.h"
#include "common/hex.h"
#include "mibs/column.h"

namespace vmmig {

namespace {

constexpr char digestMark = '#';

using Addresses = std::span<const InetAddress>;

struct AddressRange {
  InetAddress first, last;  // of one type
};

std::optional<AddressRange> prefixRange(std::string_view address, std::string_view digits) {
  auto first = parseInetAddress(address);
  std::size_t length = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  bool isNumber = error == std::errc{} && end == digits.data() + digits.size();
  if (!first || !isNumber || length > first->size * 8u) return std::nullopt;
  auto last = *first;
  for (std::size_t bit = length; bit < first->size * 8u; ++bit) {
    auto mask = static_cast<std::uint8_t>(0x80 >> bit % 8);
    first->octets[bit / 8] = static_cast<std::uint8_t>(first->octets[bit / 8] & ~mask);
    last.octets[bit / 8] |= mask;
  }
  return AddressRange{*first, last};
}

/// Of an address, "first-last" or "address/length"; a port, a name... is none.
std::optional<AddressRange> rangeOf(std::string_view component) {
  if (auto slash = component.find('/'); slash != std::string_view::npos)
    return prefixRange(component.substr(0, slash), component.substr(slash + 1));
  auto dash = component.find('-');
  auto first = parseInetAddress(component.substr(0, dash));
  auto last = dash == std::string_view::npos ? first : parseInetAddress(component.substr(dash + 1));
  if (!first || !last || first->type != last->type) return std::nullopt;
  return AddressRange{*first, *last};
}

InetAddress following(InetAddress address) {
  for (std::size_t i = address.size; i-- > 0;)
    if (++address.octets[i] != 0) break;
  return address;
}

/// Ends at the first address that is none of them, hence after as many steps as there are addresses.
bool isWithin(const AddressRange& range, Addresses addresses) {
  if (range.last.octets < range.first.octets) return false;
  for (auto address = range.first;; address = following(address)) {
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) return false;
    if (address == range.last) return true;
  }
}

}  // namespace

std::string entryName(std::string_view match) {
  if (match.size() <= maxElementName) return std::string{match};
  Sha256 sha;
  sha.update(match);
  return digestMark + toHex(sha.finish()).substr(0, 40);
}

std::vector<std::string_view> matchComponents(std::string_view match) {
  constexpr std::string_view joint = " . ";
  std::vector<std::string_view> components;
  for (auto at = match.find(joint); at != std::string_view::npos; at = match.find(joint)) {
    components.push_back(match.substr(0, at));
    match.remove_prefix(at + joint.size());
  }
  components.push_back(match);
  return components;
}

bool concerns(std::string_view match, std::span<const InetAddress> addresses) {
  auto components = matchComponents(match);
  return std::any_of(components.begin(), components.end(), [&](std::string_view component) {
    auto range = rangeOf(component);
    return range && isWithin(*range, addresses);
  });
}

void completeElement(const std::string& name, std::string& match, std::uint32_t& timeout, std::uint32_t& lifetime) {
  if (match.empty() && !name.starts_with(digestMark)) match = name;
  if (timeout == forEver) timeout = lifetime;
  if (lifetime == forEver) lifetime = timeout;
}

Status checkElement(const std::string& table, const std::string& name, const std::string& match,
                    std::span<const InetAddress> addresses) {
  if (match.empty())
    return failure(SnmpStatus::inconsistentValue, table + "Match is needed: nothing can be read from the digest " + name);
  if (auto wanted = entryName(match); name != wanted)
    return failure(SnmpStatus::inconsistentName,
                   table + "Match \"" + match + "\" belongs to the name " + wanted + ", not to " + name);
  if (!concerns(match, addresses))
    return failure(SnmpStatus::inconsistentName,
                   table + "Match \"" + match + "\" has no address of the VM: add it to vmMigVmAddressTable first");
  return {};
}

}  // namespace vmmig

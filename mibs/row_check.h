// SPDX-License-Identifier: GPL-2.0-or-later
// What the checks of several tables share (TableInfo::check). A name here is that of a column without "Type", such as
// "vmMigFlowLocalAddress".
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "mibs/textual_conventions.h"

namespace vmmig::rowCheck {

using Addresses = std::span<const InetAddress>;

inline bool isOneOf(const InetAddress& address, Addresses addresses) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

/// Rows that move do not survive the device: what it learned is gone when it restarts.
inline Status isVolatile(std::string_view name, StorageType type) {
  if (type == StorageType::volatile_) return {};
  return failure(SnmpStatus::wrongValue, std::string{name} + " can only be volatile: the row does not survive the device");
}

/// Type and octets fit each other, and are those of an address.
inline Status isSet(std::string_view name, const InetAddress& address, SnmpStatus error) {
  if (address.isSet() && address.isConsistent()) return {};
  return failure(error,
                 std::string{name} + "Type must be ipv4 or ipv6, and " + std::string{name} + " have 4 or 16 octets as it says");
}

inline Status isOfVm(std::string_view name, const InetAddress& address, Addresses addresses) {
  if (auto status = isSet(name, address, SnmpStatus::inconsistentName); !status) return status;
  if (isOneOf(address, addresses)) return {};
  return failure(SnmpStatus::inconsistentName, std::string{name} + " " + toString(address) +
                                                   " is no address of the VM here: add it to vmMigVmAddressTable first");
}

/// An end of a translation: unset with all that belongs to it, or an address of this family.
inline Status isTranslation(std::string_view name, const InetAddress& address, std::uint16_t port, InetAddressType family) {
  if (!address.isSet()) {
    if (address.size == 0 && port == 0) return {};
    return failure(SnmpStatus::inconsistentValue, std::string{name} +
                                                      "Type is unknown, so the address must be empty and its port 0: "
                                                      "set all three to tell of a translation, or none");
  }
  if (address.type == family && address.isConsistent()) return {};
  return failure(SnmpStatus::inconsistentValue, std::string{name} + " must be of the family of the row's other addresses");
}

}  // namespace vmmig::rowCheck

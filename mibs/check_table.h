// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigCheckTable: what this device has looked at of itself, and what to do where it is not well: vmMigHealth in detail. Not a VM's.
#pragma once

#include "mibs/device_scalars.h"

namespace vmmig {

struct CheckRow {
  Text<32, 1> name;           // "conntrack", "aclList authenticated"...
  Health health = Health::up;
  Text<255> text;             // what was found
  Text<255> remedy;           // what to do; empty when up
};

inline constexpr std::array checkColumns{
    indexColumn<&CheckRow::name>(1, "vmMigCheckName"),
    column<&CheckRow::health>(2, "vmMigCheckHealth", Access::readOnly, Carry::local),
    column<&CheckRow::text>(3, "vmMigCheckText", Access::readOnly, Carry::local),
    column<&CheckRow::remedy>(4, "vmMigCheckRemedy", Access::readOnly, Carry::local),
};

template <>
struct TableOf<CheckRow> {
  static constexpr TableInfo info = describeTable<CheckRow>(15, "vmMigCheckTable", "vmMigCheckEntry", checkColumns, 1, false);
};

}  // namespace vmmig

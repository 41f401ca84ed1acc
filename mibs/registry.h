// SPDX-License-Identifier: GPL-2.0-or-later
// All tables of VM-MIGRATION-MIB, and where the module stands in the OID tree. A new table is one line in registry.cc.
#pragma once

#include <vector>

#include "mibs/row.h"

namespace vmmig::mib {

/// vmMigMIB, from configure's --with-mib-root.
const Oid& root();
/// vmMigNotifications (root.0) and vmMigObjects (root.1).
const Oid& notifications();
const Oid& objects();

/// The notifications under vmMigNotifications.
enum class Notification : std::uint32_t { phaseChanged = 1, transferFinished = 2, transferFailed = 3, capacityExceeded = 4 };
struct NotificationInfo {
  Notification number;
  std::string_view name;
  /// OBJECTS of the NOTIFICATION-TYPE, all of one table.
  const TableInfo* table;
  std::vector<std::string_view> objects;
};
std::span<const NotificationInfo> allNotifications();

/// In the order of their sub-identifiers.
std::span<const TableInfo* const> tables();
const TableInfo* table(std::uint32_t subid);
const TableInfo* table(std::string_view name);

/// Those of other modules (mibs/standard_tables.h): none of them moves, and tables() has none of them.
std::span<const TableInfo* const> standardTables();

/// The OID of a table, or of a group of scalars.
Oid oidOf(const TableInfo& table);
/// The OID of a column (scalars: of the object), without instance; with `index`, of one instance.
Oid oidOf(const TableInfo& table, const ColumnInfo& column, OidSpan index = {});

/// What an OID of any of them names: table, column (null: no such object) and what is left as instance.
struct Name {
  const TableInfo* table = nullptr;
  const ColumnInfo* column = nullptr;
  OidSpan instance;
};
Name resolve(OidSpan oid);

}  // namespace vmmig::mib

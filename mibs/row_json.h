// SPDX-License-Identifier: GPL-2.0-or-later
// Rows as JSON, keys the SMI descriptors: what `--json`, export and import read and write.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "mibs/row.h"

namespace vmmig {

/// All accessible columns and the index: enumerations by label, BITS as a list of labels, addresses and UUIDs in their
/// notation, octets in hex, times as numbers.
nlohmann::json toJson(const AnyRow& row);

/// The inverse. Columns that are missing keep their default; an unknown key or a bad value is an error that names it.
Result<AnyRow> rowFromJson(const TableInfo& table, const nlohmann::json& object);

/// One value for people: "established", "10.0.0.5", "seenReply,assured", "2a00..".
std::string displayValue(const ColumnInfo& column, const AnyRow& row);

}  // namespace vmmig

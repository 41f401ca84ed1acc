// SPDX-License-Identifier: GPL-2.0-or-later
// An agent that implements VM-MIGRATION-MIB, seen as rows: reads and writes any table by its description.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "manager/snmp_session.h"
#include "mibs/device_scalars.h"
#include "mibs/registry.h"

namespace vmmig {

class Device {
 public:
  /// `name` is the inventory's, or the peer's when there is none: errors and reports say it.
  Device(std::string name, std::unique_ptr<SnmpSession> session) : name_(std::move(name)), session_(std::move(session)) {}

  const std::string& name() const { return name_; }
  SnmpSession& session() { return *session_; }

  /// All rows of a table, or one VM's (GETBULK, several requests under way, 100 to 300 varbinds each).
  Task<Result<std::vector<AnyRow>>> readAll(const TableInfo& table, std::optional<Uuid> vm);
  /// One row by exact GET (also the scalars' single row), or none. `columns` empty: all accessible.
  Task<Result<std::optional<AnyRow>>> read(AnyRow key, std::vector<std::string_view> columns = {});
  /// SETs the named columns of one row in one PDU.
  Task<Status> write(AnyRow row, std::vector<std::string_view> columns);
  /// Creates rows (createAndGo with every column that differs from its default, and the required ones), several a PDU, all or
  /// nothing a PDU; a row that exists is replaced.
  Task<Status> create(std::vector<AnyRow> rows);
  Task<Status> destroy(std::vector<AnyRow> rows);

 private:
  std::string name_;
  std::unique_ptr<SnmpSession> session_;
};

/// "inconsistentValue for vmMigTransferAdminStatus of VM 6ba7...", with `device`'s name, for a person.
std::string describeError(const std::string& device, const Response& response);

}  // namespace vmmig

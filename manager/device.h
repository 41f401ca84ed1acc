// SPDX-License-Identifier: GPL-2.0-or-later
// An agent that implements VM-MIGRATION-MIB, seen as rows: reads and writes any table by its description.
#pragma once

#include <functional>
#include <map>
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
  /// Called during readAll() and create() with the number of rows so far, for a person who waits.
  void onProgress(std::function<void(std::size_t)> progress) { progress_ = std::move(progress); }

  /// While it is true, what is asked of this VM goes ahead of what is asked of others. It lasts as long as somebody has it.
  void hasten(const Uuid& vm, const Haste& haste);

  /// All rows of a table, or one VM's, in the order of their index (see table_walk.h).
  Task<Result<std::vector<AnyRow>>> readAll(const TableInfo& table, std::optional<Uuid> vm);
  /// One row by exact GET (also the scalars' single row), or none. `columns` empty: all accessible.
  Task<Result<std::optional<AnyRow>>> read(AnyRow key, std::vector<std::string_view> columns = {});
  /// SETs the named columns of one row in one PDU.
  Task<Status> write(AnyRow row, std::vector<std::string_view> columns);
  /// Creates rows (createAndGo with every column that differs from its default, and the required ones), several a PDU, all or
  /// nothing a PDU; a row that exists is replaced: every column that can be written gets this row's value. PDUs may pass each
  /// other: rows that need others (addresses their VM) come in a later call. After an error some PDUs may have been carried out.
  Task<Status> create(std::vector<AnyRow> rows);
  /// create() of a VM's rows of several tables, one table after the other, each behind what it needs.
  Task<Status> createInOrder(std::vector<AnyRow> rows);
  /// A row that is not there is no error. Several rows a PDU, as create().
  Task<Status> destroy(std::vector<AnyRow> rows);
  /// The reverse of createInOrder().
  Task<Status> destroyInOrder(std::vector<AnyRow> rows);

 private:
  struct Batch;
  Task<Status> setAll(std::vector<Batch> batches, std::size_t atOnce);
  Task<Status> setOne(const Batch& batch);
  Task<Status> replaceExisting(const Batch& batch, Error refused);
  Task<Result<std::vector<bool>>> whichExist(const std::vector<AnyRow>& rows);
  Task<Result<Response>> exactGet(std::vector<Oid> names, Haste haste);
  Haste hasteOf(const Uuid& vm) const;
  tl::unexpected<Error> named(const Error& error) const;

  std::string name_;
  std::unique_ptr<SnmpSession> session_;
  std::function<void(std::size_t)> progress_;
  std::map<Uuid, std::weak_ptr<const bool>> hastes_;
};

/// Rows in the order in which they can be made: what policies and connections use comes first, an expectation after the
/// connection that announced it, the pieces of a policy as they are numbered.
void sortForCreation(std::vector<AnyRow>& rows);

/// "inconsistentValue for vmMigTransferAdminStatus of VM 6ba7...", with `device`'s name, for a person.
std::string describeError(const std::string& device, const Response& response);

}  // namespace vmmig

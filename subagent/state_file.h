// SPDX-License-Identifier: GPL-2.0-or-later
// What vmmigd must know again after kill -9: rows of the tables that live in its memory (VMs, addresses, transfers), and what a
// commit takes away of a device's own, as JSON in one small file that is replaced as a whole.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "mibs/row.h"
#include "subagent/vm_registry.h"

namespace vmmig {

/// Rows of a VM that a commit takes away, to be brought back should it be undone.
struct FormerRows {
  MicrosecondsUtc readTime;
  std::vector<AnyRow> rows;
};

class StateFile {
 public:
  /// Reads what is there. A file that is damaged, or the rows of it that are, is kept aside as PATH.damaged and told in the log:
  /// an agent that starts without its memory is better than one that does not start. An empty path keeps nothing.
  explicit StateFile(std::string path);

  /// The rows of a table that are kept now: after the construction those of the file.
  std::vector<AnyRow> rows(const TableInfo& table) const;

  /// What the next save() writes.
  void put(const AnyRow& row);
  void remove(const AnyRow& key);
  /// The VMs and addresses exactly as the registry has them.
  void putVms(const VmRegistry& registry);

  /// The former rows of a VM; null: none are kept, hence nothing of them has been taken away.
  const FormerRows* former(const Uuid& vm) const;
  void putFormer(const Uuid& vm, FormerRows former);
  void removeFormer(const Uuid& vm);

  /// The name of a file that stands beside this one; empty: nothing is kept.
  std::string beside(const std::string& suffix) const { return path_.empty() ? path_ : path_ + suffix; }

  /// Survives kill -9 when it answers without an error (replaceFile()). The caller saves before the step that the rows describe.
  Status save();

 private:
  void load();
  bool parse(const std::string& text);
  bool parseTables(const nlohmann::json& tables);
  bool parseFormer(const nlohmann::json& list);
  void keepAside(const std::string& why);

  std::string path_;
  std::map<const TableInfo*, std::map<Oid, AnyRow>> tables_;
  std::map<Uuid, FormerRows> former_;
};

}  // namespace vmmig

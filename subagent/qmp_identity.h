// SPDX-License-Identifier: GPL-2.0-or-later
// Which VM a QEMU runs: UUID, name and MAC addresses, by questions to its monitor and their answers.
#pragma once

#include <set>
#include <vector>

#include "common/uuid.h"
#include "subagent/qmp_message.h"

namespace vmmig {

class QmpIdentity {
 public:
  using Commands = std::vector<QmpCommand>;

  /// What to ask at first; and what to ask when cards may have come or gone.
  Commands begin();
  Commands refresh();
  /// Takes an answer, when it is one of its own; answers what to ask next.
  Commands take(const QmpCommand& command, const QmpAnswer& answer);
  /// Is all known? Until the next refresh(); meanwhile what was known before stays.
  bool isComplete() const { return open_ == 0; }

  /// Nil when it has none (QEMU without -uuid).
  const Uuid& uuid() const { return uuid_; }
  const std::string& name() const { return name_; }
  /// Their octets one behind another, as vmMigPhaseMacAddresses has them.
  std::string macAddresses() const;
  /// "VM web-1 (6ba7b810-...)".
  std::string label() const;

 private:
  Commands asked(Commands commands);
  Commands cards(const std::string& path, const nlohmann::json& devices);
  void addMac(const std::string& text);
  void takeFilters(const nlohmann::json& filters);

  Uuid uuid_;
  std::string name_;
  std::set<std::string> macs_, found_;  // 6 octets each; found_ since the last refresh
  std::size_t open_ = 0;                // questions without an answer
  bool askedFilters_ = false;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A VM's static ACL in nftables: a chain of its own and the entries of verdict maps that lead from its addresses there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "subagent/linux_nft.h"
#include "subagent/resources.h"

namespace vmmig {

class LinuxPolicyChain {
 public:
  LinuxPolicyChain(Nft& nft, const PolicySource& source) : nft_(nft), source_(source) {}

  /// The rules, a line each, as nft lists them; nothing without the chain. Error: a rule that a line cannot say.
  Result<std::optional<std::string>> read(const Vm& vm) const;

  /// Could this be the text of a chain? Each line is one rule and nothing more: no line can leave the chain, nor nft's language
  /// for rules.
  static Status checkText(std::string_view text);

  /// Errors: no map here for an address of the VM.
  Status stageAdd(NftTransaction& transaction, const Vm& vm, std::string_view text, std::size_t row, const std::string& subject);
  Status stageRemove(NftTransaction& transaction, const Vm& vm, const std::string& subject) const;

  /// Each map with what is wrong with it, or with an empty text.
  std::vector<std::pair<std::string, std::string>> checkMaps();
  /// Whether the table is there.
  bool hasTable() const;

 private:
  std::string inTable(const std::string& name) const;
  Result<std::string> keyTypeOf(const std::string& map);
  Result<std::string> mapFor(const InetAddress& address, const Vm& vm);

  Nft& nft_;
  const PolicySource& source_;
  std::map<std::string, std::string> keyTypes_;  // by map, of those that are verdict maps
};

}  // namespace vmmig

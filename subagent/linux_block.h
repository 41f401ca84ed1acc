// SPDX-License-Identifier: GPL-2.0-or-later
// Stops a VM's traffic ahead of connection tracking, by an nftables table that belongs to this process (`flags owner`): the
// kernel removes it when the process ends, however it ends, so no VM stays blocked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "subagent/tcp_conn_tuples.h"

struct nft_ctx;

namespace vmmig {

/// CAP_NET_ADMIN in this process's user namespace.
bool hasNetAdmin();

class LinuxBlock {
 public:
  using Translated = std::function<Result<std::vector<Tuple>>(const Vm&)>;
  /// `translated` tells how packets from outside reach the VM behind a translation.
  explicit LinuxBlock(Translated translated) : translated_(std::move(translated)) {}

  /// Makes the table when it does not stand yet.
  Status ensure();
  bool stands() const { return context_ != nullptr; }

  Status block(const Vm& vm);
  void unblock(const Uuid& vm);
  bool isBlocked(const Uuid& vm) const { return blocked_.contains(vm); }

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };
  /// Set and element, as nft text.
  using Element = std::pair<std::string, std::string>;

  Status run(const std::string& commands);
  Status change(const char* verb, const std::vector<Element>& elements);
  Status addTranslated(const Vm& vm);
  bool isNeeded(const Element& element) const;
  /// When an element cannot be taken out: lets the table die and makes another for the VMs that stay blocked.
  void rebuild();

  Translated translated_;
  std::unique_ptr<nft_ctx, Free> context_;  // owns the table
  std::map<Uuid, std::vector<Element>> blocked_;
};

}  // namespace vmmig

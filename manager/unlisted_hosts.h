// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts without a section in the inventory that notified of a migration. Each goes by the name that it gave itself, and is asked
// nowhere but at the address that its notification came from: whoever has the key of the INFORMs' user must not be able to turn
// the manager against others. It does no I/O.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "manager/inventory.h"
#include "mibs/phase_table.h"

namespace vmmig {

class UnlistedHosts {
 public:
  /// More than a network has whose inventory names none, and few enough to be asked.
  static constexpr std::size_t most = 256;

  bool contains(const std::string& name) const { return hosts_.contains(name); }
  std::set<std::string> names() const;
  /// Who notifies from there: one of these, or the host of the inventory that sameAs() told; empty: nobody that is known.
  std::string nameAt(const std::string& address) const;
  std::string addressOf(const std::string& name) const;

  /// An error, in a sentence, says why it cannot be followed.
  Status add(const std::string& name, const std::string& address);
  void forget(const std::string& name);
  /// It is a host of the inventory, at another address of it.
  void sameAs(const std::string& name, const std::string& listed);
  /// Whether it has been silent for so long that it should be forgotten.
  bool isGivenUp(const std::string& name, bool hasAnswered, Clock::time_point now);
  /// Why nothing may begin with this host; empty: nothing is against it.
  std::string objectionTo(const std::string& name) const;

 private:
  struct Host {
    std::string address;
    std::string rival = {};  // another address that notifies by this name
    std::optional<Clock::time_point> silentSince = {};
  };
  std::map<std::string, Host> hosts_;
  std::map<std::string, std::string> listed_;  // by address: hosts of the inventory
};

/// What the teller of a phase calls itself: the end that the phase is of.
std::string ownNameIn(const PhaseRow& row);

/// SNMPv3 with authPriv, whatever snmp.conf says: a community would tell a stranger how to get at the others.
SessionOptions unlistedAgent(const std::string& address, Inventory::Unlisted transport);

}  // namespace vmmig

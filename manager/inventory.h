// SPDX-License-Identifier: GPL-2.0-or-later
// vmmig.conf: which devices stand in front of which host, how their agents are reached, and what is known of VMs.
#pragma once

#include <istream>
#include <map>
#include <string>
#include <vector>

#include "manager/journal.h"
#include "manager/migration.h"
#include "manager/snmp_session.h"
#include "mibs/vm_address_table.h"

namespace vmmig {

struct Inventory {
  static constexpr const char* defaultFile = "/etc/vmmig/vmmig.conf";

  struct Host {
    SessionOptions agent;
    std::vector<std::string> devices;  // in front of it; the order pairs them with those of another host
    bool namesDevices = false;         // else they are found where the host is (locate.h)
  };
  struct Vm {
    Uuid uuid;
    std::vector<VmAddressRow> addresses;
    std::optional<TransferPolicy> policy;
  };
  /// How the agent of a host without a section is reached, at the address that it notifies from.
  enum class Unlisted { none, udp, tcp };

  std::map<std::string, Host> hosts;
  std::map<std::string, SessionOptions> devices;
  std::map<std::string, std::vector<std::string>> behind;  // of a device: the switches behind which it stands
  std::map<std::string, Vm> vms;

  std::string listen = "udp:162";
  std::string listenUsers = "/etc/vmmig/users.conf";
  std::string journal = "/var/lib/vmmig/journal.db";
  TransferPolicy policy = TransferPolicy::require;
  migration::Limits limits;
  std::uint32_t transferDeadlineSeconds = 30;
  Clock::duration poll = std::chrono::seconds{2};
  Unlisted unlistedHosts = Unlisted::udp;

  /// `file` is for error texts, each of which names it and the key.
  static Result<Inventory> parse(std::istream& in, const std::string& file);
  static Result<Inventory> read(const std::string& file);

  /// The VM's name here, or null.
  const std::pair<const std::string, Vm>* findVm(const Uuid& uuid) const;
  TransferPolicy policyOf(const Uuid& vm) const;
  std::vector<VmAddressRow> addressesOf(const Uuid& vm) const;

  /// The pairs of devices that a migration between two hosts concerns, in order; a device that stands in front of both is in
  /// none. An unknown host or device and a pairing that is not clear are errors.
  Result<std::vector<migration::LegPlan>> legsBetween(const std::string& sourceHost, const std::string& destinationHost) const;
};

}  // namespace vmmig

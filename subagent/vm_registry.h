// SPDX-License-Identifier: GPL-2.0-or-later
// The VMs that this device knows and their addresses: who owns a piece of network state.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "mibs/vm_address_table.h"
#include "mibs/vm_table.h"

namespace vmmig {

/// What a transfer does with a VM on this device, for back ends that cannot tell it by what they see.
enum class VmPresence {
  here,      // no transfer asks
  leaving,   // its source, which has to find all that is the VM's
  left,      // its source, which deletes that
  arriving,  // its destination: nothing here is the VM's but what is made for it
};

/// A VM as a back end needs it.
struct Vm {
  Uuid uuid;
  std::string name;
  std::vector<InetAddress> addresses;
  std::string port = {};                        // where it is attached, empty when unknown (vmMigVmPort)
  std::vector<std::string> macAddresses = {};   // 6 octets each, those that are known, without repetition
  VmPresence presence = VmPresence::here;

  bool owns(const InetAddress& address) const;
  /// For logs: `web1 (6ba7b810-...)`.
  std::string label() const;
};

/// Owns the rows of vmMigVmTable and vmMigVmAddressTable (without what others compute: blocked, tcpConns).
class VmRegistry {
 public:
  /// Null when the VM is not known.
  const VmRow* find(const Uuid& vm) const;
  Vm get(const Uuid& vm) const;
  std::vector<Vm> all() const;

  const std::map<Uuid, VmRow>& vms() const { return vms_; }
  const std::map<Oid, VmAddressRow>& addresses() const { return addresses_; }  // by index OID

  void put(VmRow row);
  void put(VmAddressRow row);
  /// With the VM go its addresses.
  void remove(const Uuid& vm);
  void remove(const VmAddressRow& row);

  /// What a device holds of a VM has changed as a whole (or stands still from now on): whoever keeps a copy of it sees another
  /// generation and reads anew.
  void rowsChanged(const Uuid& vm) { ++generations_[vm]; }
  std::uint64_t generation(const Uuid& vm) const;

  /// The VM that has this address, or null; one address belongs to one VM on a device.
  const Uuid* ownerOf(const InetAddress& address) const;

 private:
  std::map<Uuid, VmRow> vms_;
  std::map<Oid, VmAddressRow> addresses_;
  std::map<InetAddress, Uuid> owners_;
  std::map<Uuid, std::uint64_t> generations_;
};

}  // namespace vmmig

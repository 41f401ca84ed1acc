// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/vm_store.h"

#include <algorithm>

#include "subagent/resources.h"

namespace vmmig {

namespace {

Oid indexOf(const Uuid& vm) {
  Oid index;
  Codec<Uuid>::appendIndex(index, vm);
  return index;
}

tl::unexpected<Error> busy(const Vm& vm, std::string_view what) {
  return failure(SnmpStatus::inconsistentValue, std::string{what} + " of VM " + vm.label() +
                                                    " cannot change while its transfer is under way; abort the transfer first");
}

}  // namespace

VmRow VmStore::complete(VmRow row) const {
  row.blocked = context_.isBlocked(row.uuid);
  return row;
}

// Counting reads the device's whole table: only for those who ask for it, and for no SET.
smi::Value VmStore::value(const AnyRow& row, const ColumnInfo& column) {
  if (column.name != "vmMigVmTcpConns") return row.get(column);
  auto counted = row;
  counted.as<VmRow>().tcpConns = context_.tcpConns(registry_.get(row.as<VmRow>().uuid));
  return counted.get(column);
}

Result<std::optional<AnyRow>> VmStore::find(const AnyRow& key) {
  const auto* row = registry_.find(key.as<VmRow>().uuid);
  if (!row) return std::nullopt;
  return complete(*row);
}

Result<std::optional<AnyRow>> VmStore::next(OidSpan after) {
  // Uuid's own order is that of its OID.
  for (const auto& [uuid, row] : registry_.vms())
    if (compare(indexOf(uuid), after) > 0) return complete(row);
  return std::nullopt;
}

Status VmStore::checkName(const VmRow& row) const {
  if (!context_.areNamesKeys || row.name.value.empty()) return {};
  for (const auto& [uuid, other] : registry_.vms())
    if (uuid != row.uuid && nftIdentifier(other.name.value) == nftIdentifier(row.name.value))
      return failure(SnmpStatus::inconsistentValue, "vmMigVmName '" + row.name.value + "' is that of VM " +
                                                        registry_.get(uuid).label() +
                                                        ", and chains and sets of this device are called by it: give one of them "
                                                        "another name");
  return {};
}

Status VmStore::check(const Change& change) {
  if (change.kind != Change::Kind::remove)
    if (auto named = checkName(change.after.as<VmRow>()); !named) return named;
  auto vm = registry_.get(change.after.as<VmRow>().uuid);
  if (change.kind == Change::Kind::create) {
    if (vm.uuid.isNil()) return failure(SnmpStatus::noCreation, "the nil UUID names no VM");
    if (registry_.vms().size() >= maxVms)
      return failure(SnmpStatus::resourceUnavailable, "no more than " + std::to_string(maxVms) + " VMs; remove some");
    return {};
  }
  if (!context_.isBusy(vm.uuid)) return {};
  if (change.kind == Change::Kind::remove) return busy(vm, "the row");
  const auto& before = change.before->as<VmRow>();
  const auto& after = change.after.as<VmRow>();
  if (!after.tracked && before.tracked) return busy(vm, "vmMigVmTracked");
  // Both say which of the device's objects are the VM's.
  if (after.port != before.port) return busy(vm, "vmMigVmPort");
  if (after.name != before.name) return busy(vm, "vmMigVmName");
  return {};
}

Status VmStore::apply(const Change& change) {
  const auto& row = change.after.as<VmRow>();
  if (change.kind == Change::Kind::remove) {
    remove(row.uuid);
    return {};
  }
  // Two rows of one PDU.
  if (auto named = checkName(row); !named) return named;
  registry_.put(row);
  registry_.rowsChanged(row.uuid);
  // The undo of a removal brings the addresses back; a new row under this index has none to bring.
  if (auto removed = removedAddresses_.extract(row.uuid))
    for (auto& address : removed.mapped()) registry_.put(std::move(address));
  return {};
}

void VmStore::remove(const Uuid& vm) {
  auto& kept = removedAddresses_[vm];
  kept.clear();
  for (const auto& [index, row] : registry_.addresses())
    if (row.uuid == vm) kept.push_back(row);
  registry_.remove(vm);
}

void VmStore::settle(const Change& change) {
  removedAddresses_.erase(change.after.as<VmRow>().uuid);
  context_.changed();
}

Result<std::optional<AnyRow>> VmAddressStore::find(const AnyRow& key) {
  auto found = registry_.addresses().find(key.index());
  if (found == registry_.addresses().end()) return std::nullopt;
  return found->second;
}

Result<std::optional<AnyRow>> VmAddressStore::next(OidSpan after) {
  auto found = registry_.addresses().upper_bound(Oid(after.begin(), after.end()));
  if (found == registry_.addresses().end()) return std::nullopt;
  return found->second;
}

Status checkAddressRow(const VmAddressRow& row) {
  const auto& octets = row.address.octets;
  bool zero = std::all_of(octets.begin(), octets.end(), [](auto octet) { return octet == 0; });
  if (!row.address.isSet() || !row.address.isConsistent() || zero)
    return failure(SnmpStatus::noCreation,
                   "the index is no address: vmMigVmAddressType and vmMigVmAddress must be ipv4 with 4 "
                   "octets or ipv6 with 16, not all of them zero");
  // SIZE (0 | 6), a gap that a range cannot tell.
  if (auto size = row.macAddress.value.size(); size != 0 && size != 6)
    return failure(SnmpStatus::wrongLength, "vmMigVmAddressMac has " + std::to_string(size) + " octets; a MAC has 6, none none");
  return {};
}

Status VmAddressStore::checkOwner(const VmAddressRow& row) const {
  const auto* owner = registry_.ownerOf(row.address);
  if (!owner || *owner == row.uuid) return {};
  return failure(SnmpStatus::inconsistentValue, "address " + toString(row.address) + " belongs to VM " +
                                                    registry_.get(*owner).label() + "; remove it there first");
}

Status VmAddressStore::check(const Change& change) {
  const auto& row = change.after.as<VmAddressRow>();
  if (change.kind != Change::Kind::remove)
    if (auto valid = checkAddressRow(row); !valid) return valid;
  auto vm = registry_.get(row.uuid);
  if (!registry_.find(row.uuid))
    return failure(SnmpStatus::inconsistentName,
                   "VM " + toString(row.uuid) + " is not known here; create its row in vmMigVmTable first");
  if (change.kind == Change::Kind::replace) return {};
  if (context_.isBusy(row.uuid)) return busy(vm, "address " + toString(row.address));
  if (change.kind == Change::Kind::remove) return {};
  if (vm.addresses.size() >= maxAddressesPerVm)
    return failure(SnmpStatus::resourceUnavailable,
                   "VM " + vm.label() + " has " + std::to_string(maxAddressesPerVm) + " addresses already");
  return checkOwner(row);
}

Status VmAddressStore::apply(const Change& change) {
  const auto& row = change.after.as<VmAddressRow>();
  if (change.kind == Change::Kind::remove) {
    registry_.remove(row);
    return {};
  }
  // Two rows of one PDU may want the same address, or one of them removes the VM.
  if (!registry_.find(row.uuid)) return failure(SnmpStatus::commitFailed, "VM " + toString(row.uuid) + " has gone");
  if (auto owned = checkOwner(row); !owned) return owned;
  registry_.put(row);
  return {};
}

}  // namespace vmmig

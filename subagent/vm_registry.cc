// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/vm_registry.h"

#include <algorithm>

namespace vmmig {

bool Vm::owns(const InetAddress& address) const {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

std::string Vm::label() const { return name.empty() ? toString(uuid) : name + " (" + toString(uuid) + ")"; }

const VmRow* VmRegistry::find(const Uuid& vm) const {
  auto found = vms_.find(vm);
  return found == vms_.end() ? nullptr : &found->second;
}

Vm VmRegistry::get(const Uuid& uuid) const {
  Vm vm{.uuid = uuid, .name = {}, .addresses = {}};
  if (const auto* row = find(uuid)) {
    vm.name = row->name.value;
    vm.port = row->port.value;
  }
  Oid prefix;
  Codec<Uuid>::appendIndex(prefix, uuid);
  for (auto at = addresses_.lower_bound(prefix); at != addresses_.end() && startsWith(at->first, prefix); ++at) {
    vm.addresses.push_back(at->second.address);
    const auto& mac = at->second.macAddress.value;
    if (!mac.empty() && std::find(vm.macAddresses.begin(), vm.macAddresses.end(), mac) == vm.macAddresses.end())
      vm.macAddresses.push_back(mac);
  }
  return vm;
}

std::vector<Vm> VmRegistry::all() const {
  std::vector<Vm> result;
  for (const auto& [uuid, row] : vms_) result.push_back(get(uuid));
  return result;
}

void VmRegistry::put(VmRow row) {
  auto uuid = row.uuid;
  vms_.insert_or_assign(uuid, std::move(row));
}

void VmRegistry::put(VmAddressRow row) {
  rowsChanged(row.uuid);
  owners_[row.address] = row.uuid;
  Oid index = AnyRow{row}.index();
  addresses_.insert_or_assign(std::move(index), std::move(row));
}

void VmRegistry::remove(const Uuid& vm) {
  rowsChanged(vm);
  vms_.erase(vm);
  std::erase_if(addresses_, [&](const auto& entry) { return entry.second.uuid == vm; });
  std::erase_if(owners_, [&](const auto& entry) { return entry.second == vm; });
}

void VmRegistry::remove(const VmAddressRow& row) {
  rowsChanged(row.uuid);
  addresses_.erase(AnyRow{row}.index());
  owners_.erase(row.address);
}

std::uint64_t VmRegistry::generation(const Uuid& vm) const {
  auto found = generations_.find(vm);
  return found == generations_.end() ? 0 : found->second;
}

const Uuid* VmRegistry::ownerOf(const InetAddress& address) const {
  auto found = owners_.find(address);
  return found == owners_.end() ? nullptr : &found->second;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_acl_table.h"

#include <algorithm>

#include "mibs/element_name.h"
#include "mibs/labels.h"

namespace vmmig {

namespace {

NftElement elementOf(const AclRow& row) {
  return {row.match.value, row.data.value, row.timeout, row.lifetime, row.identity.value, row.packets, row.octets};
}

AclRow rowOf(const Vm& vm, const AclList& list, const NftElement& element) {
  AclRow row;
  row.uuid = vm.uuid;
  row.list.value = list.name;
  row.entry.value = entryName(element.match);
  row.match.value = element.match;
  row.action = list.action;
  row.data.value = element.data;
  row.timeout = element.timeout;
  row.lifetime = element.lifetime;
  row.identity.value = element.comment;
  row.packets = element.packets;
  row.octets = element.octets;
  return row;
}

/// What fits the columns; an element of more is no dynamic ACL entry, and stays where it is.
bool fits(const AclRow& row) { return Codec<Text<255>>::holds(row.match.value) && Codec<Text<64>>::holds(row.data.value); }

std::string subjectOf(const AclRow& row) { return "ACL list " + row.list.value + ", entry " + row.entry.value; }

}  // namespace

const AclList* LinuxAclTable::listOf(const AclRow& row) const {
  auto found = std::find_if(lists_.begin(), lists_.end(), [&](const AclList& list) { return list.name == row.list.value; });
  return found == lists_.end() ? nullptr : &*found;
}

Result<NftSet> LinuxAclTable::setOf(const Vm& vm, const AclRow& row) {
  const auto* list = listOf(row);
  if (!list)
    return failure(SnmpStatus::inconsistentName,
                   subjectOf(row) + ": this device has no list of that name; name it with acl = in vmmigd.conf");
  if (list->set.isPerVm() && vm.name.empty())
    return failure(SnmpStatus::inconsistentValue,
                   subjectOf(row) + ": VM " + vm.label() + " has no name, of which that of the set is made: set vmMigVmName");
  auto set = sets_.describe(list->set.text(vm.name));
  if (set || set.error().status != SnmpStatus::noSuchName) return set;
  return failure(SnmpStatus::inconsistentValue, subjectOf(row) + ": the set " + list->set.text(vm.name) + " does not exist here");
}

Result<std::string> LinuxAclTable::createCommand(const Vm& vm, const AclRow& given) {
  auto row = completed(given);
  if (auto status = checkAcl(&row, vm.addresses); !status) return failure(status.error());
  auto set = setOf(vm, row);
  if (!set) return failure(set.error());
  auto action = listOf(row)->action;
  if (row.action != action)
    return failure(SnmpStatus::inconsistentValue, subjectOf(row) + ": vmMigAclAction of this list is " + labelOf(action) +
                                                      " on this device, and not " + labelOf(row.action));
  auto command = createElement(*set, elementOf(row));
  if (!command) return failure(command.error().status, subjectOf(row) + ": " + command.error().text);
  return command;
}

Result<std::vector<AnyRow>> LinuxAclTable::rowsOf(const Vm& vm, const AclList& list) {
  std::vector<AnyRow> rows;
  if (list.set.isPerVm() && vm.name.empty()) return rows;
  auto listing = listSet(nft(), list.set.text(vm.name));
  // A list that is not there has no entries; checks() tells of it.
  if (!listing && listing.error().status == SnmpStatus::noSuchName) return rows;
  if (!listing) return failure(listing.error());
  for (const auto& element : listing->elements) {
    if (!concerns(element.match, vm.addresses)) continue;
    auto row = rowOf(vm, list, element);
    if (fits(row)) rows.emplace_back(std::move(row));
  }
  return rows;
}

std::unique_ptr<RowCursor> LinuxAclTable::read(const Vm& vm) {
  addresses_[vm.uuid] = vm.addresses;
  return readAtOnce([this, vm]() -> Result<std::vector<AnyRow>> {
    std::vector<AnyRow> all;
    for (const auto& list : lists_) {
      auto rows = rowsOf(vm, list);
      if (!rows) return rows;
      std::move(rows->begin(), rows->end(), std::back_inserter(all));
    }
    return all;
  });
}

Result<std::optional<AnyRow>> LinuxAclTable::find(const Vm& vm, const AnyRow& key) {
  const auto* list = listOf(key.as<AclRow>());
  if (!list) return std::optional<AnyRow>{};
  auto rows = rowsOf(vm, *list);
  if (!rows) return failure(rows.error());
  for (auto& row : *rows)
    if (row.as<AclRow>().entry == key.as<AclRow>().entry) return std::optional{std::move(row)};
  return std::optional<AnyRow>{};
}

Status LinuxAclTable::check(const Vm& vm, const AnyRow& row) {
  auto command = createCommand(vm, row.as<AclRow>());
  return command ? Status{} : failure(command.error());
}

InetAddress LinuxAclTable::peerOf(const AnyRow& any) const {
  const auto& row = any.as<AclRow>();
  auto own = addresses_.find(row.uuid);
  if (own == addresses_.end()) return {};
  for (auto component : matchComponents(row.match.value)) {
    auto address = parseInetAddress(component);
    if (address && std::find(own->second.begin(), own->second.end(), *address) == own->second.end()) return *address;
  }
  return {};
}

std::optional<Refusal> LinuxAclTable::stage(NftTransaction& transaction, const Vm& vm, const ExchangePart& part) {
  using Step = NftTransaction::Step;
  NftSets::Anew anew{sets_};
  for (const auto* any : part.remove) {
    const auto& row = any->as<AclRow>();
    auto set = setOf(vm, row);
    if (!set && set.error().status == SnmpStatus::genErr)
      return Refusal{{SnmpStatus::genErr, subjectOf(row) + ": " + set.error().text}, std::nullopt};
    if (!set) continue;  // with the set its elements are gone
    auto command = deleteElement(*set, row.match.value);
    if (!command) return Refusal{{command.error().status, subjectOf(row) + ": " + command.error().text}, std::nullopt};
    transaction.add(Step::dropElements, *command, {}, subjectOf(row));
  }
  for (const auto& created : part.create) {
    const auto& row = created.row->as<AclRow>();
    auto command = createCommand(vm, row);
    if (!command) return Refusal{command.error(), created.number};
    transaction.add(Step::addElements, *command, created.number, subjectOf(row));
  }
  return std::nullopt;
}

CheckRow LinuxAclTable::checkList(const AclList& list) {
  auto name = "acl " + list.name;
  auto path = list.set.text("");
  if (list.set.isPerVm())
    return finding(name, Health::up,
                   "each VM has a set of its own: " + list.set.family + " " + list.set.table + " " + list.set.name);
  auto set = describeSet(nft(), path);
  if (!set && set.error().status == SnmpStatus::noSuchName)
    return finding(name, Health::degraded, "the set or map " + path + " does not exist",
                   "nft add set " + path + " '{ type ipv4_addr; flags timeout; counter; }', or mend acl = in vmmigd.conf");
  if (!set) return finding(name, Health::degraded, set.error().text, "see whether nft list set " + path + " works");
  if (!set->hasAddresses())
    return finding(
        name, Health::degraded,
        "the set " + path + " has no addresses in its key (" + toString(set->keys) + "), so that nothing in it concerns a VM",
        "name a set of ipv4_addr or ipv6_addr with acl = in vmmigd.conf");
  if (list.action == AclAction::other && !set->isMap())
    return finding(name, Health::degraded, path + " is a set, which gives nothing for a match, and its acl = line says other",
                   "write permit or deny in that line, or name a map");
  return finding(name, Health::up, path + " holds " + toString(set->keys));
}

std::vector<CheckRow> LinuxAclTable::checks() {
  std::vector<CheckRow> rows;
  for (const auto& list : lists_) rows.push_back(checkList(list));
  return rows;
}

}  // namespace vmmig

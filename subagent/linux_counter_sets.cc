// SPDX-License-Identifier: GPL-2.0-or-later
// Sets whose elements are what is counted: a VM's half-open connections, of which `size` is the threshold; and sets that the
// operator shares among VMs, whose elements count.
#include "mibs/element_name.h"
#include "mibs/labels.h"
#include "subagent/linux_counter_kinds.h"
#include "subagent/linux_nft_elements.h"

namespace vmmig {

namespace {

using Step = NftTransaction::Step;

constexpr const char* tupleTypes = "ipv4_addr . inet_service . ipv4_addr . inet_service";

NftElement elementOf(const CounterRow& row) {
  return {row.match.value, {}, row.timeout, row.lifetime, {}, row.packets, row.octets};
}

/// What the types of such a match must be, where no set says it.
NftTypes guessedTypes(std::string_view match) {
  NftTypes types;
  for (auto component : matchComponents(match)) {
    auto address = parseInetAddress(component);
    if (!address) types.push_back("inet_service");
    if (address) types.push_back(address->type == InetAddressType::ipv4 ? "ipv4_addr" : "ipv6_addr");
  }
  return types;
}

class SetCounter : public LinuxCounter {
 public:
  using LinuxCounter::LinuxCounter;
  Result<std::vector<CounterRow>> rows(const Vm& vm) override;

 protected:
  virtual std::optional<CounterRow> head(const Vm&, const NftSetListing&) const { return std::nullopt; }
  /// Nothing when it does not exist.
  Result<std::optional<NftSet>> present(const Vm& vm);
  std::optional<Refusal> stageMembers(NftTransaction& transaction, const CounterPart& part, const NftSet& set);

  NftSets sets_{nft()};
};

Result<std::vector<CounterRow>> SetCounter::rows(const Vm& vm) {
  std::vector<CounterRow> rows;
  if (source().object.isPerVm() && vm.name.empty()) return rows;
  auto listing = listSet(nft(), path(vm));
  if (!listing && listing.error().status == SnmpStatus::noSuchName) return rows;
  if (!listing) return failure(listing.error());
  if (auto own = head(vm, *listing)) rows.push_back(*own);
  for (const auto& element : listing->elements) {
    if (!concerns(element.match, vm.addresses) || !Codec<Text<255>>::holds(element.match)) continue;
    auto row = rowOf(vm);
    row.member.value = entryName(element.match);
    row.match.value = element.match;
    row.packets = element.packets;
    row.octets = element.octets;
    row.timeout = element.timeout;
    row.lifetime = element.lifetime;
    rows.push_back(row);
  }
  return rows;
}

Result<std::optional<NftSet>> SetCounter::present(const Vm& vm) {
  auto set = sets_.describe(path(vm));
  if (set) return std::optional{*set};
  if (set.error().status == SnmpStatus::noSuchName) return std::optional<NftSet>{};
  return failure(set.error());
}

std::optional<Refusal> SetCounter::stageMembers(NftTransaction& transaction, const CounterPart& part, const NftSet& set) {
  for (const auto* row : part.remove) {
    if (row->isHead()) continue;
    auto command = deleteElement(set, row->match.value);
    if (!command) return Refusal{refused(*row, command.error().status, command.error().text).value(), std::nullopt};
    transaction.add(Step::dropElements, *command, {}, subject(*row));
  }
  for (const auto& [row, number] : part.create) {
    if (row.isHead()) continue;
    auto command = createElement(set, elementOf(row));
    if (!command) return Refusal{refused(row, command.error().status, command.error().text).value(), number};
    transaction.add(Step::addElements, *command, number, subject(row));
  }
  return std::nullopt;
}

// --- halfOpen ---------------------------------------------------------------------------------------------------------

class HalfOpenCounter final : public SetCounter {
 public:
  using SetCounter::SetCounter;
  Status check(const Vm& vm, const CounterRow& row) override;
  std::optional<Refusal> stage(NftTransaction& transaction, const Vm& vm, const CounterPart& part) override;
  CheckRow check() override { return checkTable(); }

 private:
  std::optional<CounterRow> head(const Vm& vm, const NftSetListing& listing) const override;
  Result<NftSet> wanted(const Vm& vm, const CounterRow& head, const std::optional<NftSet>& present) const;
  std::optional<Refusal> stageHead(NftTransaction& transaction, const Vm& vm, const CounterPart& part,
                                   std::optional<NftSet>& set);
};

std::optional<CounterRow> HalfOpenCounter::head(const Vm& vm, const NftSetListing& listing) const {
  auto row = rowOf(vm);
  row.match.value = toString(listing.set.keys);
  row.threshold = listing.set.size;
  row.lifetime = listing.set.lifetime;
  row.members = static_cast<std::uint32_t>(listing.elements.size());
  return row;
}

/// The set that such a head asks for. What it leaves out is as it is here already.
Result<NftSet> HalfOpenCounter::wanted(const Vm& vm, const CounterRow& head, const std::optional<NftSet>& present) const {
  auto set = present ? *present : NftSet{path(vm), parseNftTypes(tupleTypes).value()};
  if (!head.match.value.empty()) {
    auto types = parseNftTypes(head.match.value);
    if (!types) return refused(head, types.error().status, types.error().text);
    set.keys = *types;
  }
  set.hasTimeouts = true;
  set.size = head.threshold;
  set.lifetime = head.lifetime;
  return set;
}

Status HalfOpenCounter::check(const Vm& vm, const CounterRow& row) {
  auto set = present(vm);
  if (!set) return failure(set.error());
  if (row.isHead()) {
    if (row.threshold > 0xffffffff)
      return refused(row, SnmpStatus::inconsistentValue,
                     "nftables takes no vmMigCounterThreshold of more than 32 bits for a set");
    auto asked = wanted(vm, row, *set);
    return asked ? Status{} : failure(asked.error());
  }
  // Where the set is still to be made, what makes it is asked by stage().
  auto like = *set ? **set : NftSet{path(vm), guessedTypes(row.match.value)};
  like.hasTimeouts = like.hasTimeouts || !*set;
  auto command = createElement(like, elementOf(row));
  return command ? Status{} : refused(row, command.error().status, command.error().text);
}

std::string setCommand(const NftSet& set) {
  auto text = "add set " + set.path + " { type " + toString(set.keys) + "; ";
  if (set.size != 0) text += "size " + std::to_string(set.size) + "; ";
  text += "flags dynamic,timeout; ";
  if (set.lifetime != forEver) text += "timeout " + std::to_string(set.lifetime) + "s; ";
  return text + (set.hasCounters ? "counter; }" : "}");
}

bool isLike(const NftSet& a, const NftSet& b) { return a.keys == b.keys && a.size == b.size && a.lifetime == b.lifetime; }

/// Afterwards `set` is as it will be, or nothing.
std::optional<Refusal> HalfOpenCounter::stageHead(NftTransaction& transaction, const Vm& vm, const CounterPart& part,
                                                  std::optional<NftSet>& set) {
  const CounterPart::Created* created = nullptr;
  const CounterRow* removed = nullptr;
  for (const auto& each : part.create) {
    if (!each.row.isHead()) continue;
    if (auto status = check(vm, each.row); !status) return Refusal{status.error(), each.number};
    created = &each;
  }
  for (const auto* each : part.remove)
    if (each->isHead()) removed = each;
  if (!created && removed && set)
    // Rules of the device's own that need it keep it, empty.
    transaction.addUnlessBusy(Step::dropObjects, "delete set " + path(vm), [](NftTransaction&) -> Status { return {}; });
  if (!created) return std::nullopt;
  if (set && !removed)
    return Refusal{{SnmpStatus::inconsistentName, subject(created->row) + ": the set " + path(vm) + " exists already"},
                   created->number};
  auto asked = wanted(vm, created->row, set);
  if (!asked) return Refusal{asked.error(), created->number};
  // Adding a set that exists changes its size and timeout since Linux 6.2; before, nothing, which the reading back finds.
  if (!set || !isLike(*set, *asked))
    transaction.add(Step::addObjects, setCommand(*asked), created->number, subject(created->row));
  set = *asked;
  return std::nullopt;
}

std::optional<Refusal> HalfOpenCounter::stage(NftTransaction& transaction, const Vm& vm, const CounterPart& part) {
  NftSets::Anew anew{sets_};
  auto found = present(vm);
  if (!found) return Refusal{found.error(), std::nullopt};
  auto set = *found;
  if (auto refusal = stageHead(transaction, vm, part, set)) return refusal;
  if (set) return stageMembers(transaction, part, *set);
  if (part.create.empty()) return std::nullopt;
  const auto& [row, number] = part.create.front();
  return Refusal{{SnmpStatus::inconsistentName, subject(row) + ": the set " + path(vm) +
                                                    " does not exist; make the counter itself first, with an empty "
                                                    "vmMigCounterMember"},
                 number};
}

// --- element ----------------------------------------------------------------------------------------------------------

class ElementCounter final : public SetCounter {
 public:
  using SetCounter::SetCounter;
  Status check(const Vm& vm, const CounterRow& row) override;
  std::optional<Refusal> stage(NftTransaction& transaction, const Vm& vm, const CounterPart& part) override;
  CheckRow check() override;

 private:
  /// Whether there is a place for such a row at all.
  Status checkPlace(const Vm& vm, const CounterRow& row, const std::optional<NftSet>& set) const;
};

Status ElementCounter::checkPlace(const Vm& vm, const CounterRow& row, const std::optional<NftSet>& set) const {
  if (row.isHead()) return refused(row, SnmpStatus::inconsistentName, "vmMigCounterMember must say which of its elements");
  if (!set) return refused(row, SnmpStatus::inconsistentValue, "the set " + path(vm) + " does not exist here");
  return {};
}

Status ElementCounter::check(const Vm& vm, const CounterRow& row) {
  auto set = present(vm);
  if (!set) return failure(set.error());
  if (auto status = checkPlace(vm, row, *set); !status) return status;
  auto command = createElement(**set, elementOf(row));
  return command ? Status{} : refused(row, command.error().status, command.error().text);
}

std::optional<Refusal> ElementCounter::stage(NftTransaction& transaction, const Vm& vm, const CounterPart& part) {
  NftSets::Anew anew{sets_};
  auto set = present(vm);
  if (!set) return Refusal{set.error(), std::nullopt};
  for (const auto& [row, number] : part.create)
    if (auto status = checkPlace(vm, row, *set); !status) return Refusal{status.error(), number};
  if (!*set) return std::nullopt;  // with the set its elements are gone
  return stageMembers(transaction, part, **set);
}

CheckRow ElementCounter::check() {
  if (source().object.isPerVm()) return checkTable();
  auto name = "counter " + source().name;
  auto set = describeSet(nft(), source().object.text(""));
  auto path = source().object.text("");
  if (!set)
    return finding(name, Health::degraded, "the set " + path + " cannot be read: " + set.error().text,
                   "nft add set " + path + " '{ type ipv4_addr; counter; }', or mend counter = in vmmigd.conf");
  if (set->isMap() || !set->hasAddresses() || !set->hasCounters)
    return finding(name, Health::degraded, path + " is no set of addresses that counts",
                   "nft delete set " + path + "; nft add set " + path + " '{ type ipv4_addr; counter; }'");
  return finding(name, Health::up, path + " counts by " + toString(set->keys));
}

}  // namespace

std::unique_ptr<LinuxCounter> makeHalfOpenCounter(Nft& nft, CounterSource source) {
  return std::make_unique<HalfOpenCounter>(nft, std::move(source));
}

std::unique_ptr<LinuxCounter> makeElementCounter(Nft& nft, CounterSource source) {
  return std::make_unique<ElementCounter>(nft, std::move(source));
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Named counters and quotas. Adding one that exists changes nothing, so a value is restored by deleting and adding it.
#include <nlohmann/json.hpp>

#include "mibs/labels.h"
#include "subagent/linux_counter_kinds.h"
#include "subagent/linux_nft_referrers.h"

namespace vmmig {

namespace {

using Step = NftTransaction::Step;

class NamedCounter final : public LinuxCounter {
 public:
  using LinuxCounter::LinuxCounter;

  Result<std::vector<CounterRow>> rows(const Vm& vm) override;
  Status check(const Vm& vm, const CounterRow& row) override;
  std::optional<Refusal> stage(NftTransaction& transaction, const Vm& vm, const CounterPart& part) override;
  CheckRow check() override { return checkTable(); }

 private:
  bool isQuota() const { return source().kind == CounterKind::quota; }
  std::string kind() const { return labelOf(source().kind); }
  std::string addCommand(const Vm& vm, const CounterRow& row) const;
  void drop(NftTransaction& transaction, const Vm& vm, std::optional<std::string> whenKept);
};

Result<std::vector<CounterRow>> NamedCounter::rows(const Vm& vm) {
  std::vector<CounterRow> rows;
  if (vm.name.empty()) return rows;
  auto objects = nft().list("list " + kind() + " " + path(vm));
  if (!objects && objects.error().status == SnmpStatus::noSuchName) return rows;
  if (!objects) return failure(objects.error());
  for (const auto& object : *objects) {
    if (!object.contains(kind())) continue;
    const auto& values = object[kind()];
    auto row = rowOf(vm);
    row.packets = numberIn(values, "packets");
    row.octets = numberIn(values, isQuota() ? "used" : "bytes");
    if (isQuota()) row.threshold = numberIn(values, "bytes");
    if (isQuota()) row.match.value = values.contains("inv") && values["inv"] == true ? "over" : "until";
    rows.push_back(row);
  }
  return rows;
}

Status NamedCounter::check(const Vm&, const CounterRow& row) {
  if (!isQuota()) return {};
  const auto& match = row.match.value;
  if (!match.empty() && match != "over" && match != "until")
    return refused(row, SnmpStatus::inconsistentValue, "vmMigCounterMatch of a quota is over or until");
  if (row.threshold == 0) return refused(row, SnmpStatus::inconsistentValue, "a quota needs a vmMigCounterThreshold");
  if (row.octets > row.threshold)
    return refused(row, SnmpStatus::inconsistentValue,
                   "vmMigCounterOctets is more than vmMigCounterThreshold; a quota that is used up has as much");
  if (row.packets != 0)
    return refused(row, SnmpStatus::inconsistentValue, "a quota counts no packets: vmMigCounterPackets must be 0");
  return {};
}

std::string NamedCounter::addCommand(const Vm& vm, const CounterRow& row) const {
  auto text = "add " + kind() + " " + path(vm) + " { ";
  if (!isQuota()) return text + "packets " + std::to_string(row.packets) + " bytes " + std::to_string(row.octets) + " }";
  return text + (row.match.value == "until" ? "until " : "over ") + std::to_string(row.threshold) + " bytes used " +
         std::to_string(row.octets) + " bytes }";
}

/// `whenKept`: what is added instead of it when rules need it to be there.
void NamedCounter::drop(NftTransaction& transaction, const Vm& vm, std::optional<std::string> whenKept) {
  auto object = source().object;
  object.name = object.nameFor(vm.name);
  auto command = "delete " + kind() + " " + path(vm);
  auto stepAside = [&nft = nft(), kind = kind(), object, command, whenKept](NftTransaction& busy) -> Status {
    if (auto status = letReferrersStepAside(nft, busy, kind, object); !status) return status;
    busy.add(Step::dropObjects, command);
    if (whenKept) busy.add(Step::addObjects, *whenKept);
    return {};
  };
  transaction.addUnlessBusy(Step::dropObjects, command, stepAside, "counter " + source().name);
}

std::optional<Refusal> NamedCounter::stage(NftTransaction& transaction, const Vm& vm, const CounterPart& part) {
  auto present = rows(vm);
  if (!present) return Refusal{present.error(), std::nullopt};
  bool exists = !present->empty();
  if (part.create.empty()) {
    auto zero = exists ? present->front() : rowOf(vm);
    zero.packets = zero.octets = 0;
    if (exists && !part.remove.empty()) drop(transaction, vm, addCommand(vm, zero));
    return std::nullopt;
  }
  const auto& [row, number] = part.create.front();
  if (auto status = check(vm, row); !status) return Refusal{status.error(), number};
  if (exists && part.remove.empty())
    return Refusal{{SnmpStatus::inconsistentName, subject(row) + ": " + path(vm) + " exists already"}, number};
  if (exists) drop(transaction, vm, std::nullopt);
  transaction.add(Step::addObjects, addCommand(vm, row), number, subject(row));
  return std::nullopt;
}

}  // namespace

std::unique_ptr<LinuxCounter> makeNamedCounter(Nft& nft, CounterSource source) {
  return std::make_unique<NamedCounter>(nft, std::move(source));
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_expect_table.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>

#include "common/log.h"
#include "subagent/linux_expect_codec.h"

namespace vmmig {

namespace {

constexpr int expectation(int type) { return NFNL_SUBSYS_CTNETLINK_EXP << 8 | type; }

int familyOf(const ExpectRow& row) { return familyOf(row.destAddress); }

}  // namespace

class LinuxExpectTable::Cursor final : public RowCursor {
 public:
  Cursor(LinuxExpectTable& table, const Vm& vm)
      : table_(table), vm_(vm), dump_("the connections that are expected for VM " + vm.label()), ended_(vm.addresses.empty()) {}

  Result<bool> next(std::vector<AnyRow>& rows) override {
    if (ended_) return false;
    if (auto status = start(); !status) return failure(status.error());
    std::vector<ToldExpectation> batch;
    auto more = dump_.next([&](const nlmsghdr* message) -> Status {
      batch.push_back(expectationFromMessage(message));
      return {};
    });
    if (!more) return failure(more.error());
    ended_ = !*more;
    auto before = rows.size();
    for (auto& told : batch)
      if (auto status = take(told, rows); !status) return failure(status.error());
    return !ended_ || rows.size() > before;
  }

 private:
  Status start() {
    if (dump_.isStarted()) return {};
    alignas(nlmsghdr) char buffer[conntrackMessageSize];
    return dump_.start(beginConntrackMessage(buffer, expectation(IPCTNL_MSG_EXP_GET), NLM_F_DUMP, dumpFamily(vm_)));
  }
  Status take(ToldExpectation& told, std::vector<AnyRow>& rows) {
    // Before anything is asked about it: the zone may cost a dump.
    if (told.fault && names(told.row, vm_)) return failure(*told.fault);
    auto zone = table_.zoneOf(told);
    if (!zone) return failure(zone.error());
    // Its connection has come meanwhile.
    if (!*zone) return {};
    told.row.zone = **zone;
    told.row.uuid = vm_.uuid;
    auto isOf = table_.isOf(vm_, told.row);
    if (!isOf) return failure(isOf.error());
    if (*isOf && told.fault) return failure(*told.fault);
    if (*isOf) rows.emplace_back(std::move(told.row));
    return {};
  }

  LinuxExpectTable& table_;
  Vm vm_;
  ConntrackDump dump_;
  bool ended_;
};

std::unique_ptr<RowCursor> LinuxExpectTable::read(const Vm& vm) { return std::make_unique<Cursor>(*this, vm); }

Result<std::optional<ToldExpectation>> LinuxExpectTable::look(const ExpectRow& key) {
  alignas(nlmsghdr) char buffer[conntrackMessageSize];
  auto* request = beginConntrackMessage(buffer, expectation(IPCTNL_MSG_EXP_GET), NLM_F_ACK, familyOf(key));
  putKey(request, key);
  std::optional<ToldExpectation> result;
  auto code = requests_.get(request, [&](const nlmsghdr* message) -> Status {
    result = expectationFromMessage(message);
    result->row.zone = key.zone;
    return {};
  });
  if (!code) return failure(code.error());
  if (*code == 0 || *code == ENOENT) return result;
  return failure("cannot look up an expected connection: " + errnoText(*code));
}

// A dump does not tell the zone, but who asks for it in the right zone gets the one with this number.
Result<std::optional<std::uint16_t>> LinuxExpectTable::zoneOf(const ToldExpectation& told) {
  auto isIn = [&](std::uint16_t zone) -> Result<bool> {
    auto key = told.row;
    key.zone = zone;
    auto found = look(key);
    if (!found) return failure(found.error());
    return *found && (*found)->id == told.id;
  };
  for (auto zone : knownZones_) {
    auto is = isIn(zone);
    if (!is) return failure(is.error());
    if (*is) return zone;
  }
  auto zones = zonesOfMaster(told.row);
  if (!zones) return failure(zones.error());
  for (auto zone : *zones) {
    if (std::find(knownZones_.begin(), knownZones_.end(), zone) != knownZones_.end()) continue;
    auto is = isIn(zone);
    if (!is) return failure(is.error());
    if (!*is) continue;
    knownZones_.push_back(zone);
    return zone;
  }
  return std::nullopt;
}

Result<std::vector<std::uint16_t>> LinuxExpectTable::zonesOfMaster(const ExpectRow& row) {
  std::vector<std::uint16_t> zones;
  ConntrackDump dump{"the zones of connections"};
  if (auto started = dump.start({.family = familyOf(row), .protocol = row.masterProtocol}); !started)
    return failure(started.error());
  for (bool isMore = true; isMore;) {
    auto more = dump.next([&](const nlmsghdr* message) -> Status {
      Attributes entry{message}, original{entry[CTA_TUPLE_ORIG]};
      bool isMaster = protocolOf(original) == row.masterProtocol && tupleFrom(original, row.masterProtocol) == masterOf(row);
      if (isMaster) zones.push_back(entry.u16(CTA_ZONE));
      return {};
    });
    if (!more) return failure(more.error());
    isMore = *more;
  }
  return zones;
}

Result<bool> LinuxExpectTable::isOf(const Vm& vm, const ExpectRow& row) {
  if (names(row, vm)) return true;
  alignas(nlmsghdr) char buffer[conntrackMessageSize];
  auto* request = beginConntrackMessage(buffer, IPCTNL_MSG_CT_GET, NLM_F_ACK, familyOf(row));
  putTuple(request, CTA_TUPLE_ORIG, row.masterProtocol, masterOf(row));
  if (row.zone) put16(request, CTA_ZONE, row.zone);
  bool result = false;
  auto code = requests_.get(request, [&](const nlmsghdr* message) -> Status {
    auto tupleOf = [&](int type) { return tupleFrom(Attributes{Attributes{message}[type]}, row.masterProtocol); };
    result = openerFor(vm, {tupleOf(CTA_TUPLE_ORIG), tupleOf(CTA_TUPLE_REPLY)}).has_value();
    return {};
  });
  if (!code) return failure(code.error());
  return result;
}

Result<std::optional<AnyRow>> LinuxExpectTable::find(const Vm& vm, const AnyRow& any) {
  const auto& key = any.as<ExpectRow>();
  bool canBe = key.sourceAddress.isSet() && key.sourceAddress.isConsistent() && key.destAddress.isConsistent() &&
               key.sourceAddress.type == key.destAddress.type;
  if (!canBe) return std::nullopt;
  auto told = look(key);
  if (!told) return failure(told.error());
  if (!*told) return std::nullopt;
  auto row = std::move((*told)->row);
  row.uuid = vm.uuid;
  // The kernel finds by what an expectation leaves open, too.
  if (AnyRow{row}.index() != any.index()) return std::nullopt;
  auto is = isOf(vm, row);
  if (!is) return failure(is.error());
  if (!*is) return std::nullopt;
  if ((*told)->fault) return failure(*(*told)->fault);
  return AnyRow{std::move(row)};
}

Status LinuxExpectTable::check(const Vm& vm, const AnyRow& any) {
  const auto& row = any.as<ExpectRow>();
  if (row.uuid != vm.uuid)
    return failure(SnmpStatus::inconsistentName, "vmMigVmUuid of " + describe(vm, row) + " is another VM's");
  if (auto status = checkExpect(&row, vm.addresses); !status) return status;
  return checkKernelHolds(row);
}

BatchResult LinuxExpectTable::create(const Vm& vm, std::span<const AnyRow> rows) {
  std::size_t done = 0;
  while (done < rows.size()) {
    auto some = rows.subspan(done, std::min(rows.size() - done, NetlinkBatch::capacity));
    auto result = createSome(vm, some);
    if (auto set = setLives(vm, some.first(result.done)); !set) log::error(set.error().text);
    done += result.done;
    if (result.error) return {done, std::move(result.error)};
  }
  return {done, std::nullopt};
}

/// A second request: in the one that makes it, the kernel takes the life of the helper instead.
Status LinuxExpectTable::setLives(const Vm& vm, std::span<const AnyRow> rows) {
  auto& batch = requests_.batch();
  std::vector<const ExpectRow*> asked;
  for (const auto& any : rows) {
    const auto& row = any.as<ExpectRow>();
    if (row.timeout == 0) continue;
    auto* message = batch.begin(expectation(IPCTNL_MSG_EXP_NEW), 0, familyOf(row));
    putLife(message, row);
    batch.finish(message);
    asked.push_back(&row);
  }
  auto codes = requests_.run();
  if (!codes) return failure(codes.error());
  for (std::size_t i = 0; i < asked.size(); ++i)
    // One that has been fulfilled meanwhile needs none.
    if (auto code = (*codes)[i]; code != 0 && code != ENOENT && code != ETIME)
      return failure("vmMigExpectTimeout of " + describe(vm, *asked[i]) + " stays that of its helper: " + errnoText(code));
  return {};
}

Status LinuxExpectTable::replace(const Vm& vm, const AnyRow& row) {
  if (auto status = check(vm, row); !status) return status;
  auto found = find(vm, row);
  if (!found) return failure(found.error());
  if (!*found) return failure(SnmpStatus::inconsistentName, describe(vm, row.as<ExpectRow>()) + " is not expected (any more)");
  if ((*found)->equals(row, Carry::exact)) return setLives(vm, {&row, 1});
  if (auto removed = remove(vm, {&row, 1}); removed.error) return failure(std::move(*removed.error));
  auto created = create(vm, {&row, 1});
  if (!created.error) return {};
  if (auto restored = create(vm, {&**found, 1}); restored.error) log::error("after a failed change: " + restored.error->text);
  return failure(std::move(*created.error));
}

void LinuxExpectTable::addCreation(NetlinkBatch& batch, const AnyRow& any) {
  const auto& row = any.as<ExpectRow>();
  auto* message = batch.begin(expectation(IPCTNL_MSG_EXP_NEW), NLM_F_CREATE | NLM_F_EXCL, familyOf(row));
  putExpectation(message, row);
  batch.finish(message);
}

void LinuxExpectTable::addRemoval(NetlinkBatch& batch, const AnyRow& any) {
  const auto& key = any.as<ExpectRow>();
  auto* message = batch.begin(expectation(IPCTNL_MSG_EXP_DELETE), 0, familyOf(key));
  putKey(message, key);
  batch.finish(message);
}

Result<bool> LinuxExpectTable::standsAsMade(const Vm& vm, const AnyRow& row) {
  auto found = find(vm, row);
  if (!found) return failure(found.error());
  return *found && (*found)->equals(row, Carry::exact);
}

Error LinuxExpectTable::createError(const Vm& vm, const AnyRow& row, int code) const {
  return creationError(vm, row.as<ExpectRow>(), code);
}

std::string LinuxExpectTable::describeRow(const Vm& vm, const AnyRow& row) const { return describe(vm, row.as<ExpectRow>()); }

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/device.h"

#include <algorithm>
#include <map>

#include "manager/at_once.h"
#include "manager/table_printer.h"
#include "manager/table_walk.h"
#include "mibs/acl_table.h"
#include "mibs/counter_table.h"
#include "mibs/dhcp_binding_table.h"
#include "mibs/expect_table.h"
#include "mibs/flow_table.h"
#include "mibs/multicast_table.h"
#include "mibs/policy_table.h"
#include "mibs/vm_address_table.h"
#include "mibs/vm_table.h"

namespace vmmig {

namespace {

// Both sides of snmpd (SNMP and AgentX) have quadratic costs and a limit: AgentX drops a PDU of more than 65,536 octets silently.
constexpr std::size_t rowsPerSet = 16;
constexpr std::size_t varbindsPerSet = 300;
constexpr std::size_t varbindsPerGet = 120;
constexpr std::size_t octetsPerPdu = 56'000;
// snmpd carries SETs out one by one; a few that wait keep it busy.
constexpr std::size_t setsAtOnce = 4;

// Rules and connections name sets, counters and ports; an expectation needs its connection. Tables that are not here come first.
constexpr std::uint32_t creationOrder[] = {TableOf<VmRow>::info.subid,        TableOf<VmAddressRow>::info.subid,
                                           TableOf<CounterRow>::info.subid,   TableOf<AclRow>::info.subid,
                                           TableOf<PolicyRow>::info.subid,    TableOf<DhcpBindingRow>::info.subid,
                                           TableOf<MulticastRow>::info.subid, TableOf<TcpConnRow>::info.subid,
                                           TableOf<FlowRow>::info.subid,      TableOf<ExpectRow>::info.subid};

std::ptrdiff_t rankOf(const AnyRow& row) {
  auto found = std::find(std::begin(creationOrder), std::end(creationOrder), row.table().subid);
  return found == std::end(creationOrder) ? -1 : found - std::begin(creationOrder);
}

// A policy becomes active with the last of its pieces, so these must not pass each other.
std::size_t atOnceFor(const std::vector<AnyRow>& rows) {
  bool hasPieces =
      std::any_of(rows.begin(), rows.end(), [](const AnyRow& row) { return &row.table() == &TableOf<PolicyRow>::info; });
  return hasPieces ? 1 : setsAtOnce;
}

// RFC 2741 section 5: a sub-identifier is 4 octets, strings are padded to 4.
std::size_t agentXSize(const smi::VarBind& varbind) {
  return 4 + 4 + 4 * varbind.name.size() + 8 + (varbind.value.octets.size() + 3) / 4 * 4;
}

bool writable(const ColumnInfo& column) { return column.access == Access::readWrite || column.access == Access::readCreate; }

smi::VarBind varbindOf(const AnyRow& row, const ColumnInfo& column, const Oid& index) {
  return {mib::oidOf(row.table(), column, index), row.get(column)};
}

smi::VarBind rowStatusOf(const AnyRow& row, RowStatus status) {
  const auto& column = *row.table().rowStatus();
  return {mib::oidOf(row.table(), column, row.index()), Codec<RowStatus>::toValue(status)};
}

// createAndGo with what differs from a fresh row, and what has no default.
std::vector<smi::VarBind> creation(const AnyRow& row, const AnyRow& fresh) {
  std::vector<smi::VarBind> varbinds;
  auto index = row.index();
  const auto* status = row.table().rowStatus();
  if (status) varbinds.push_back(rowStatusOf(row, RowStatus::createAndGo));
  for (const auto& column : row.table().values()) {
    if (&column == status || !writable(column)) continue;
    if (column.required || !status || !column.equal(row.data(), fresh.data())) varbinds.push_back(varbindOf(row, column, index));
  }
  return varbinds;
}

// What createAndGo would have left: every column; StorageType only where it is not the default, since not every row's can be
// written.
std::vector<smi::VarBind> replacement(const AnyRow& row, const AnyRow& fresh) {
  std::vector<smi::VarBind> varbinds;
  auto index = row.index();
  for (const auto& column : row.table().values()) {
    bool storage = column.syntax == &Codec<StorageType>::syntax;
    if (!writable(column) || &column == row.table().rowStatus() || (storage && column.equal(row.data(), fresh.data()))) continue;
    varbinds.push_back(varbindOf(row, column, index));
  }
  return varbinds;
}

Oid prefixOf(const std::optional<Uuid>& vm) {
  Oid prefix;
  if (vm) Codec<Uuid>::appendIndex(prefix, *vm);
  return prefix;
}

}  // namespace

/// Rows that one SET writes.
struct Device::Batch {
  std::vector<AnyRow> rows;
  std::vector<smi::VarBind> varbinds;
  std::size_t octets = 0;
  bool creates = false;

  bool hasRoomFor(const std::vector<smi::VarBind>& more, std::size_t size) const {
    return rows.empty() ||
           (rows.size() < rowsPerSet && varbinds.size() + more.size() <= varbindsPerSet && octets + size <= octetsPerPdu);
  }
  static void append(std::vector<Batch>& batches, const AnyRow& row, std::vector<smi::VarBind> varbinds, bool creates) {
    std::size_t size = 0;
    for (const auto& varbind : varbinds) size += agentXSize(varbind);
    if (batches.empty() || !batches.back().hasRoomFor(varbinds, size)) batches.emplace_back().creates = creates;
    auto& batch = batches.back();
    batch.rows.push_back(row);
    batch.octets += size;
    std::move(varbinds.begin(), varbinds.end(), std::back_inserter(batch.varbinds));
  }
};

tl::unexpected<Error> Device::named(const Error& error) const {
  bool named = error.text.starts_with(name_);
  return failure(error.status, named ? error.text : name_ + ": " + error.text);
}

void Device::hasten(const Uuid& vm, const Haste& haste) {
  std::erase_if(hastes_, [](const auto& each) { return each.second.expired(); });
  hastes_[vm] = haste;
}

Haste Device::hasteOf(const Uuid& vm) const {
  auto found = hastes_.find(vm);
  return found == hastes_.end() ? nullptr : found->second.lock();
}

Task<Result<Response>> Device::exactGet(std::vector<Oid> names, Haste haste) {
  Response whole;
  for (std::size_t first = 0; first < names.size(); first += varbindsPerGet) {
    auto last = std::min(first + varbindsPerGet, names.size());
    std::vector<Oid> part(names.begin() + static_cast<std::ptrdiff_t>(first), names.begin() + static_cast<std::ptrdiff_t>(last));
    auto response = co_await session_->get(part, haste);
    if (!response) co_return named(response.error());
    if (response->status != SnmpStatus::noError) co_return failure(response->status, describeError(name_, *response));
    if (response->varbinds.size() != part.size())
      co_return failure(name_ + ": a GET was answered with another number of varbinds");
    std::move(response->varbinds.begin(), response->varbinds.end(), std::back_inserter(whole.varbinds));
  }
  co_return whole;
}

Task<Result<std::optional<AnyRow>>> Device::read(AnyRow key, std::vector<std::string_view> columns) {
  std::vector<const ColumnInfo*> wanted;
  for (const auto& column : key.table().values()) {
    bool named = columns.empty() || std::find(columns.begin(), columns.end(), column.name) != columns.end();
    if (named && column.access != Access::notAccessible) wanted.push_back(&column);
  }
  auto index = key.index();
  std::vector<Oid> names;
  for (const auto* column : wanted) names.push_back(mib::oidOf(key.table(), *column, index));
  auto response = co_await exactGet(names, hasteOf(vmOf(key)));
  if (!response) co_return failure(response.error());
  bool any = false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto& value = response->varbinds[i].value;
    if (value.isException()) continue;
    any = true;
    if (key.set(*wanted[i], value) != SnmpStatus::noError)
      co_return failure(name_ + ": " + std::string{wanted[i]->name} + " has the value " + smi::toString(value) +
                        ", which its syntax does not allow");
  }
  co_return any ? std::optional{key} : std::nullopt;
}

Task<Result<std::vector<AnyRow>>> Device::readAll(const TableInfo& table, std::optional<Uuid> vm) {
  if (table.isScalars()) {
    std::vector<AnyRow> single;
    auto row = co_await read(AnyRow{table});
    if (!row) co_return failure(row.error());
    if (*row) single.push_back(std::move(**row));
    co_return single;
  }
  if (vm && table.indexCount == 1) {
    // The UUID is the whole index: a walk would begin behind the row.
    std::vector<AnyRow> own;
    if (auto key = rowFromIndex(table, prefixOf(vm))) {
      auto row = co_await read(std::move(*key));
      if (!row) co_return failure(row.error());
      if (*row) own.push_back(std::move(**row));
    }
    co_return own;
  }
  TableWalk walk{*session_, name_, table, prefixOf(vm), vm ? hasteOf(*vm) : nullptr};
  walk.onProgress(progress_);
  auto status = co_await walk.run();
  if (!status) co_return named(status.error());
  co_return walk.take();
}

Task<Status> Device::write(AnyRow row, std::vector<std::string_view> columns) {
  std::vector<smi::VarBind> varbinds;
  auto index = row.index();
  for (auto each : columns) {
    const auto* column = row.table().column(each);
    if (!column) co_return failure(name_ + ": " + std::string{row.table().name} + " has no column " + std::string{each});
    varbinds.push_back(varbindOf(row, *column, index));
  }
  auto response = co_await session_->set(varbinds, hasteOf(vmOf(row)));
  if (!response) co_return named(response.error());
  if (response->status != SnmpStatus::noError) co_return failure(response->status, describeError(name_, *response));
  co_return Status{};
}

Task<Status> Device::create(std::vector<AnyRow> rows) {
  std::vector<Batch> batches;
  std::map<const TableInfo*, AnyRow> fresh;
  for (const auto& row : rows) {
    const auto& defaults = fresh.try_emplace(&row.table(), row.table()).first->second;
    Batch::append(batches, row, creation(row, defaults), true);
  }
  co_return co_await setAll(std::move(batches), atOnceFor(rows));
}

Task<Status> Device::createInOrder(std::vector<AnyRow> rows) {
  sortForCreation(rows);
  for (auto first = rows.begin(); first != rows.end();) {
    auto last = std::find_if(first, rows.end(), [&](const AnyRow& row) { return rankOf(row) != rankOf(*first); });
    std::vector<AnyRow> group(first, last);
    auto status = co_await create(std::move(group));
    if (!status) co_return status;
    first = last;
  }
  co_return Status{};
}

Task<Status> Device::destroyInOrder(std::vector<AnyRow> rows) {
  sortForCreation(rows);
  std::reverse(rows.begin(), rows.end());
  for (auto first = rows.begin(); first != rows.end();) {
    auto last = std::find_if(first, rows.end(), [&](const AnyRow& row) { return rankOf(row) != rankOf(*first); });
    std::vector<AnyRow> group(first, last);
    auto status = co_await destroy(std::move(group));
    if (!status) co_return status;
    first = last;
  }
  co_return Status{};
}

void sortForCreation(std::vector<AnyRow>& rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const AnyRow& a, const AnyRow& b) {
    if (rankOf(a) != rankOf(b)) return rankOf(a) < rankOf(b);
    bool arePieces = &a.table() == &TableOf<PolicyRow>::info && &b.table() == &TableOf<PolicyRow>::info;
    return arePieces && a.index() < b.index();
  });
}

Task<Status> Device::destroy(std::vector<AnyRow> rows) {
  std::vector<Batch> batches;
  for (const auto& row : rows) {
    if (!row.table().rowStatus())
      co_return failure(name_ + ": rows of " + std::string{row.table().name} + " cannot be destroyed");
    std::vector<smi::VarBind> varbinds{rowStatusOf(row, RowStatus::destroy)};
    Batch::append(batches, row, std::move(varbinds), false);
  }
  co_return co_await setAll(std::move(batches), atOnceFor(rows));
}

Task<Status> Device::setAll(std::vector<Batch> batches, std::size_t atOnce) {
  std::optional<Error> error;
  std::size_t done = 0;
  co_await forEachAtOnce(batches.size(), atOnce, [&](std::size_t i) -> Task<> {
    // A coroutine lambda keeps its captures by reference to this frame, which waits for it.
    if (error) co_return;
    auto status = co_await setOne(batches[i]);
    if (!status && !error) error = status.error();
    done += batches[i].rows.size();
    if (progress_) progress_(done);
  });
  if (error) co_return failure(*error);
  co_return Status{};
}

Task<Status> Device::setOne(const Batch& batch) {
  auto response = co_await session_->set(batch.varbinds, hasteOf(vmOf(batch.rows.front())));
  if (!response) co_return named(response.error());
  if (response->status == SnmpStatus::noError) co_return Status{};
  Error refused{response->status, describeError(name_, *response)};
  bool mayExist = refused.status == SnmpStatus::inconsistentValue || refused.status == SnmpStatus::inconsistentName;
  if (!batch.creates || !mayExist) co_return failure(refused);
  co_return co_await replaceExisting(batch, refused);
}

Task<Result<std::vector<bool>>> Device::whichExist(const std::vector<AnyRow>& rows) {
  std::vector<Oid> names;
  for (const auto& row : rows) {
    const auto* status = row.table().rowStatus();
    names.push_back(mib::oidOf(row.table(), status ? *status : row.table().values().front(), row.index()));
  }
  auto response = co_await exactGet(names, hasteOf(vmOf(rows.front())));
  if (!response) co_return failure(response.error());
  std::vector<bool> exist;
  for (const auto& varbind : response->varbinds) exist.push_back(!varbind.value.isException());
  co_return exist;
}

Task<Status> Device::replaceExisting(const Batch& batch, Error refused) {
  auto exist = co_await whichExist(batch.rows);
  if (!exist) co_return failure(exist.error());
  // None is there already: the refusal was about something else.
  if (std::find(exist->begin(), exist->end(), true) == exist->end()) co_return failure(refused);
  // Once more, anew in batches: a row that is replaced has many more varbinds than one that is created.
  std::vector<Batch> again;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    AnyRow fresh{batch.rows[i].table()};
    Batch::append(again, batch.rows[i], (*exist)[i] ? replacement(batch.rows[i], fresh) : creation(batch.rows[i], fresh), false);
  }
  co_return co_await setAll(std::move(again), atOnceFor(batch.rows));
}

namespace {

std::string_view advice(SnmpStatus status) {
  switch (status) {
    case SnmpStatus::tooBig: return "the request is too large for the agent; please report this";
    case SnmpStatus::genErr: return "the agent failed or did not answer snmpd in time; see vmmigd's log on the device";
    case SnmpStatus::noAccess:
    case SnmpStatus::authorizationError:
      return "this SNMP user has no write view (or read view) of it; check access and view in the device's snmpd.conf";
    case SnmpStatus::notWritable:
      return "nothing there can be written; does vmmigd run on the device, and is the object writable?";
    case SnmpStatus::resourceUnavailable: return "the device is full; see vmMigMaxRows and vmMigHealthText (vmmig show)";
    case SnmpStatus::commitFailed: return "the device could not do it; see vmmigd's log on the device";
    case SnmpStatus::undoFailed:
      return "the device could neither do it nor take it back; see vmmigd's log and compare (vmmig diff)";
    case SnmpStatus::inconsistentName:
      return "the row cannot exist there now; is the VM known on the device, and is it the VM's address?";
    case SnmpStatus::inconsistentValue:
      return "it does not fit what is there now; the log of vmmigd on the device has the reason";
    default: return "";
  }
}

std::string subject(const smi::VarBind& varbind) {
  auto name = mib::resolve(varbind.name);
  if (!name.column) return toString(varbind.name);
  std::string text{name.column->name};
  auto row = rowFromIndex(*name.table, name.instance);
  if (!row || name.table->isScalars()) return text + "." + toString(name.instance);
  text += " of VM " + toString(vmOf(*row));
  // More than the UUID in the index: name the row.
  if (name.table->indexCount > 1) text += " (row " + printable(rowLabel(*row)) + ")";
  return text;
}

}  // namespace

std::string describeError(const std::string& device, const Response& response) {
  std::string text = device + ": " + std::string{name(response.status)};
  if (response.errorIndex >= 1 && response.errorIndex <= response.varbinds.size())
    text += " for " + subject(response.varbinds[response.errorIndex - 1]);
  if (auto hint = advice(response.status); !hint.empty()) text += ": " + std::string{hint};
  return text;
}

}  // namespace vmmig

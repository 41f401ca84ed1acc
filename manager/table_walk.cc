// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/table_walk.h"

#include <algorithm>

#include "manager/at_once.h"
#include "manager/device.h"

namespace vmmig {

namespace {

// The cost of a PDU is quadratic in its varbinds in Net-SNMP: 100 to 300 are best.
constexpr std::size_t varbindsPerRequest = 240;
// Four to eight keep snmpd busy; with hundreds it locks up with its subagent.
constexpr std::size_t getsAtOnce = 8;
// AgentX drops a PDU of more than 65,536 octets silently, a request like an answer, and takes its subagent for dead.
constexpr std::size_t octetsPerPdu = 50'000;
constexpr std::size_t agentXVarbindHead = 8;  // type, and the head of the name (RFC 2741 section 5.4)

bool isTooMuch(const Result<Response>& response) {
  // Over UDP with SNMPv3 Net-SNMP says genErr to an answer that does not fit.
  return response && (response->status == SnmpStatus::tooBig || response->status == SnmpStatus::genErr);
}

std::size_t largestValue(const ColumnInfo& column) {
  constexpr std::size_t number = 8;
  bool string = column.syntax->wire == smi::Type::octetString;
  return string ? number + static_cast<std::size_t>(column.syntax->maximum) : number;
}

int repetitionsFor(const ColumnInfo& column) {
  return static_cast<int>(std::clamp<std::size_t>(octetsPerPdu / largestValue(column), 1, varbindsPerRequest));
}

}  // namespace

TableWalk::TableWalk(SnmpSession& session, std::string device, const TableInfo& table, Oid prefix, Haste haste)
    : session_(session), device_(std::move(device)), table_(&table), haste_(std::move(haste)), walked_(table.rowStatus()) {
  for (const auto& column : table.columns) {
    if (column.access == Access::notAccessible || column.subid == 0) continue;
    // Each row has a StorageType as it has a RowStatus, and behind the last one are the other rows' RowStatus, no other table.
    if (!walked_ || column.syntax == &Codec<StorageType>::syntax) walked_ = &column;
  }
  for (const auto& column : table.columns) {
    if (column.access == Access::notAccessible || column.subid == 0) continue;
    if (&column != walked_) fetched_.push_back(&column);
  }
  columnOid_ = mib::oidOf(table, *walked_);
  start_ = last_ = columnOid_ + prefix;
  repetitions_ = repetitionsFor(*walked_);
}

Task<Status> TableWalk::run() {
  auto found = co_await findRows();
  if (!found) co_return found;
  present_.assign(rows_.size(), 1);
  if (!fetched_.empty()) {
    auto gets = partition();
    co_await forEachAtOnce(gets.size(), getsAtOnce,
                           [this, &gets](std::size_t i) { return fetch(gets[i].first, gets[i].second); });
  }
  if (error_) co_return failure(*error_);
  co_return Status{};
}

// As many rows a GET as its varbinds and the AgentX PDUs behind it allow; a row with IPv6 addresses has long OIDs.
std::vector<std::pair<std::size_t, std::size_t>> TableWalk::partition() const {
  std::size_t values = 0;
  for (const auto* column : fetched_) values += largestValue(*column);
  std::vector<std::pair<std::size_t, std::size_t>> gets;
  std::size_t octets = 0;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    auto size = fetched_.size() * (agentXVarbindHead + 4 * (columnOid_.size() + rows_[row].index().size())) + values;
    bool full =
        gets.empty() || octets + size > octetsPerPdu || (row + 1 - gets.back().first) * fetched_.size() > varbindsPerRequest;
    if (full) {
      gets.emplace_back(row, row);
      octets = 0;
    }
    octets += size;
    gets.back().second = row + 1;
  }
  return gets;
}

Task<Status> TableWalk::findRows() {
  for (bool more = true; more;) {
    std::vector<Oid> names{last_};
    // Not more than have come so far: what goes far beyond the last row makes the agent look for rows of other tables.
    auto repetitions = std::min(repetitions_, std::max(static_cast<int>(rows_.size()), 1));
    auto response = co_await session_.getBulk(std::move(names), repetitions, haste_);
    if (isTooMuch(response) && repetitions > 1) {
      repetitions_ = repetitions / 2;
      continue;
    }
    if (!response) co_return failure(response.error());
    auto taken = takeAnswer(*response);
    if (!taken) co_return failure(taken.error());
    more = *taken;
  }
  co_return Status{};
}

Result<bool> TableWalk::takeAnswer(const Response& response) {
  if (response.status != SnmpStatus::noError) return failure(response.status, describeError(device_, response));
  if (response.varbinds.empty()) return failure(device_ + ": a GETBULK was answered with no varbind at all");
  for (const auto& [name, value] : response.varbinds) {
    if (value.isException() || !startsWith(name, start_)) return false;
    if (name <= last_)
      return failure(device_ + ": its OIDs do not increase: after " + toString(last_) + " comes " + toString(name));
    last_ = name;
    auto row = rowFromIndex(*table_, behind(name, columnOid_));
    if (!row) return failure(device_ + ": " + toString(name) + " is no row of " + std::string{table_->name});
    if (auto status = set(*row, *walked_, value); !status) return failure(status.error());
    rows_.push_back(std::move(*row));
  }
  return true;
}

Task<> TableWalk::fetch(std::size_t first, std::size_t last) {
  if (error_) co_return;
  std::vector<Oid> names;
  for (auto i = first; i < last; ++i) {
    auto index = rows_[i].index();
    for (const auto* column : fetched_) names.push_back(mib::oidOf(*table_, *column, index));
  }
  auto count = names.size();
  auto response = co_await session_.get(std::move(names), haste_);
  if (isTooMuch(response) && last - first > 1) {
    auto middle = first + (last - first) / 2;
    co_await fetch(first, middle);
    co_await fetch(middle, last);
    co_return;
  }
  if (!response) co_return fail(response.error());
  if (response->status != SnmpStatus::noError) co_return fail({response->status, describeError(device_, *response)});
  if (response->varbinds.size() != count)
    co_return fail({SnmpStatus::genErr, device_ + ": a GET was answered with another number of varbinds"});
  for (auto i = first; i < last; ++i) {
    bool present = false;
    auto status = fill(rows_[i], present, &response->varbinds[(i - first) * fetched_.size()]);
    if (!status) co_return fail(status.error());
    present_[i] = present;
  }
  done_ += last - first;
  if (progress_) progress_(done_);
}

Status TableWalk::fill(AnyRow& row, bool& present, const smi::VarBind* varbinds) {
  for (std::size_t i = 0; i < fetched_.size(); ++i) {
    const auto& value = varbinds[i].value;
    if (value.isException()) continue;
    present = true;
    if (auto status = set(row, *fetched_[i], value); !status) return status;
  }
  return {};
}

Status TableWalk::set(AnyRow& row, const ColumnInfo& column, const smi::Value& value) {
  auto status = row.set(column, value);
  if (status == SnmpStatus::noError) return {};
  return failure(device_ + ": " + std::string{column.name} + " has the value " + smi::toString(value) +
                 ", which its syntax does not allow (" + std::string{name(status)} + ")");
}

std::vector<AnyRow> TableWalk::take() {
  std::vector<AnyRow> rows;
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if (present_[i]) rows.push_back(std::move(rows_[i]));
  return rows;
}

}  // namespace vmmig

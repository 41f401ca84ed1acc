// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/table_walk.h"

#include <algorithm>

#include "manager/at_once.h"
#include "manager/device.h"

namespace vmmig {

namespace {

// The cost of a PDU is quadratic in its varbinds in Net-SNMP: 100 to 300 are best.
constexpr std::size_t varbindsPerRequest = 240;
// Four to eight requests under way use snmpd fully.
constexpr std::size_t mostGroups = 4;
constexpr std::size_t leastColumnsPerGroup = 4;

std::vector<const ColumnInfo*> accessibleColumns(const TableInfo& table) {
  std::vector<const ColumnInfo*> columns;
  for (const auto& column : table.columns)
    if (column.access != Access::notAccessible && column.subid != 0) columns.push_back(&column);
  return columns;
}

}  // namespace

TableWalk::TableWalk(SnmpSession& session, std::string device, const TableInfo& table, Oid prefix)
    : session_(session), device_(std::move(device)), table_(&table), prefix_(std::move(prefix)) {
  auto columns = accessibleColumns(table);
  columnCount_ = columns.size();
  auto groupCount = std::clamp<std::size_t>(columns.size() / leastColumnsPerGroup, 1, mostGroups);
  auto size = (columns.size() + groupCount - 1) / groupCount;
  for (std::size_t first = 0; first < columns.size(); first += size) {
    Group group;
    for (std::size_t i = first; i < std::min(first + size, columns.size()); ++i) {
      group.columns.push_back(columns[i]);
      group.last.push_back(start(*columns[i]));
    }
    group.repetitions = static_cast<int>(varbindsPerRequest / group.columns.size());
    groups_.push_back(std::move(group));
  }
}

Task<Status> TableWalk::run() {
  co_await forEachAtOnce(groups_.size(), groups_.size(), [this](std::size_t i) { return walk(groups_[i]); });
  if (error_) co_return failure(*error_);
  co_return Status{};
}

Task<> TableWalk::walk(Group& group) {
  while (!group.columns.empty() && !error_) {
    auto response = co_await session_.getBulk(group.last, group.repetitions);
    if (error_) co_return;
    Status status;
    bool tooMuch = response && (response->status == SnmpStatus::tooBig || response->status == SnmpStatus::genErr);
    if (tooMuch && group.repetitions > 1)
      // Over UDP with SNMPv3 Net-SNMP says genErr to an answer that does not fit.
      group.repetitions = group.repetitions / 2;
    else
      status = response ? digest(group, *response) : Status{failure(response.error())};
    if (!status && !error_) error_ = status.error();
    if (progress_) progress_(rows_.size());
  }
}

Status TableWalk::digest(Group& group, const Response& response) {
  if (response.status != SnmpStatus::noError) return failure(response.status, describeError(device_, response));
  auto width = group.columns.size();
  // An agent may cut an answer short anywhere; what is left of an unfinished repetition is asked again.
  auto usable = response.varbinds.size() / width * width;
  if (usable == 0)
    return failure(device_ + ": a GETBULK of " + std::to_string(width) + " columns was answered with fewer varbinds");
  std::vector<bool> ended(width);
  for (std::size_t i = 0; i < usable; ++i) {
    const auto& [name, value] = response.varbinds[i];
    auto which = i % width;
    if (ended[which]) continue;
    auto prefix = start(*group.columns[which]);
    if (value.type == smi::Type::endOfMibView || !startsWith(name, prefix)) {
      ended[which] = true;
      continue;
    }
    if (name <= group.last[which])
      return failure(device_ + ": the agent does not go on from " + toString(name) + " in a GETBULK: its OIDs do not increase");
    group.last[which] = name;
    if (auto status = accept(*group.columns[which], behind(name, mib::oidOf(*table_, *group.columns[which])), value); !status)
      return status;
  }
  for (std::size_t which = width; which-- > 0;) {
    if (!ended[which]) continue;
    group.columns.erase(group.columns.begin() + static_cast<std::ptrdiff_t>(which));
    group.last.erase(group.last.begin() + static_cast<std::ptrdiff_t>(which));
  }
  return {};
}

Status TableWalk::accept(const ColumnInfo& column, OidSpan instance, const smi::Value& value) {
  auto wrong = [&](const std::string& what) {
    return failure(device_ + ": " + std::string{column.name} + "." + toString(instance) + " has " + what);
  };
  Oid key{instance.begin(), instance.end()};
  auto found = rows_.find(key);
  if (found == rows_.end()) {
    auto row = rowFromIndex(*table_, instance);
    if (!row) return wrong("an instance that is no index of " + std::string{table_->name});
    found = rows_.emplace(std::move(key), Partial{std::move(*row)}).first;
  }
  if (auto status = found->second.row.set(column, value); status != SnmpStatus::noError)
    return wrong("the value " + smi::toString(value) + ", which its syntax does not allow (" + std::string{name(status)} + ")");
  ++found->second.columns;
  return {};
}

TableWalk::Found TableWalk::take() {
  Found found;
  for (auto& [index, partial] : rows_)
    (partial.columns == columnCount_ ? found.rows : found.partial).push_back(std::move(partial.row));
  rows_.clear();
  return found;
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/back_end.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

#include "mibs/labels.h"
#include "subagent/transfer_text.h"

namespace vmmig {

namespace {

class BatchCursor final : public RowCursor {
 public:
  explicit BatchCursor(std::function<Result<std::vector<AnyRow>>()> read) : read_(std::move(read)) {}
  Result<bool> next(std::vector<AnyRow>& rows) override {
    if (!read_) return false;
    auto all = std::exchange(read_, nullptr)();
    if (!all) return failure(all.error());
    std::move(all->begin(), all->end(), std::back_inserter(rows));
    return !all->empty();
  }

 private:
  std::function<Result<std::vector<AnyRow>>()> read_;
};

class CursorsInTurn final : public RowCursor {
 public:
  explicit CursorsInTurn(std::vector<std::unique_ptr<RowCursor>> cursors) : cursors_(std::move(cursors)) {}
  Result<bool> next(std::vector<AnyRow>& rows) override {
    for (; at_ < cursors_.size(); cursors_[at_++].reset()) {
      auto more = cursors_[at_]->next(rows);
      if (!more || *more) return more;
    }
    return false;
  }

 private:
  std::vector<std::unique_ptr<RowCursor>> cursors_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<RowCursor> readInTurn(std::vector<std::unique_ptr<RowCursor>> cursors) {
  return std::make_unique<CursorsInTurn>(std::move(cursors));
}

std::unique_ptr<RowCursor> readAtOnce(std::function<Result<std::vector<AnyRow>>()> read) {
  return std::make_unique<BatchCursor>(std::move(read));
}

Result<std::vector<std::optional<AnyRow>>> TableBackEnd::findAll(const Vm& vm, std::span<const AnyRow> keys) {
  std::vector<std::optional<AnyRow>> result;
  for (const auto& key : keys) {
    auto found = find(vm, key);
    if (!found) return failure(found.error());
    result.push_back(std::move(*found));
  }
  return result;
}

Result<std::vector<std::uint32_t>> TableBackEnd::count(std::span<const Vm> vms) {
  std::vector<std::uint32_t> counts;
  for (const auto& vm : vms) {
    auto& count = counts.emplace_back();
    std::vector<AnyRow> rows;
    for (auto cursor = read(vm);;) {
      rows.clear();
      auto more = cursor->next(rows);
      if (!more) return failure(more.error());
      if (!*more) break;
      count += static_cast<std::uint32_t>(rows.size());
    }
  }
  return counts;
}

std::vector<bool> TableBackEnd::renew(const Vm& vm, std::span<AnyRow> rows) {
  std::vector<bool> renewed;
  for (auto& row : rows) {
    bool isThere = false;
    if (replace(vm, row)) {
      auto found = find(vm, row);
      isThere = found && *found && (*found)->equals(row, Carry::exact);
      if (isThere) row = std::move(**found);
    }
    renewed.push_back(isThere);
  }
  return renewed;
}

std::unique_ptr<RowCursor> BackEnd::read(const Vm& vm, std::span<const TableInfo* const> tables) {
  std::vector<std::unique_ptr<RowCursor>> cursors;
  for (const auto* each : tables)
    if (auto* table = tableFor(*each)) cursors.push_back(table->read(vm));
  return readInTurn(std::move(cursors));
}

CheckRow summaryOf(std::span<const CheckRow> checks) {
  CheckRow summary;
  auto worst =
      std::max_element(checks.begin(), checks.end(), [](const CheckRow& a, const CheckRow& b) { return a.health < b.health; });
  if (worst == checks.end() || worst->health == Health::up) return summary;
  summary = *worst;
  summary.text = shortened(worst->text.value + (worst->remedy.value.empty() ? "" : ": " + worst->remedy.value));
  return summary;
}

Capability capabilityOf(const TableInfo& table) {
  constexpr std::string_view before = "vmMig", behind = "Table";
  std::string label{table.name.substr(before.size(), table.name.size() - before.size() - behind.size())};
  label[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(label[0])));
  return fromLabel<Capability>(label).value();
}

}  // namespace vmmig

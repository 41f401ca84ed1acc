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

}  // namespace

std::unique_ptr<RowCursor> readAtOnce(std::function<Result<std::vector<AnyRow>>()> read) {
  return std::make_unique<BatchCursor>(std::move(read));
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

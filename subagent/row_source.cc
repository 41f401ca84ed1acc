// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/row_source.h"

#include <algorithm>

namespace vmmig {

namespace {

FoundRow show(const StagedRow& staged) {
  FoundRow found{staged.row, staged.state, &staged};
  auto status = staged.state == RowState::notReady ? RowStatus::notReady : RowStatus::notInService;
  if (const auto* column = found.row.table().rowStatus()) found.row.set(*column, Codec<RowStatus>::toValue(status));
  return found;
}

}  // namespace

RowSource::RowSource(std::vector<RowStore*> stores, StagedRows::Now now) : stores_(std::move(stores)), staged_(std::move(now)) {}

RowStore* RowSource::store(const TableInfo& table) const {
  auto found = std::find_if(stores_.begin(), stores_.end(), [&](auto* each) { return &each->table() == &table; });
  return found == stores_.end() ? nullptr : *found;
}

// Where the device has come to a row of its own under the index of a staged one, the device's is the truth.
Result<std::optional<FoundRow>> RowSource::find(RowStore& store, const AnyRow& key) const {
  auto row = store.find(key);
  if (!row) return failure(row.error());
  if (*row) return FoundRow{std::move(**row), RowState::active};
  if (const auto* staged = staged_.find(store.table(), key.index())) return show(*staged);
  return std::nullopt;
}

Result<std::optional<FoundRow>> RowSource::next(RowStore& store, OidSpan after) const {
  auto row = store.next(after);
  if (!row) return failure(row.error());
  const auto* staged = staged_.next(store.table(), after);
  if (staged && (!*row || staged->row.index() < (*row)->index())) return show(*staged);
  if (!*row) return std::nullopt;
  return FoundRow{std::move(**row), RowState::active};
}

}  // namespace vmmig

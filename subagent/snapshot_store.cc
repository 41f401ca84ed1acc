// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/snapshot_store.h"

namespace vmmig {

namespace {
constexpr auto life = std::chrono::milliseconds{500};
}

Status SnapshotStore::refresh() {
  if (Clock::now() < goodUntil_) return {};
  auto read = source_();
  if (!read) return failure(read.error());
  rows_.clear();
  for (auto& row : *read) {
    auto index = row.index();
    rows_.emplace(std::move(index), std::move(row));
  }
  goodUntil_ = Clock::now() + life;
  return {};
}

Result<std::optional<AnyRow>> SnapshotStore::find(const AnyRow& key) {
  if (auto status = refresh(); !status) return failure(status.error());
  auto found = rows_.find(key.index());
  return found == rows_.end() ? std::nullopt : std::optional{found->second};
}

Result<std::optional<AnyRow>> SnapshotStore::next(OidSpan after) {
  if (auto status = refresh(); !status) return failure(status.error());
  auto found = rows_.upper_bound(Oid{after.begin(), after.end()});
  return found == rows_.end() ? std::nullopt : std::optional{found->second};
}

Status SnapshotStore::check(const Change&) {
  return failure(SnmpStatus::notWritable, std::string{table_.name} + " only tells what is so");
}

}  // namespace vmmig

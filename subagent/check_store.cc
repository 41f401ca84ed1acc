// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/check_store.h"

namespace vmmig {

namespace {
constexpr auto life = std::chrono::milliseconds{500};
}

const std::map<Oid, AnyRow>& CheckStore::rows() {
  auto now = Clock::now();
  if (now < goodUntil_) return rows_;
  rows_.clear();
  for (auto& row : source_()) {
    AnyRow any{std::move(row)};
    rows_.emplace(any.index(), any);
  }
  goodUntil_ = now + life;
  return rows_;
}

Result<std::optional<AnyRow>> CheckStore::find(const AnyRow& key) {
  auto found = rows().find(key.index());
  return found == rows_.end() ? std::nullopt : std::optional{found->second};
}

Result<std::optional<AnyRow>> CheckStore::next(OidSpan after) {
  auto found = rows().upper_bound(Oid{after.begin(), after.end()});
  return found == rows_.end() ? std::nullopt : std::optional{found->second};
}

Status CheckStore::check(const Change&) { return failure(SnmpStatus::notWritable, "vmMigCheckTable only tells what is so"); }

}  // namespace vmmig

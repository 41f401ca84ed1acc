// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/memory_follower.h"

#include <map>

#include "subagent/transfer_clock.h"

namespace vmmig {

namespace {

class Follower final : public RowFollower {
 public:
  Follower(std::function<std::vector<AnyRow>()> read, std::function<Clock::time_point()> now)
      : read_(std::move(read)), now_(std::move(now)), known_(look()) {}

  Result<bool> next(std::vector<AnyRow>& rows, std::vector<AnyRow>& gone) override {
    auto present = look();
    for (const auto& [index, seen] : present)
      if (auto before = known_.find(index); before == known_.end() || !isSame(before->second, seen)) rows.push_back(seen.row);
    for (const auto& [index, seen] : known_)
      if (!present.contains(index)) gone.push_back(seen.row);
    known_ = std::move(present);
    return false;
  }

 private:
  struct Seen {
    AnyRow row;
    Clock::time_point at;
  };
  using Rows = std::map<Oid, Seen>;

  Rows look() {
    Rows rows;
    for (auto& row : read_()) {
      auto index = row.index();
      rows.emplace(std::move(index), Seen{std::move(row), now_()});
    }
    return rows;
  }
  static bool isSame(const Seen& before, const Seen& now) {
    return isUndisturbed(before.row, now.row, now.at - before.at);
  }

  std::function<std::vector<AnyRow>()> read_;
  std::function<Clock::time_point()> now_;
  Rows known_;
};

}  // namespace

std::unique_ptr<RowFollower> followerOver(std::function<std::vector<AnyRow>()> read, std::function<Clock::time_point()> now) {
  return std::make_unique<Follower>(std::move(read), std::move(now));
}

}  // namespace vmmig

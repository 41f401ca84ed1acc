// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/transfer_clock.h"

#include <algorithm>

namespace vmmig {

namespace {

bool countsUp(const ColumnInfo& column) { return column.name.ends_with("IdleTime"); }

std::int64_t seconds(Clock::duration duration) { return std::chrono::duration_cast<std::chrono::seconds>(duration).count(); }

bool hasEnd(const ColumnInfo& column, std::int64_t value) { return countsUp(column) || value != forEver; }

bool explained(const ColumnInfo& column, std::int64_t before, std::int64_t now, std::int64_t elapsed) {
  auto slack = clockTolerance.count();
  // An idle time that a device does not count stays where it is.
  if (countsUp(column)) return now >= before - slack && now <= before + elapsed + slack;
  if (!hasEnd(column, before) || !hasEnd(column, now)) return before == now;
  auto expected = std::max<std::int64_t>(before - elapsed, 0);
  return now >= expected - slack && now <= expected + slack;
}

}  // namespace

std::optional<std::int64_t> remainingLifeSeconds(const AnyRow& row) {
  std::optional<std::int64_t> least;
  for (const auto& column : row.table().values()) {
    if (column.carry != Carry::clock || countsUp(column)) continue;
    auto life = row.get(column).number;
    if (!hasEnd(column, life)) continue;
    least = least ? std::min(*least, life) : life;
  }
  return least;
}

bool explainedByTime(const AnyRow& before, const AnyRow& now, Clock::duration elapsed) {
  auto columns = before.table().values();
  return std::all_of(columns.begin(), columns.end(), [&](const ColumnInfo& column) {
    return column.carry != Carry::clock || explained(column, before.get(column).number, now.get(column).number, seconds(elapsed));
  });
}

bool isUndisturbed(const AnyRow& before, const AnyRow& now, Clock::duration elapsed) {
  return before.equals(now, Carry::exact) && before.equals(now, Carry::traffic) && explainedByTime(before, now, elapsed);
}

void age(AnyRow& row, Clock::duration elapsed) {
  for (const auto& column : row.table().values()) {
    if (column.carry != Carry::clock) continue;
    auto value = row.get(column);
    if (countsUp(column))
      value.number = std::min(value.number + seconds(elapsed), column.syntax->maximum);
    else if (value.number > 0 && hasEnd(column, value.number))
      value.number = std::max<std::int64_t>(value.number - seconds(elapsed), 1);
    row.set(column, value);
  }
}

}  // namespace vmmig

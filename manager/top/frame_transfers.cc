// SPDX-License-Identifier: GPL-2.0-or-later
// What is under way in a frame: migrations with their holds, and transfers.
#include <algorithm>
#include <cstdio>

#include "manager/phases.h"
#include "manager/top/frame_parts.h"
#include "mibs/labels.h"

namespace vmmig::top {

namespace {

Style styleOf(TransferOper oper) {
  switch (oper) {
    case TransferOper::released:
    case TransferOper::done: return Style::dim;
    case TransferOper::failed:
    case TransferOper::expired: return Style::bad;
    case TransferOper::aborting:
    case TransferOper::aborted: return Style::warn;
    case TransferOper::frozen:
    case TransferOper::freezing:
    case TransferOper::committing: return Style::bold;
    default: return Style::good;
  }
}

/// "[####......]  40 %" of the rows that the source has.
std::string progressOf(const ShownTransfer& transfer) {
  const auto& row = *transfer.row;
  if (row.role == TransferRole::source)
    return row.complete ? "whole, " + counted(row.chunks, "chunk") : counted(row.chunks, "chunk");
  if (!transfer.expected || isFinal(row.operStatus)) return {};
  constexpr std::uint64_t bar = 10;
  std::uint64_t whole = *transfer.expected;
  auto part = whole == 0 ? 100 : std::min<std::uint64_t>(100, std::uint64_t{row.rows} * 100 / whole);
  auto filled = static_cast<std::size_t>(part * bar / 100);
  char percent[16];
  std::snprintf(percent, sizeof percent, "] %3u %%", static_cast<unsigned>(part));
  return "[" + std::string(filled, '#') + std::string(bar - filled, '.') + percent;
}

std::string noteOf(const TransferRow& row) {
  if (row.missing == 0) return row.error.value;
  auto missing = counted(row.missing, "row") + " missing";
  return row.error.value.empty() ? missing : missing + "; " + row.error.value;
}

bool isBefore(const ShownTransfer& a, const ShownTransfer& b, Sort sort) {
  if (sort == Sort::state && isFinal(a.row->operStatus) != isFinal(b.row->operStatus)) return isFinal(b.row->operStatus);
  if (sort == Sort::device && a.agent->name != b.agent->name) return a.agent->name < b.agent->name;
  if (sort == Sort::rows && a.row->rows != b.row->rows) return a.row->rows > b.row->rows;
  if (a.vm != b.vm) return a.vm < b.vm;
  if (a.row->uuid != b.row->uuid) return a.row->uuid < b.row->uuid;
  if (a.row->role != b.row->role) return a.row->role < b.row->role;
  return a.agent->name < b.agent->name;
}

}  // namespace

void addTransfers(std::vector<Line>& lines, std::vector<ShownTransfer> transfers, const View& view, Notes& cut) {
  if (view.hidesFinished) std::erase_if(transfers, [](const auto& each) { return isFinal(each.row->operStatus); });
  std::stable_sort(transfers.begin(), transfers.end(), [&](const auto& a, const auto& b) { return isBefore(a, b, view.sort); });
  if (view.isReversed) std::reverse(transfers.begin(), transfers.end());
  lines.push_back({{"TRANSFERS", Style::bold}, {view.hidesFinished ? "  under way alone" : "", Style::dim}});
  if (transfers.empty()) return lines.push_back({{"none", Style::dim}});
  Table table{{{"VM", 9},
               {"DEVICE", 10},
               {"ROLE", 6},
               {"STATE", 10},
               {"ROWS", 8, true},
               {"OCTETS", 3, true},
               {"PROGRESS", 7},
               {"LEFT", 4, true},
               {"EPOCH", 1, true},
               {"NOTE", 5}}};
  for (const auto& each : transfers) {
    const auto& row = *each.row;
    auto ended = isFinal(row.operStatus) ? Style::dim : Style::plain;
    table.add({{each.vm, ended},
               {each.agent->name, ended},
               {labelOf(row.role), ended},
               {labelOf(row.operStatus), styleOf(row.operStatus)},
               {std::to_string(row.rows), ended},
               {std::to_string(row.octets), ended},
               {progressOf(each), ended},
               {each.left ? std::to_string(*each.left) + " s" : "", ended},
               {std::to_string(row.epoch.value), ended},
               {noteOf(row), row.missing || !row.error.value.empty() ? Style::bad : ended}});
  }
  auto drawn = table.lines(view.width);
  for (std::size_t at = 0; at < transfers.size(); ++at) {
    const auto& each = transfers[at];
    keepIfCut(cut, drawn[at + 1], {each.agent->name + ", " + each.vm, noteOf(*each.row), Style::bad});
  }
  for (auto& line : drawn) lines.push_back(std::move(line));
}

void addPhases(std::vector<Line>& lines, const std::vector<ShownPhase>& phases, const View& view) {
  lines.push_back({{"MIGRATIONS AND HOLDS", Style::bold}});
  if (phases.empty()) return lines.push_back({{"none", Style::dim}});
  Table table{{{"VM", 9}, {"HOST", 8}, {"PHASE", 10}, {"HOLD ENDS IN", 9, true}, {"AND THEN", 5}, {"FROM", 6}, {"TO", 7}}};
  constexpr std::uint32_t soon = 1000;
  for (const auto& each : phases) {
    const auto& row = *each.row;
    bool isHeld = each.leftMilliseconds.has_value();
    auto urgency = !isHeld ? Style::plain : *each.leftMilliseconds < soon ? Style::bad : Style::warn;
    table.add({{each.vm},
               {each.agent->name},
               {describe(row), urgency},
               {isHeld ? secondsText(*each.leftMilliseconds) : "", urgency},
               {!isHeld                                 ? ""
                : row.holdPolicy == HoldPolicy::require ? "goes back"
                                                        : "goes on"},
               {row.sourceHost.value},
               {row.destinationHost.value}});
  }
  for (auto& line : table.lines(view.width)) lines.push_back(std::move(line));
}

}  // namespace vmmig::top

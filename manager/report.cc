// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/report.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/hex.h"
#include "manager/table_printer.h"

namespace vmmig {

using migration::Mark;

namespace {

std::string milliseconds(std::int64_t microseconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%+.3f ms", static_cast<double>(microseconds) / 1000);
  return text;
}

struct Moment {
  Mark mark;
  std::optional<std::int64_t> Timeline::*at;
  bool isFirst;
};
constexpr Moment moments[] = {
    {Mark::stop, &Timeline::stop, true},          {Mark::blocked, &Timeline::blocked, true},
    {Mark::lastRead, &Timeline::lastRead, false}, {Mark::commit, &Timeline::commit, false},
    {Mark::release, &Timeline::release, false},   {Mark::resume, &Timeline::resume, false},
};

}  // namespace

std::optional<double> Timeline::addedBlackoutMs() const {
  if (!stop || !release) return std::nullopt;
  return static_cast<double>(*release - *stop) / 1000;
}

std::optional<bool> Timeline::isInOrder() const {
  if (!stop || !lastRead || !commit || !resume) return std::nullopt;
  return *stop <= *lastRead && *lastRead <= *commit && *commit <= *resume;
}

Timeline timelineOf(const std::vector<JournalEvent>& events) {
  Timeline timeline;
  for (const auto& event : events)
    for (const auto& moment : moments) {
      auto& at = timeline.*moment.at;
      if (event.mark == moment.mark && !(moment.isFirst && at)) at = event.monotonicMicroseconds;
    }
  return timeline;
}

std::string stateOf(const JournalMigration& migration) {
  if (migration.outcome) return std::string{name(*migration.outcome)};
  return migration.isRunning ? "running" : "interrupted";
}

std::string utcText(std::uint64_t microseconds) {
  auto seconds = static_cast<std::time_t>(microseconds / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  auto size = std::strftime(text, sizeof text, "%F %T", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03u", static_cast<unsigned>(microseconds / 1000 % 1000));
  return text;
}

nlohmann::json toJson(const JournalMigration& migration) {
  auto legs = nlohmann::json::array();
  for (const auto& leg : migration.plan.legs) legs.push_back({{"source", leg.source}, {"destination", leg.destination}});
  return {{"id", migration.id},
          {"vm", toString(migration.plan.vm)},
          {"vmName", migration.plan.vmName},
          {"sourceHost", migration.plan.sourceHost},
          {"destinationHost", migration.plan.destinationHost},
          {"legs", std::move(legs)},
          {"policy", migration.plan.policy == TransferPolicy::require ? "require" : "bestEffort"},
          {"rowByRow", migration.plan.rowByRow},
          {"epoch", migration.epoch},
          {"state", stateOf(migration)},
          {"reason", migration.reason},
          {"startedUtc", migration.startedUtc},
          {"endedUtc", migration.endedUtc},
          {"rows", migration.totals.rows},
          {"missing", migration.totals.missing},
          {"octets", migration.totals.octets},
          {"digest", toHex(migration.totals.digest)}};
}

nlohmann::json toJson(const JournalMigration& migration, const std::vector<JournalEvent>& events) {
  auto json = toJson(migration);
  auto timeline = timelineOf(events);
  auto& marks = json["timeline"] = nlohmann::json::object();
  for (const auto& moment : moments)
    if (auto at = timeline.*moment.at) marks[std::string{name(moment.mark)}] = *at;
  if (auto blackout = timeline.addedBlackoutMs()) json["addedBlackoutMs"] = *blackout;
  if (auto inOrder = timeline.isInOrder()) {
    json["inOrder"] = *inOrder;
    json["stopBeforeRead"] = *timeline.stop <= *timeline.lastRead;
    json["readBeforeCommit"] = *timeline.lastRead <= *timeline.commit;
    json["commitBeforeResume"] = *timeline.commit <= *timeline.resume;
  }
  auto& list = json["events"] = nlohmann::json::array();
  for (const auto& event : events) {
    list.push_back({{"monotonic", event.monotonicMicroseconds},
                    {"utc", event.utcMicroseconds},
                    {"mark", std::string{name(event.mark)}},
                    {"text", event.text}});
    auto data = nlohmann::json::parse(event.data, nullptr, false);
    if (data.is_object()) list.back()["data"] = std::move(data);
  }
  return json;
}

void print(std::ostream& out, const JournalMigration& migration, const std::vector<JournalEvent>& events) {
  auto timeline = timelineOf(events);
  out << "Migration " << migration.id << " of VM " << printable(migration.plan.vmName) << " (" << toString(migration.plan.vm)
      << "): " << stateOf(migration);
  bool isTold = std::any_of(events.begin(), events.end(),
                            [&](const JournalEvent& event) { return event.text.find(migration.reason) != std::string::npos; });
  if (!isTold) out << ": " << printable(migration.reason);
  out << "\n\n";
  // Times count from the stop, or from the first event when it never came to one.
  auto zero = timeline.stop ? *timeline.stop : events.empty() ? 0 : events.front().monotonicMicroseconds;
  TablePrinter table{{"UTC", "FROM STOP", "MOMENT", "WHAT"}};
  for (const auto& event : events)
    table.add({utcText(event.utcMicroseconds), milliseconds(event.monotonicMicroseconds - zero), std::string{name(event.mark)},
               printable(event.text)});
  table.print(out);
  const auto& totals = migration.totals;
  out << "\nrows " << totals.rows << ", missing " << totals.missing << ", octets " << totals.octets;
  if (auto blackout = timeline.addedBlackoutMs()) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f ms", *blackout);
    out << ", added blackout " << text;
  }
  out << '\n';
  if (!totals.digest.empty()) out << "digest " << toHex(totals.digest) << '\n';
  if (auto inOrder = timeline.isInOrder())
    out << (*inOrder ? "stop <= last read <= commit <= resume holds\n" : "stop <= last read <= commit <= resume does NOT hold\n");
}

}  // namespace vmmig

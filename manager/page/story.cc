// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/page/story.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "manager/counted.h"

namespace vmmig::page {

using nlohmann::json;

namespace {

/// A value of the right type, whatever the file holds.
std::string textOf(const json& data, const char* key) {
  auto found = data.find(key);
  return found != data.end() && found->is_string() ? found->get<std::string>() : std::string{};
}
std::uint64_t numberOf(const json& data, const char* key) {
  auto found = data.find(key);
  return found != data.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

Tone toneOf(const std::string& step) {
  if (step == "claiming" || step == "freezing" || step == "committing" || step == "releasing" || step == "finishing")
    return Tone::works;
  if (step == "released" || step == "done") return Tone::over;
  if (step == "aborting") return Tone::undoes;
  if (step == "aborted" || step == "left" || step == "lost") return Tone::undone;
  return Tone::waits;
}

Tone toneOfPhase(const std::string& phase) {
  if (phase == "stopped") return Tone::works;
  if (phase == "resumed") return Tone::over;
  return phase == "failed" || phase == "cancelled" ? Tone::undone : Tone::waits;
}

class Teller {
 public:
  Teller(const JournalMigration& migration, const std::vector<JournalEvent>& events, std::int64_t now);
  Story take();

 private:
  void take(const JournalEvent& event);
  void takeHost(const JournalEvent& event, const json& data);
  void takeDevice(const JournalEvent& event, const json& data);
  Lane& laneOf(const std::string& name, LaneKind kind);
  void enter(Lane& lane, std::string word, Tone tone, std::int64_t at);
  void addMoments();
  void addVmLane();
  void sortLanes();
  void addRefusals();
  void addSilent();
  std::string deviceIn(const std::string& text) const;

  const JournalMigration& migration_;
  Story story_;
  std::vector<std::int64_t> failedAt_;  // by leg
  std::optional<std::int64_t> ranAgain_;
};

Teller::Teller(const JournalMigration& migration, const std::vector<JournalEvent>& events, std::int64_t now)
    : migration_(migration), failedAt_(migration.plan.legs.size()) {
  story_.timeline = timelineOf(events);
  if (!events.empty()) {
    story_.begin = events.front().monotonicMicroseconds;
    story_.end = events.back().monotonicMicroseconds;
  }
  if (migration.isRunning) story_.end = std::max(story_.end, now);
  story_.zero = story_.timeline.stop.value_or(story_.begin);
  for (const auto& leg : migration.plan.legs) {
    auto& part = story_.legs.emplace_back();
    part.source.name = leg.source;
    part.destination.name = leg.destination;
  }
  for (const auto& event : events) take(event);
}

void Teller::take(const JournalEvent& event) {
  auto data = json::parse(event.data, nullptr, false);
  if (!data.is_object()) return;
  if (data.contains("host")) takeHost(event, data);
  if (data.contains("device")) takeDevice(event, data);
}

void Teller::takeHost(const JournalEvent& event, const json& data) {
  auto phase = textOf(data, "vmMigPhase");
  auto hold = textOf(data, "vmMigPhaseHoldStatus");
  auto word = phase + (hold.empty() || hold == "none" ? "" : ", " + hold);
  enter(laneOf(textOf(data, "host"), LaneKind::host), word, toneOfPhase(phase), event.monotonicMicroseconds);
  bool runs = phase == "resumed" || phase == "failed" || phase == "cancelled";
  if (runs && story_.hasStop() && event.monotonicMicroseconds >= story_.zero && !ranAgain_)
    ranAgain_ = event.monotonicMicroseconds;
}

void Teller::takeDevice(const JournalEvent& event, const json& data) {
  auto leg = numberOf(data, "leg");
  if (leg >= story_.legs.size()) return;
  bool isSource = textOf(data, "role") == "source";
  auto& part = isSource ? story_.legs[leg].source : story_.legs[leg].destination;
  part.step = textOf(data, "step");
  if (data.contains("vmMigTransferRows")) part.rows = static_cast<std::uint32_t>(numberOf(data, "vmMigTransferRows"));
  part.missing = static_cast<std::uint32_t>(numberOf(data, "vmMigTransferMissing"));
  part.chunks = static_cast<std::uint32_t>(numberOf(data, "vmMigTransferChunks"));
  part.octets = numberOf(data, "vmMigTransferOctets");
  part.digest = textOf(data, "vmMigTransferDigest");
  part.error = textOf(data, "vmMigTransferError");
  part.blockedUtc = numberOf(data, "vmMigTransferBlockedTime");
  part.lastReadUtc = numberOf(data, "vmMigTransferLastReadTime");
  part.commitUtc = numberOf(data, "vmMigTransferCommitTime");
  part.finishedUtc = numberOf(data, "vmMigTransferFinishedTime");
  if (auto tables = data.find("tables"); tables != data.end() && tables->is_object())
    for (const auto& [table, rows] : tables->items())
      if (rows.is_number_unsigned()) story_.legs[leg].tables[table] = rows.get<std::uint32_t>();
  auto failure = textOf(data, "failure");
  if (!failure.empty() && story_.legs[leg].failure.empty()) {
    story_.legs[leg].failure = failure;
    failedAt_[leg] = event.monotonicMicroseconds;
  }
  enter(laneOf(part.name, isSource ? LaneKind::source : LaneKind::destination), part.step, toneOf(part.step),
        event.monotonicMicroseconds);
}

Lane& Teller::laneOf(const std::string& name, LaneKind kind) {
  auto found = std::find_if(story_.lanes.begin(), story_.lanes.end(),
                            [&](const Lane& lane) { return lane.name == name && lane.kind == kind; });
  if (found != story_.lanes.end()) return *found;
  std::string role = kind == LaneKind::host ? "host" : kind == LaneKind::source ? "source" : "destination";
  return story_.lanes.emplace_back(Lane{name, std::move(role), kind, {}});
}

/// The state before it ends here; this one lasts until another comes.
void Teller::enter(Lane& lane, std::string word, Tone tone, std::int64_t at) {
  if (!lane.spans.empty()) {
    if (lane.spans.back().word == word) return;
    lane.spans.back().to = at;
  }
  lane.spans.push_back({std::move(word), tone, at, std::max(at, story_.end)});
}

void Teller::addMoments() {
  const auto& line = story_.timeline;
  const std::pair<const char*, std::optional<std::int64_t>> all[] = {{"stop", line.stop},          {"blocked", line.blocked},
                                                                     {"last read", line.lastRead}, {"commit", line.commit},
                                                                     {"release", line.release},    {"resume", line.resume}};
  for (const auto& [name, at] : all)
    if (at) story_.moments.push_back({name, *at});
}

/// What the VM itself did, as far as the moments tell.
void Teller::addVmLane() {
  if (story_.end == story_.begin && !story_.hasStop()) return;
  const auto& plan = migration_.plan;
  Lane lane{plan.vmName, "VM", LaneKind::vm, {}};
  auto at = [](const std::string& host) { return host.empty() ? std::string{"runs"} : "runs at " + host; };
  if (!story_.hasStop() || story_.zero > story_.begin)
    lane.spans.push_back({at(plan.sourceHost), Tone::waits, story_.begin, story_.hasStop() ? story_.zero : story_.end});
  auto again = story_.timeline.resume ? story_.timeline.resume : ranAgain_;
  story_.stopEnds = again.value_or(story_.end);
  if (story_.hasStop()) {
    lane.spans.push_back({"stopped", Tone::works, story_.zero, story_.stopEnds});
    if (again && *again < story_.end)
      lane.spans.push_back(
          {at(story_.timeline.resume ? plan.destinationHost : plan.sourceHost), Tone::waits, *again, story_.end});
  }
  story_.lanes.insert(story_.lanes.begin(), std::move(lane));
}

/// Hosts, then each leg's source and destination, in the order of the plan.
void Teller::sortLanes() {
  auto place = [&](const Lane& lane) -> std::size_t {
    if (lane.kind == LaneKind::vm) return 0;
    if (lane.kind == LaneKind::host) return lane.name == migration_.plan.sourceHost ? 1 : 2;
    for (std::size_t leg = 0; leg < story_.legs.size(); ++leg) {
      if (lane.kind == LaneKind::source && lane.name == story_.legs[leg].source.name) return 3 + 2 * leg;
      if (lane.kind == LaneKind::destination && lane.name == story_.legs[leg].destination.name) return 4 + 2 * leg;
    }
    return 3 + 2 * story_.legs.size();
  };
  std::stable_sort(story_.lanes.begin(), story_.lanes.end(), [&](const Lane& a, const Lane& b) { return place(a) < place(b); });
}

/// The device that a sentence begins with.
std::string Teller::deviceIn(const std::string& text) const {
  for (const auto& leg : story_.legs)
    for (const auto* side : {&leg.source, &leg.destination})
      if (text.starts_with(side->name + ": ") || text.starts_with(side->name + " ")) return side->name;
  return {};
}

/// A device that has only fallen silent tells nothing itself.
void Teller::addSilent() {
  for (const auto& lane : story_.lanes) {
    if (lane.kind < LaneKind::source || lane.spans.empty() || lane.spans.back().word != "lost") continue;
    story_.refusals.push_back({lane.spans.back().from, lane.name,
                               "it did not take the end of the transfer, and is left to its own deadline: see whether it is up, "
                               "its snmpd and its vmmigd"});
  }
}

/// A failure is told by the leg, and begins with the device's name when a device said it; what a device says besides is its own.
void Teller::addRefusals() {
  for (std::size_t leg = 0; leg < story_.legs.size(); ++leg) {
    const auto& part = story_.legs[leg];
    if (!part.failure.empty()) {
      auto isOf = [&](const std::string& device) { return part.failure.starts_with(device + ": "); };
      auto device = isOf(part.source.name) ? part.source.name : isOf(part.destination.name) ? part.destination.name : "";
      auto text = device.empty() ? part.failure : part.failure.substr(device.size() + 2);
      story_.refusals.push_back({failedAt_[leg], device, text});
    }
    for (const auto* side : {&part.source, &part.destination}) {
      bool isNew = !side->error.empty() && part.failure.find(side->error) == std::string::npos;
      if (isNew) story_.refusals.push_back({story_.timeline.commit.value_or(story_.end), side->name, side->error});
      if (side->missing == 0) continue;
      auto text = counted(side->missing, "row") + " could not be taken (bestEffort); the log of its vmmigd names the first ten";
      story_.refusals.push_back({story_.timeline.commit.value_or(story_.end), side->name, text});
    }
  }
  addSilent();
  bool isTold = std::any_of(story_.refusals.begin(), story_.refusals.end(),
                            [&](const Refusal& refusal) { return migration_.reason.find(refusal.text) != std::string::npos; });
  if (!migration_.reason.empty() && !isTold)
    story_.refusals.push_back({story_.end, deviceIn(migration_.reason), migration_.reason});
  std::stable_sort(story_.refusals.begin(), story_.refusals.end(),
                   [](const Refusal& a, const Refusal& b) { return a.at < b.at; });
}

Story Teller::take() {
  addMoments();
  addVmLane();
  sortLanes();
  addRefusals();
  return std::move(story_);
}

}  // namespace

Story storyOf(const JournalMigration& migration, const std::vector<JournalEvent>& events, std::int64_t now) {
  return Teller{migration, events, now}.take();
}

}  // namespace vmmig::page

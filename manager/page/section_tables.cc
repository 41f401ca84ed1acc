// SPDX-License-Identifier: GPL-2.0-or-later
// The page's tables: what the drawings show, and what they have no room for.
#include <algorithm>

#include "manager/page/format.h"
#include "manager/page/sections.h"

namespace vmmig::page {

namespace {

void beginSection(Html& html, const char* id, const std::string& heading) {
  html.open("section", {{"aria-labelledby", id}}).element("h2", heading, {{"id", id}});
}

void beginTable(Html& html, const std::string& caption, std::initializer_list<const char*> headings, const char* id = nullptr) {
  if (id)
    html.open("table", {{"id", id}});
  else
    html.open("table");
  html.element("caption", caption).open("thead").open("tr");
  for (std::string_view heading : headings) {
    bool isNumber = heading.starts_with('#');
    if (isNumber) heading.remove_prefix(1);
    html.element("th", heading, {{"scope", "col"}, {"class", isNumber ? "number" : "text"}});
  }
  html.close("tr").close("thead").open("tbody");
}

void endTable(Html& html) { html.close("tbody").close("table"); }

void addNumberRow(Html& html, const std::string& name, std::uint64_t number, const char* style = "") {
  html.open("tr", {{"class", style}}).element("th", name, {{"scope", "row"}}).open("td", {{"class", "number"}});
  addNumber(html, number);
  html.close("td").close("tr");
}

void addTables(Html& html, const LegPart& leg, bool isRowByRow) {
  if (leg.tables.empty()) {
    html.element("p", leg.source.rows ? "Which tables the rows are of has not been recorded." : "No rows were read.",
                 {{"class", "muted"}});
    return;
  }
  beginTable(html, isRowByRow ? "Rows that were read, by table" : "Rows of the image, by table", {"Table", "#Rows"});
  std::uint64_t sum = 0;
  for (const auto& [table, rows] : leg.tables) {
    addNumberRow(html, table, rows);
    sum += rows;
  }
  addNumberRow(html, "All tables", sum, "total");
  endTable(html);
}

struct Line {
  const char* name;
  void (*write)(Html& html, const DevicePart& part);
  bool (*says)(const DevicePart& part);
};

template <std::uint64_t DevicePart::*member>
constexpr Line timeLine(const char* name) {
  return {name,
          [](Html& html, const DevicePart& part) {
            if (part.*member == 0)
              html.text("–");
            else
              html.element("time", utcText(part.*member).substr(11), {{"datetime", isoText(part.*member)}});
          },
          [](const DevicePart& part) { return part.*member != 0; }};
}

constexpr Line lines[] = {
    {"State", [](Html& html, const DevicePart& part) { html.text(part.step); }, [](const DevicePart&) { return true; }},
    {"Rows",
     [](Html& html, const DevicePart& part) {
       if (part.rows)
         addNumber(html, *part.rows);
       else
         html.text("–");
     },
     [](const DevicePart&) { return true; }},
    {"Missing rows", [](Html& html, const DevicePart& part) { addNumber(html, part.missing); },
     [](const DevicePart& part) { return part.missing != 0; }},
    {"Chunks", [](Html& html, const DevicePart& part) { addNumber(html, part.chunks); },
     [](const DevicePart& part) { return part.chunks != 0; }},
    {"Octets", [](Html& html, const DevicePart& part) { addNumber(html, part.octets); },
     [](const DevicePart& part) { return part.octets != 0; }},
    timeLine<&DevicePart::blockedUtc>("Blocked, by its clock (UTC)"),
    timeLine<&DevicePart::lastReadUtc>("Last read, by its clock"),
    timeLine<&DevicePart::commitUtc>("Commit, by its clock"),
    timeLine<&DevicePart::finishedUtc>("Finished, by its clock"),
};

void addDevices(Html& html, const LegPart& leg) {
  html.open("table", {{"class", "devices"}});
  html.element("caption", "What each device said last").open("thead").open("tr").element("td", "");
  for (const auto* part : {&leg.source, &leg.destination}) {
    html.open("th", {{"scope", "col"}}).element("bdi", part->name).raw("<br>");
    html.element("span", part == &leg.source ? "source" : "destination", {{"class", "role"}}).close("th");
  }
  html.close("tr").close("thead").open("tbody");
  for (const auto& line : lines) {
    if (!line.says(leg.source) && !line.says(leg.destination)) continue;
    html.open("tr").element("th", line.name, {{"scope", "row"}});
    for (const auto* part : {&leg.source, &leg.destination}) {
      html.open("td");
      line.write(html, *part);
      html.close("td");
    }
    html.close("tr");
  }
  endTable(html);
}

void addDigests(Html& html, const LegPart& leg) {
  const auto &source = leg.source.digest, &destination = leg.destination.digest;
  if (source.empty() && destination.empty()) return;
  html.open("p");
  if (source == destination) {
    html.open("span", {{"class", "holds"}})
        .element("span", "✓ ", {{"aria-hidden", "true"}})
        .text("Digests are equal: ")
        .close("span");
    html.element("code", source, {{"class", "digest"}});
  } else if (!source.empty() && !destination.empty()) {
    html.open("span", {{"class", "broken"}})
        .element("span", "✕ ", {{"aria-hidden", "true"}})
        .text("Digests differ: ")
        .close("span");
    html.element("code", source, {{"class", "digest"}}).text(" at the source, ");
    html.element("code", destination, {{"class", "digest"}}).text(" at the destination.");
  } else {
    html.text(source.empty() ? "Digest at the destination: " : "Digest at the source alone: ");
    html.element("code", source.empty() ? destination : source, {{"class", "digest"}});
  }
  html.close("p");
}

/// After the stop; and by the clock on the wall.
void addWhen(Html& html, std::int64_t offset, std::uint64_t utc = 0) {
  html.open("td", {{"class", "when"}}).element("data", offsetText(offset), {{"value", std::to_string(offset)}});
  if (utc != 0) html.element("time", utcText(utc).substr(11), {{"class", "utc"}, {"datetime", isoText(utc)}});
  html.close("td");
}

const char* zeroOf(const Story& story) { return story.hasStop() ? "After the stop" : "After the begin"; }

}  // namespace

void addLegs(Html& html, const JournalMigration& migration, const Story& story) {
  if (story.legs.empty()) return;
  beginSection(html, "legs", "Rows and devices");
  html.open("div", {{"class", "legs"}});
  for (const auto& leg : story.legs) {
    html.open("div");
    html.open("h3").element("bdi", leg.source.name).text(" → ").element("bdi", leg.destination.name).close("h3");
    addTables(html, leg, migration.plan.rowByRow);
    addDevices(html, leg);
    addDigests(html, leg);
    html.close("div");
  }
  html.close("div");
  auto isTold = [&](auto ofKind) {
    return std::any_of(story.lanes.begin(), story.lanes.end(), [&](const Lane& lane) { return ofKind(lane.kind); });
  };
  // An older vmmig wrote down moments, but neither hosts nor devices.
  bool areHostsTold = isTold([](LaneKind kind) { return kind == LaneKind::host; });
  bool isOld = !areHostsTold && (story.timeline.blocked || story.timeline.lastRead || story.timeline.commit);
  if (!isTold([](LaneKind kind) { return kind >= LaneKind::source; }))
    html.element("p",
                 isOld          ? "The journal has no record of what the devices did."
                 : areHostsTold ? "No device was touched."
                                : "The journal tells of nothing that was done at a device.",
                 {{"class", "muted"}});
  html.close("section");
}

void addRefusals(Html& html, const Story& story) {
  beginSection(html, "refusals", "What was refused or failed");
  if (story.refusals.empty()) {
    html.element("p", "Nothing.").close("section");
    return;
  }
  beginTable(html, "In the order in which it was told", {zeroOf(story), "Device", "What, and why"}, "refusal-table");
  for (const auto& refusal : story.refusals) {
    html.open("tr");
    addWhen(html, refusal.at - story.zero);
    html.open("td").element("bdi", refusal.device.empty() ? "–" : refusal.device).close("td");
    html.open("td").element("bdi", refusal.text).close("td").close("tr");
  }
  endTable(html);
  html.close("section");
}

void addMoments(Html& html, const Story& story) {
  if (story.moments.empty()) return;
  beginSection(html, "moments", "Moments of the stop");
  beginTable(html, "With several devices the stop and the block are the first that was told, the others the last",
             {"Moment", "#After the stop", "#After the one before"}, "moment-table");
  auto before = story.zero;
  for (const auto& moment : story.moments) {
    html.open("tr").element("th", moment.name, {{"scope", "row"}}).open("td", {{"class", "number"}});
    html.element("data", offsetText(moment.at - story.zero), {{"value", std::to_string(moment.at - story.zero)}}).close("td");
    html.element("td", offsetText(moment.at - before), {{"class", "number"}}).close("tr");
    before = moment.at;
  }
  endTable(html);
  html.close("section");
}

void addLanes(Html& html, const Story& story) {
  if (story.lanes.empty()) return;
  beginSection(html, "lanes", "Who was in which state, and when");
  beginTable(html, "What the timeline shows", {"Who", "State", "#From", "#For"}, "lane-table");
  for (const auto& lane : story.lanes)
    for (const auto& span : lane.spans) {
      html.open("tr");
      bool isFirst = &span == &lane.spans.front();
      if (isFirst) {
        html.open("th", {{"scope", "rowgroup"}, {"rowspan", std::to_string(lane.spans.size())}});
        html.element("bdi", lane.name).raw("<br>").element("span", lane.role, {{"class", "role"}}).close("th");
      }
      html.element("td", span.word).element("td", offsetText(span.from - story.zero), {{"class", "number"}});
      bool isLast = &span == &lane.spans.back() && span.to >= story.end;
      html.element("td", isLast ? "to the end" : durationText(span.to - span.from), {{"class", "number"}}).close("tr");
    }
  endTable(html);
  html.close("section");
}

void addEvents(Html& html, const Story& story, const std::vector<JournalEvent>& events) {
  beginSection(html, "events", "Every event");
  beginTable(html, std::to_string(events.size()) + " events", {zeroOf(story), "Moment", "What"}, "event-table");
  for (const auto& event : events) {
    html.open("tr");
    addWhen(html, event.monotonicMicroseconds - story.zero, event.utcMicroseconds);
    html.element("td", name(event.mark)).open("td").element("bdi", event.text).close("td").close("tr");
  }
  endTable(html);
  html.close("section");
}

}  // namespace vmmig::page

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/page/timeline.h"

#include <algorithm>

#include "manager/page/chart.h"
#include "manager/page/format.h"

namespace vmmig::page {

namespace {

/// The VM and hosts, then devices: who is at work in the range, and when.
std::string describe(const Story& story, const Chart::Range& range) {
  std::string text = "Times count from " + std::string{story.hasStop() ? "the stop" : "the begin"} + ". ";
  for (const auto& lane : story.lanes) {
    text += lane.name + " (" + lane.role + "):";
    for (const auto& span : lane.spans)
      if (span.to >= range.from && span.from <= range.to)
        text +=
            " " + span.word + " from " + offsetText(span.from - range.zero) + " for " + durationText(span.to - span.from) + ",";
    text.back() = '.';
    text += ' ';
  }
  text += "The tables below have the same figures.";
  return text;
}

/// A little room before and behind.
Chart::Range withMargin(std::int64_t from, std::int64_t to, std::int64_t zero, double part) {
  auto margin = static_cast<std::int64_t>(static_cast<double>(to - from) * part) + 1;
  return {from - margin, to + margin, zero};
}

}  // namespace

void drawOverview(Html& html, const Story& story, Width width, const std::string& id) {
  auto range = withMargin(story.begin, story.end, story.zero, 0.01);
  Chart chart{width, range};
  if (story.hasStop()) chart.band(story.zero, story.stopEnds, "stopped for " + durationText(story.stopEnds - story.zero));
  for (const auto& lane : story.lanes) chart.lane(lane);
  chart.draw(html, id, "The whole migration, lane by lane", describe(story, range));
}

/// As far as the manager was needed; when the VM then ran is seen in the overview where it would squeeze the rest.
void drawStop(Html& html, const Story& story, Width width, const std::string& id) {
  auto last = story.timeline.release ? *story.timeline.release : story.stopEnds;
  auto range = withMargin(story.zero, std::max(last, story.zero), story.zero, 0.12);
  bool isNear = story.stopEnds - story.zero <= 2 * (range.to - story.zero);
  if (isNear) range.to = std::max(range.to, withMargin(story.zero, story.stopEnds, story.zero, 0.12).to);
  Chart chart{width, range};
  chart.band(story.zero, std::min(last, range.to), "");
  for (const auto& moment : story.moments)
    if (moment.at >= range.from && moment.at <= range.to)
      chart.mark(moment, moment.at == story.zero ? moment.name : moment.name + " " + offsetText(moment.at - story.zero));
  for (const auto& lane : story.lanes) chart.lane(lane);
  chart.draw(html, id, "The stop, magnified", describe(story, range));
}

}  // namespace vmmig::page

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/page/sections.h"

#include "manager/page/format.h"
#include "manager/page/timeline.h"

namespace vmmig::page {

using migration::Outcome;

namespace {

struct Verdict {
  const char* style;
  const char* sign;
  std::string words;
};

Verdict verdictOf(const JournalMigration& migration) {
  if (!migration.outcome && migration.isRunning) return {"warn", "…", "Still under way when this page was written"};
  if (!migration.outcome)
    return {"bad", "✕", "Interrupted: its manager ended before it did; the next vmmig serve brings it to its end"};
  switch (*migration.outcome) {
    case Outcome::moved: return {"good", "✓", "Moved: the destination holds all of its network state"};
    case Outcome::notMoved: return {"warn", "↩", "Not moved: everything was taken back, the source holds its state as before"};
    case Outcome::unreachable: return {"bad", "✕", "Not moved: a device was unreachable, and everything was taken back"};
    case Outcome::incomplete: return {"bad", "▲", "Moved with something missing"};
  }
  return {"bad", "?", stateOf(migration)};
}

/// "host-a", or "fw-a, sw-a" without a host.
std::string placeOf(const JournalPlan& plan, const std::string& host, std::string migration::LegPlan::*device) {
  if (!host.empty()) return host;
  std::string devices;
  for (const auto& leg : plan.legs) devices += (devices.empty() ? "" : ", ") + leg.*device;
  return devices.empty() ? "unknown" : devices;
}

void addFact(Html& html, const char* name, const std::string& value, const char* inner = "bdi") {
  html.open("div").element("dt", name).open("dd").element(inner, value).close("dd").close("div");
}

void addTime(Html& html, const char* name, std::uint64_t utc) {
  html.open("div").element("dt", name).open("dd");
  html.element("time", utcText(utc) + " UTC", {{"datetime", isoText(utc)}}).close("dd").close("div");
}

}  // namespace

void addNumber(Html& html, std::uint64_t number) { html.element("data", grouped(number), {{"value", std::to_string(number)}}); }

void addHead(Html& html, const JournalMigration& migration, const Story& story, const Now& now) {
  const auto& plan = migration.plan;
  auto verdict = verdictOf(migration);
  html.open("header");
  html.element("p", "Migration " + std::to_string(migration.id), {{"class", "muted"}});
  html.open("h1").text("VM ").element("bdi", plan.vmName).close("h1");
  html.open("p").open("code").text(toString(plan.vm)).close("code").close("p");
  html.open("p", {{"class", std::string{"outcome "} + verdict.style}});
  html.element("span", verdict.sign, {{"aria-hidden", "true"}}).text(" " + verdict.words).close("p");
  if (!migration.reason.empty()) html.open("p").element("bdi", migration.reason, {{"id", "reason"}}).close("p");
  html.open("dl", {{"class", "facts"}});
  addFact(html, "From", placeOf(plan, plan.sourceHost, &migration::LegPlan::source));
  addFact(html, "To", placeOf(plan, plan.destinationHost, &migration::LegPlan::destination));
  addTime(html, "Begun", migration.startedUtc);
  if (migration.endedUtc != 0) addTime(html, "Ended", migration.endedUtc);
  auto until = migration.endedUtc != 0 ? migration.endedUtc : migration.isRunning ? now.utcMicroseconds : 0;
  if (until > migration.startedUtc)
    addFact(html, "Took", durationText(static_cast<std::int64_t>(until - migration.startedUtc)), "span");
  bool isRequired = plan.policy == TransferPolicy::require;
  addFact(html, "Policy", isRequired ? "require: all of it or nothing" : "bestEffort: what cannot be moved is left out and told",
          "span");
  addFact(html, "Carried", plan.rowByRow ? "row by row" : "as packed images", "span");
  if (plan.now) addFact(html, "Stop", "no hypervisor was waited for (--now)", "span");
  if (migration.epoch != 0) addFact(html, "Epoch", std::to_string(migration.epoch), "span");
  html.close("dl").close("header");
  if (story.legs.empty()) html.element("p", "No devices took part.", {{"class", "muted"}});
}

namespace {

struct Figure {
  Html& html;
  Figure(Html& page, const char* name, const char* id) : html(page) {
    html.open("div").element("dt", name).open("dd", {{"id", id}});
  }
  ~Figure() { html.close("dd").close("div"); }
  void note(const std::string& text) { html.element("span", text, {{"class", "note"}}); }
};

std::optional<std::int64_t> momentOf(const Story& story, const std::string& name) {
  for (const auto& moment : story.moments)
    if (moment.name == name) return moment.at;
  return std::nullopt;
}

/// stop <= last read <= commit <= release <= resume; a host may run the VM before its answer to the release has come, and then no
/// release is told.
void addProof(Html& html, const Story& story) {
  std::vector<std::string> chain{"stop", "last read", "commit", "release", "resume"};
  if (!story.timeline.release && story.timeline.resume) std::erase(chain, "release");
  html.open("div", {{"class", "proof"}});
  bool isWhole = true, isBroken = false, isAny = false;
  Html steps;
  for (std::size_t at = 1; at < chain.size(); ++at) {
    auto first = momentOf(story, chain[at - 1]), second = momentOf(story, chain[at]);
    bool isKnown = first && second, holds = isKnown && *first <= *second;
    isWhole = isWhole && isKnown;
    isAny = isAny || isKnown;
    isBroken = isBroken || (isKnown && !holds);
    auto text = chain[at - 1] + " ≤ " + chain[at] + ": ";
    text += !isKnown ? "not reached"
            : holds  ? "holds, by " + durationText(*second - *first)
                     : "DOES NOT HOLD, by " + durationText(*first - *second);
    const char* sign = !isKnown ? "– " : holds ? "✓ " : "✕ ";
    steps.open("li", {{"class", !isKnown ? "unknown" : holds ? "holds" : "broken"}});
    steps.element("span", sign, {{"aria-hidden", "true"}}).text(text).close("li");
  }
  html.open("p").element("strong",
                         isBroken  ? "The order does not hold."
                         : isWhole ? "The order is proven."
                         : !isAny  ? "There is no order to prove: it did not come that far."
                                   : "The order is proven as far as it came.",
                         {{"id", "order"}});
  html.text(" Each moment as the manager learned it, by its monotone clock:").close("p");
  html.open("ol", {{"class", "steps"}}).raw(steps.str()).close("ol").close("div");
}

}  // namespace

void addFigures(Html& html, const JournalMigration& migration, const Story& story) {
  const auto& totals = migration.totals;
  html.open("section", {{"class", "whole"}, {"aria-labelledby", "figures"}}).element("h2", "Figures", {{"id", "figures"}});
  html.open("dl", {{"class", "figures"}});
  {
    Figure figure{html, "Added blackout", "blackout"};
    if (auto blackout = story.timeline.addedBlackoutMs()) {
      char value[40];
      std::snprintf(value, sizeof value, "%.3f", *blackout);
      html.open("data", {{"value", value}}).text(std::string{value} + " ms").close("data");
      figure.note("from the stop to the hold's release");
    } else {
      html.text("–");
      figure.note(story.hasStop() ? "no hold was released" : "the VM was not stopped");
    }
  }
  {
    bool isTakenBack = migration.outcome == Outcome::notMoved || migration.outcome == Outcome::unreachable;
    Figure figure{html, isTakenBack ? "Rows copied" : "Rows moved", "rows"};
    addNumber(html, totals.rows);
    if (isTakenBack && totals.rows != 0) figure.note("and taken back");
    if (!migration.outcome) figure.note("told at the end");
  }
  {
    Figure figure{html, "Missing rows", "missing"};
    addNumber(html, totals.missing);
  }
  {
    Figure figure{html, "Octets carried", "octets"};
    addNumber(html, totals.octets);
    if (migration.plan.rowByRow) figure.note("row by row none are counted");
  }
  html.close("dl");
  addProof(html, story);
  html.close("section");
}

void addTimeline(Html& html, const Story& story) {
  if (story.lanes.empty()) return;
  html.open("section", {{"class", "whole"}, {"aria-labelledby", "timeline"}}).element("h2", "Timeline", {{"id", "timeline"}});
  if (story.hasStop()) {
    html.element("h3", "The stop, magnified");
    drawStop(html, story, Width::wide, "stop-wide");
    drawStop(html, story, Width::narrow, "stop-narrow");
  }
  html.element("h3", "The whole migration");
  drawOverview(html, story, Width::wide, "all-wide");
  drawOverview(html, story, Width::narrow, "all-narrow");
  html.open("ul", {{"class", "key"}});
  const std::pair<const char*, const char*> keys[] = {{"waits", "goes on, or waits"},
                                                      {"works", "works, or stands still"},
                                                      {"undoes", "takes back"},
                                                      {"undone", "was taken back"}};
  for (const auto& [style, words] : keys) {
    html.open("li").open("span", {{"class", std::string{"swatch "} + style}, {"aria-hidden", "true"}}).close("span");
    html.text(words).close("li");
  }
  html.close("ul").close("section");
}

}  // namespace vmmig::page

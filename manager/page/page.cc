// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/page/page.h"

#include "config.h"
#include "manager/page/format.h"
#include "manager/page/sections.h"
#include "manager/page/style.h"

namespace vmmig::page {

namespace {

std::string titleOf(const JournalMigration& migration) {
  return "Migration " + std::to_string(migration.id) + " of VM " + migration.plan.vmName + ": " + stateOf(migration);
}

}  // namespace

std::string toHtml(const JournalMigration& migration, const std::vector<JournalEvent>& events, Now now) {
  auto story = storyOf(migration, events, now.monotonicMicroseconds);
  Html html;
  html.raw("<!DOCTYPE html>\n").open("html", {{"lang", "en"}}).open("head");
  html.single("meta", {{"charset", "utf-8"}});
  html.single("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  // No icon is asked for either: the page is one file.
  html.single("link", {{"rel", "icon"}, {"href", "data:,"}});
  html.element("title", titleOf(migration));
  html.open("style").raw(styleSheet()).close("style").close("head").open("body");
  addHead(html, migration, story, now);
  html.open("main");
  addFigures(html, migration, story);
  addTimeline(html, story);
  addRefusals(html, story);
  addLegs(html, migration, story);
  addMoments(html, story);
  addLanes(html, story);
  addEvents(html, story, events);
  html.close("main");
  html.open("footer").text("Written by " PACKAGE_STRING " at ");
  html.element("time", utcText(now.utcMicroseconds) + " UTC", {{"datetime", isoText(now.utcMicroseconds)}});
  html.text(" from its journal. Times are the manager's, unless they are said to be a device's.").close("footer");
  html.close("body").close("html");
  return html.str();
}

}  // namespace vmmig::page

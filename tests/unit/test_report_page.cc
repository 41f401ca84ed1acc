// SPDX-License-Identifier: GPL-2.0-or-later
// The page of `vmmig report`: of every kind of end, of old journals and hostile names; always well-formed, and with the figures
// of the journal. (tests/system/test_report.py looks at it in a browser.)
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "manager/page/page.h"
#include "manager/page/story.h"

namespace vmmig::page {
namespace {

using migration::Mark;
using migration::Outcome;
using nlohmann::json;

constexpr std::int64_t second = 1'000'000;
const std::string digest(64, 'a');

class Page : public testing::Test {
 protected:
  Page() {
    migration.id = 17;
    migration.plan.vm = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    migration.plan.vmName = "web1";
    migration.plan.sourceHost = "host-a";
    migration.plan.destinationHost = "host-b";
    migration.startedUtc = 1'700'000'000'000'000;
    migration.endedUtc = migration.startedUtc + 5 * second;
    migration.epoch = 99;
  }

  void tell(std::int64_t at, const std::string& text, Mark mark = Mark::none, const json& data = {}) {
    events.push_back({at, migration.startedUtc + static_cast<std::uint64_t>(at), mark, text,
                      data.is_null() ? "" : data.dump(-1, ' ', false, json::error_handler_t::replace)});
  }
  void tellHost(std::int64_t at, const std::string& host, const char* phase, const char* hold = "none") {
    tell(at, host + ": " + phase, Mark::none, {{"host", host}, {"vmMigPhase", phase}, {"vmMigPhaseHoldStatus", hold}});
  }
  void tellDevice(std::int64_t at, std::size_t leg, bool isSource, const char* step, json more = json::object(),
                  Mark mark = Mark::none) {
    const auto& plan = migration.plan.legs[leg];
    more["device"] = isSource ? plan.source : plan.destination;
    more["role"] = isSource ? "source" : "destination";
    more["leg"] = leg;
    more["step"] = step;
    tell(at, more["device"].get<std::string>() + ": " + step, mark, more);
  }

  /// `legs` pairs of devices, each with rows of its own number.
  void move(std::size_t legs, std::uint32_t missing = 0) {
    for (std::size_t leg = 0; leg < legs; ++leg)
      migration.plan.legs.push_back({"from-" + std::to_string(leg), "to-" + std::to_string(leg)});
    tellHost(0, "host-a", "preCopy");
    for (std::size_t leg = 0; leg < legs; ++leg) {
      tellDevice(1000, leg, true, "tracking");
      tellDevice(2000, leg, false, "prepared");
    }
    tell(3 * second, "stopped", Mark::stop);
    for (std::size_t leg = 0; leg < legs; ++leg) {
      auto later = 3 * second + static_cast<std::int64_t>(leg) * 100;
      tellDevice(later + 500, leg, true, "freezing");
      tellDevice(later + 3000, leg, true, "frozen", {{"vmMigTransferRows", 1000 + leg}, {"vmMigTransferDigest", digest}},
                 Mark::lastRead);
      tellDevice(later + 3500, leg, false, "committing");
      tellDevice(
          later + 6000, leg, false, "committed",
          {{"vmMigTransferRows", 1000 + leg - missing}, {"vmMigTransferMissing", missing}, {"vmMigTransferDigest", digest}},
          Mark::commit);
    }
    tell(3 * second + 7412, "released", Mark::release);
    tell(3 * second + 60'000, "resumed", Mark::resume);
    for (std::size_t leg = 0; leg < legs; ++leg)
      tellDevice(4 * second, leg, false, "done",
                 {{"vmMigTransferRows", 1000 + leg - missing},
                  {"vmMigTransferMissing", missing},
                  {"vmMigTransferDigest", digest},
                  {"tables", {{"vmMigTcpConnTable", 990 + leg}, {"vmMigFlowTable", 10}}}});
    migration.outcome = missing ? Outcome::incomplete : Outcome::moved;
    migration.totals = {12345, missing, 6'789'012, std::string(32, '\xaa')};
  }
  std::string html() { return toHtml(migration, events, {20 * second, migration.startedUtc + 20 * second}); }

  JournalMigration migration;
  std::vector<JournalEvent> events;
};

/// What is wrong with its form: tags that do not fit, an id that is there twice, something from elsewhere.
std::string faultOf(const std::string& html) {
  static const std::regex tag{R"(<(/?)([a-z0-9]+)((?: [a-zA-Z0-9-]+="[^"<>]*")*)>|<!DOCTYPE html>)"};
  static const std::set<std::string> isVoid{"meta", "link", "br"};
  static const std::regex id{R"( id="([^"]*)\")"};
  std::vector<std::string> open;
  std::set<std::string> ids;
  auto rest = html;
  auto style = rest.find("<style>");
  rest.erase(style + 7, rest.find("</style>") - style - 7);
  for (std::size_t at = rest.find('<'); at != std::string::npos; at = rest.find('<', at + 1)) {
    std::smatch match;
    auto begin = rest.cbegin() + static_cast<std::ptrdiff_t>(at);
    if (!std::regex_search(begin, rest.cend(), match, tag, std::regex_constants::match_continuous))
      return "no tag: " + rest.substr(at, 60);
    std::string name = match[2], attributes = match[3];
    std::smatch named;
    if (std::regex_search(attributes, named, id) && !ids.insert(named[1]).second)
      return "the id " + std::string{named[1]} + " twice";
    if (name == "script" || attributes.find("src=") != std::string::npos) return "not for itself: " + rest.substr(at, 60);
    if (name.empty() || isVoid.contains(name)) continue;
    if (match[1] == "/") {
      if (open.empty() || open.back() != name) return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else {
      open.push_back(name);
    }
  }
  if (!open.empty()) return "<" + open.back() + "> is not closed";
  for (const char* word : {"http:", "https:", "url(", "@import"})
    if (html.find(word) != std::string::npos) return std::string{"it refers to "} + word;
  return "";
}

bool has(const std::string& html, const std::string& text) { return html.find(text) != std::string::npos; }

TEST_F(Page, theCheckFindsWhatIsWrong) {
  move(1);
  auto good = html();
  EXPECT_EQ(faultOf(good), "");
  EXPECT_NE(faultOf(good + "<p>"), "");
  EXPECT_NE(faultOf(good + "<script></script>"), "");
  EXPECT_NE(faultOf(good + "<p id=\"figures\"></p>"), "");
}

TEST_F(Page, aMigrationThatMovedHasItsFigures) {
  move(2);
  auto page = html();
  EXPECT_EQ(faultOf(page), "");
  EXPECT_TRUE(has(page, "Moved: the destination holds all"));
  EXPECT_TRUE(has(page, "<data value=\"7.412\">7.412 ms</data>"));
  EXPECT_TRUE(has(page, "<data value=\"12345\">12,345</data>"));
  EXPECT_TRUE(has(page, "<data value=\"6789012\">6,789,012</data>"));
  EXPECT_TRUE(has(page, "The order is proven."));
  EXPECT_TRUE(has(page, "<data value=\"991\">991</data>")) << "rows of a table of the second leg";
  EXPECT_TRUE(has(page, "Digests are equal"));
  EXPECT_TRUE(has(page, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
  EXPECT_TRUE(has(page, "2023-11-14 22:13:20.000 UTC"));
}

TEST_F(Page, oneToTenDevicesHaveALaneEach) {
  for (std::size_t legs = 1; legs <= 10; ++legs) {
    migration.plan.legs.clear();
    events.clear();
    move(legs);
    EXPECT_EQ(faultOf(html()), "");
    auto story = storyOf(migration, events, 0);
    EXPECT_EQ(story.lanes.size(), 2 + 2 * legs) << "the VM, a host, and the devices";
    EXPECT_EQ(story.lanes[2].name, "from-0");
    EXPECT_EQ(story.lanes[3].name, "to-0");
  }
}

TEST_F(Page, anOrderThatDoesNotHoldIsSaid) {
  move(1);
  std::swap(events[5].mark, events[7].mark);  // commit before the last read
  auto page = html();
  EXPECT_TRUE(has(page, "The order does not hold."));
  EXPECT_TRUE(has(page, "last read ≤ commit: DOES NOT HOLD, by 3.000 ms"));
}

TEST_F(Page, missingRowsOfBestEffortAreTold) {
  migration.plan.policy = TransferPolicy::bestEffort;
  move(1, 3);
  auto page = html();
  EXPECT_EQ(faultOf(page), "");
  EXPECT_TRUE(has(page, "Moved with something missing"));
  EXPECT_TRUE(has(page, "3 rows could not be taken"));
}

TEST_F(Page, aRefusalNamesDeviceAndReason) {
  migration.plan.legs = {{"fw-a", "fw-b"}, {"sw-a", "sw-b"}};
  tellHost(0, "host-a", "preCopy");
  tellDevice(5000, 0, false, "prepared");
  tellDevice(9000, 0, false, "aborting",
             {{"failure", "fw-b: its transfer is failed: port vms does not exist here"},
              {"vmMigTransferError", "port vms does not exist here"}});
  tellDevice(9900, 0, false, "aborted", {{"failure", "fw-b: its transfer is failed: port vms does not exist here"}});
  migration.outcome = Outcome::notMoved;
  migration.reason = "fw-b: its transfer is failed: port vms does not exist here";
  auto story = storyOf(migration, events, 0);
  ASSERT_EQ(story.refusals.size(), 1u);
  EXPECT_EQ(story.refusals[0].device, "fw-b");
  EXPECT_EQ(story.refusals[0].at, 9000);
  EXPECT_EQ(story.refusals[0].text, "its transfer is failed: port vms does not exist here");
  EXPECT_FALSE(story.hasStop());
  auto page = html();
  EXPECT_EQ(faultOf(page), "");
  EXPECT_TRUE(has(page, "Not moved: everything was taken back"));
  EXPECT_TRUE(has(page, "the VM was not stopped"));
  EXPECT_FALSE(has(page, "The stop, magnified"));
}

TEST_F(Page, aDeviceThatFellSilentIsNamed) {
  migration.plan.legs = {{"fw-a", "fw-b"}};
  tellHost(0, "host-a", "preCopy");
  tellDevice(5000, 0, false, "prepared");
  tellDevice(9000, 0, false, "aborting");
  tellDevice(19000, 0, false, "lost");
  migration.outcome = Outcome::notMoved;
  migration.reason = "it took longer than the stop may last, waiting for fw-b (committing)";
  migration.totals.rows = 7;
  auto story = storyOf(migration, events, 0);
  ASSERT_EQ(story.refusals.size(), 2u);
  EXPECT_EQ(story.refusals[0].device, migration.plan.legs[0].destination);
  EXPECT_EQ(story.refusals[0].at, 19000);
  EXPECT_TRUE(has(story.refusals[0].text, "is left to its own deadline"));
  EXPECT_EQ(story.refusals[1].device, "");
  EXPECT_EQ(story.refusals[1].text, migration.reason);
  // And nothing that was taken back is called moved.
  EXPECT_TRUE(has(html(), "Rows copied") && has(html(), "and taken back"));
  EXPECT_FALSE(has(html(), "Rows moved"));
}

TEST_F(Page, aReasonIsTheDevicesWhoseNameItBeginsWith) {
  migration.plan.legs = {{"fw-a", "fw-b"}};
  tellHost(0, "host-a", "stopped");
  migration.outcome = Outcome::unreachable;
  migration.reason = migration.plan.legs[0].destination + " has no VM-MIGRATION-MIB: is its vmmigd running?";
  auto story = storyOf(migration, events, 0);
  ASSERT_EQ(story.refusals.size(), 1u);
  EXPECT_EQ(story.refusals[0].device, migration.plan.legs[0].destination);
  EXPECT_EQ(story.refusals[0].text, migration.reason);
  EXPECT_TRUE(has(html(), "No device was touched."));
  EXPECT_TRUE(has(html(), "There is no order to prove"));
}

TEST_F(Page, cancelledInTheStopTheVmRunsAgainAtItsSource) {
  move(1);
  std::erase_if(events, [](const JournalEvent& event) {
    return event.mark >= Mark::commit || event.monotonicMicroseconds > 3 * second + 5000;
  });
  tellHost(3 * second + 9000, "host-a", "cancelled", "cancelled");
  tell(5 * second, "VM web1: not moved");
  migration.outcome = Outcome::notMoved;
  migration.reason = "the operator stopped it";
  auto story = storyOf(migration, events, 0);
  ASSERT_EQ(story.lanes[0].spans.size(), 3u);
  EXPECT_EQ(story.lanes[0].spans[2].word, "runs at host-a");
  EXPECT_EQ(story.stopEnds, 3 * second + 9000);
  auto page = html();
  EXPECT_EQ(faultOf(page), "");
  EXPECT_TRUE(has(page, "no hold was released"));
  EXPECT_TRUE(has(page, "The order is proven as far as it came."));
  EXPECT_TRUE(has(page, "the operator stopped it"));
}

TEST_F(Page, oneThatStillRunsLastsUntilNow) {
  move(1);
  migration.endedUtc = 0;
  migration.outcome.reset();
  migration.isRunning = true;
  events.resize(7);
  EXPECT_EQ(storyOf(migration, events, 20 * second).end, 20 * second);
  auto page = html();
  EXPECT_EQ(faultOf(page), "");
  EXPECT_TRUE(has(page, "Still under way"));
  migration.isRunning = false;
  EXPECT_LT(storyOf(migration, events, 20 * second).end, 4 * second) << "nobody knows what came after its manager's end";
  EXPECT_TRUE(has(html(), "Interrupted"));
}

TEST_F(Page, anOldJournalHasMomentsAlone) {
  move(2);
  for (auto& event : events) event.data.clear();
  auto page = html();
  EXPECT_EQ(faultOf(page), "");
  EXPECT_TRUE(has(page, "<data value=\"7.412\">"));
  EXPECT_TRUE(has(page, "The journal has no record of what the devices did."));
  EXPECT_EQ(storyOf(migration, events, 0).lanes.size(), 1u);
}

TEST_F(Page, aMigrationWithoutAnyEventIsAPage) {
  migration.endedUtc = 0;
  migration.startedUtc = 0;
  EXPECT_EQ(faultOf(html()), "");
}

TEST_F(Page, dataOfAnyShapeIsSurvived) {
  move(1);
  for (const char* data :
       {"[]", "{", "17", R"({"device":7,"leg":"x"})", R"({"device":"from-0","leg":4711})", R"({"device":"from-0","leg":-1})",
        R"({"device":"from-0","leg":0,"role":3,"step":[],"tables":{"a":"b","c":-4},"vmMigTransferRows":"many"})",
        R"({"host":[],"vmMigPhase":{}})"})
    events.push_back({4 * second, 0, Mark::none, "", data});
  EXPECT_EQ(faultOf(html()), "");
}

TEST_F(Page, hostileTextStaysText) {
  std::string name = "<script>alert(1)</script>\"'&\xe2\x80\xae\xff\x01\xc0\xaf";
  name += std::string(255 - name.size(), 'W');
  migration.plan.vmName = name;
  migration.plan.sourceHost = "</title><b onclick=x>";
  migration.reason = "]]><![CDATA[ \"--> </svg>";
  move(1);
  migration.plan.legs[0] = {name, "sw \"b\""};
  tellDevice(4 * second + 1, 0, true, "aborting", {{"failure", name + ": <img src=x>"}});
  tellHost(4 * second + 2, "<i>", "<u>");
  auto page = html();
  EXPECT_EQ(faultOf(page), "");
  EXPECT_FALSE(has(page, "<script"));
  EXPECT_FALSE(has(page, "\xff"));
  EXPECT_TRUE(has(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
}

}  // namespace
}  // namespace vmmig::page

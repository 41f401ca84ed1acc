// SPDX-License-Identifier: GPL-2.0-or-later
// From what hosts tell of a VM: where it comes from and where it goes, or why that is not known.
#include <gtest/gtest.h>

#include "manager/itinerary.h"

namespace vmmig {
namespace {

const std::set<std::string> hosts{"host-a", "host-b", "host-c"};

HostSays says(const std::string& host, Phase phase, const std::string& source, const std::string& destination,
              HoldStatus hold = HoldStatus::none) {
  PhaseRow row;
  row.phase = phase;
  row.sourceHost.value = source;
  row.destinationHost.value = destination;
  row.holdStatus = hold;
  return {host, namedAsInventory(host, row, hosts)};
}

std::string shown(const std::vector<HostSays>& told) {
  auto itinerary = itineraryOf(told, hosts);
  if (!itinerary.problem.empty()) return itinerary.problem;
  return itinerary.source + ">" + itinerary.destination;
}

const auto leaving = says("host-a", Phase::preCopy, "host-a", "");
const auto prepared = says("host-b", Phase::prepared, "", "host-b");

TEST(Itinerary, isJoinedFromSourceAndDestinationInAnyOrder) {
  EXPECT_EQ(shown({leaving, prepared}), "host-a>host-b");
  EXPECT_EQ(shown({prepared, leaving}), "host-a>host-b");
  EXPECT_TRUE(itineraryOf({leaving, prepared}, hosts).isKnown());
}

TEST(Itinerary, isNotKnownFromOneSideAlone) {
  EXPECT_EQ(shown({leaving}), "host-a>");
  EXPECT_EQ(shown({prepared}), ">host-b");
  EXPECT_FALSE(itineraryOf({leaving}, hosts).isKnown());
  EXPECT_FALSE(itineraryOf({prepared}, hosts).isKnown());
  EXPECT_FALSE(itineraryOf({}, hosts).isKnown());
  EXPECT_EQ(whyUnknown(itineraryOf({leaving}, hosts)), "host host-a is its source, and no host says that it is prepared for it");
  EXPECT_EQ(whyUnknown(itineraryOf({prepared}, hosts)), "no host says that it is its source");
}

TEST(Itinerary, isKnownFromARowThatNamesBoth) {
  EXPECT_EQ(shown({says("host-a", Phase::preCopy, "host-a", "host-b")}), "host-a>host-b");
  EXPECT_EQ(shown({says("host-b", Phase::prepared, "host-a", "host-b")}), "host-a>host-b");
}

TEST(Itinerary, ofAHeldVmIsJoinedAsWell) {
  EXPECT_EQ(shown({says("host-a", Phase::stopped, "host-a", "", HoldStatus::held), prepared}), "host-a>host-b");
}

TEST(Itinerary, passesOverWhatIsHistory) {
  EXPECT_EQ(shown({leaving, prepared, says("host-c", Phase::resumed, "", "host-c")}), "host-a>host-b");
  EXPECT_EQ(shown({leaving, prepared, says("host-c", Phase::failed, "host-c", "")}), "host-a>host-b");
  EXPECT_EQ(shown({leaving, prepared, says("host-c", Phase::stopped, "host-c", "", HoldStatus::released)}), "host-a>host-b");
}

TEST(Itinerary, isAmbiguousWithTwoDestinationsPrepared) {
  auto other = says("host-c", Phase::prepared, "", "host-c");
  EXPECT_EQ(shown({leaving, prepared, other}),
            "hosts host-b and host-c are both prepared for it, and its source, host host-a, does not say to which it goes: end "
            "what is over "
            "there (vmmig phase HOST failed)");
  EXPECT_EQ(shown({prepared, other}), ">") << "as long as it does not leave, that is nobody's business";
}

TEST(Itinerary, believesTheHostThatNamesBothEnds) {
  auto other = says("host-c", Phase::prepared, "", "host-c");
  EXPECT_EQ(shown({says("host-a", Phase::preCopy, "host-a", "host-b"), other}), "host-a>host-b");
  EXPECT_EQ(shown({leaving, other, says("host-b", Phase::prepared, "host-a", "host-b")}), "host-a>host-b");
}

TEST(Itinerary, isAmbiguousWithTwoSources) {
  EXPECT_EQ(shown({leaving, says("host-c", Phase::preCopy, "host-c", ""), prepared}),
            "hosts host-a and host-c are both said to be its source: end what is over there (vmmig phase HOST cancelled)");
}

TEST(Itinerary, isNoneFromAHostToItself) {
  EXPECT_EQ(shown({leaving, says("host-b", Phase::prepared, "", "host-a")}),
            "host host-a is said to be both its source and its destination");
}

TEST(Itinerary, namesAHostThatTheInventoryDoesNotKnow) {
  EXPECT_EQ(shown({says("host-a", Phase::preCopy, "host-a", "node-9")}),
            "host node-9 is not in the inventory: add [host.node-9] (host host-a names it)");
  EXPECT_EQ(shown({says("host-a", Phase::preCopy, "host-a", "node-9"), prepared}), "host-a>host-b")
      << "who is prepared tells who it is";
  EXPECT_TRUE(itineraryOf({says("host-a", Phase::preCopy, "host-a", "node-9")}, hosts).isOfStranger) << "it may tell yet";
  EXPECT_FALSE(itineraryOf({leaving, says("host-b", Phase::prepared, "", "host-a")}, hosts).isOfStranger);
}

TEST(Itinerary, knowsAHostThatCallsItselfOtherwise) {
  EXPECT_EQ(shown({says("host-a", Phase::preCopy, "a.example.org", ""), says("host-b", Phase::prepared, "", "b.example.org")}),
            "host-a>host-b");
  EXPECT_EQ(shown({says("host-a", Phase::preCopy, "a.example.org", "host-b")}), "host-a>host-b");
  EXPECT_EQ(shown({says("host-a", Phase::preCopy, "", ""), says("host-b", Phase::prepared, "", "")}), "host-a>host-b");
}

TEST(Itinerary, knowsADestinationThatCallsItselfOtherwiseAndFails) {
  auto row = says("host-b", Phase::failed, "host-a", "b.example.org").row;
  EXPECT_EQ(row.sourceHost.value, "host-a");
  EXPECT_EQ(row.destinationHost.value, "host-b");
}

TEST(Itinerary, takesAHostThatNamesTheOtherSideAloneForItsOwnSide) {
  EXPECT_EQ(shown({says("host-b", Phase::prepared, "host-a", "")}), "host-a>host-b");
  EXPECT_EQ(shown({says("host-a", Phase::preCopy, "", "host-b")}), "host-a>host-b");
}

TEST(Itinerary, leavesWhatAThirdHostTellsAsItIs) {
  EXPECT_EQ(shown({says("host-c", Phase::preCopy, "host-a", "host-b")}), "host-a>host-b");
  auto row = says("host-c", Phase::preCopy, "host-a", "").row;
  EXPECT_EQ(row.sourceHost.value, "host-a");
  EXPECT_EQ(row.destinationHost.value, "");
}

}  // namespace
}  // namespace vmmig

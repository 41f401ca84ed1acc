// SPDX-License-Identifier: GPL-2.0-or-later
// Ranges and output of check_vmmig, as the monitoring plugins' guidelines have them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager/check/verdict.h"

namespace vmmig::check {
namespace {

bool alerts(const std::string& range, double value) { return parseRange(range).value().alerts(value); }

TEST(CheckRange, AnEndAloneBeginsAtZero) {
  EXPECT_FALSE(alerts("10", 0));
  EXPECT_FALSE(alerts("10", 10));
  EXPECT_TRUE(alerts("10", 10.5));
  EXPECT_TRUE(alerts("10", -1));
  EXPECT_TRUE(alerts("0", 1));
}

TEST(CheckRange, AStartAloneHasNoEnd) {
  EXPECT_TRUE(alerts("10:", 9));
  EXPECT_FALSE(alerts("10:", 1e12));
}

TEST(CheckRange, ATildeHasNoStart) {
  EXPECT_FALSE(alerts("~:10", -1e12));
  EXPECT_TRUE(alerts("~:10", 11));
}

TEST(CheckRange, NegativeAndFractionalEndsCount) {
  EXPECT_FALSE(alerts("-1.5:1.5", -1.5));
  EXPECT_TRUE(alerts("-1.5:1.5", -1.6));
}

TEST(CheckRange, AnAtSignAlertsInside) {
  EXPECT_TRUE(alerts("@10:20", 10));
  EXPECT_TRUE(alerts("@10:20", 20));
  EXPECT_FALSE(alerts("@10:20", 21));
}

TEST(CheckRange, WhatIsNoneIsRefused) {
  for (auto text : {"", "@", "a", "1:2:3", "20:10", ":", "10 ", "1e400", "nan", "~", "@~", "0x10", "1:~"})
    EXPECT_FALSE(parseRange(text)) << text;
}

Thresholds thresholds(const char* warning, const char* critical) {
  return {parseRange(warning).value(), parseRange(critical).value()};
}

TEST(CheckThresholds, CriticalComesBeforeWarning) {
  auto both = thresholds("5", "10");
  EXPECT_EQ(both.judge(5), State::ok);
  EXPECT_EQ(both.judge(6), State::warning);
  EXPECT_EQ(both.judge(11), State::critical);
  EXPECT_EQ(Thresholds{}.judge(1e9), State::ok);
}

TEST(CheckVerdict, PrintsPerformanceDataBehindTheText) {
  Verdict verdict{State::warning, "6 failed"};
  verdict.measure("failed", 6, "", thresholds("5", "10"));
  verdict.measure("offset", -0.25, "s");
  verdict.addLine("more");
  EXPECT_EQ(verdict.print(), "VMMIG WARNING - 6 failed | 'failed'=6;5;10 'offset'=-0.250000s;;\nmore\n");
}

TEST(CheckVerdict, ADevicesTextBreaksNeitherLinesNorPerformanceData) {
  Verdict verdict{State::critical, "bad | 'x'=1\n\033[2J"};
  verdict.addLine("a|b\nc");
  auto printed = verdict.print();
  EXPECT_THAT(printed, testing::Not(testing::HasSubstr("|")));
  EXPECT_THAT(printed, testing::Not(testing::HasSubstr("\033")));
  EXPECT_EQ(std::count(printed.begin(), printed.end(), '\n'), 2);
}

}  // namespace
}  // namespace vmmig::check

// SPDX-License-Identifier: GPL-2.0-or-later
// How the page of `vmmig report` writes what others say, and figures.
#include <gtest/gtest.h>

#include "manager/page/format.h"
#include "manager/page/html.h"

namespace vmmig::page {
namespace {

constexpr std::int64_t second = 1'000'000;

TEST(Escaping, whatIsNoTextIsReplaced) {
  EXPECT_EQ(escaped("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(escaped("ä€𝄞"), "ä€𝄞");
  const std::string replaced = "\xef\xbf\xbd";
  for (std::string bad : {"\xff", "\x80", "\x01", "\x7f", "\xc2\x85"}) EXPECT_EQ(escaped(bad), replaced) << bad;
  EXPECT_EQ(escaped("\xed\xa0\x80"), replaced + replaced + replaced) << "a surrogate";
  EXPECT_EQ(escaped("\xef\xbf\xbf"), replaced) << "a noncharacter";
  EXPECT_EQ(escaped("\u202e\u2066\u200f"), replaced + replaced + "\u200f") << "what turns the text behind it, and a mere mark";
  EXPECT_EQ(escaped("x\xe2\x82"), "x" + replaced + replaced) << "cut off";
  EXPECT_EQ(shortened("äöüß", 3), "ä…ß");
  EXPECT_EQ(shortened("firewall-17", 6), "fir…17");
  EXPECT_EQ(shortened("äöüß", 1), "…");
  EXPECT_EQ(shortened("äöüß", 4), "äöüß");
}

TEST(Figures, areForPeople) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(durationText(7412), "7.412 ms");
  EXPECT_EQ(durationText(169'469), "169.5 ms");
  EXPECT_EQ(durationText(2'350'000), "2.35 s");
  EXPECT_EQ(durationText(200 * second), "3 min 20 s");
  EXPECT_EQ(durationText(3720 * second), "1 h 2 min");
  EXPECT_EQ(offsetText(-2'500'000), "−2.50 s");
  EXPECT_EQ(tickText(-1'500'000, 500'000), "−1.5 s");
  EXPECT_EQ(tickText(20'000, 10'000), "+20 ms");
}

}  // namespace
}  // namespace vmmig::page

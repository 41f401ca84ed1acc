// SPDX-License-Identifier: GPL-2.0-or-later
// The octet encoding of the packed image: what it looks like, and that nothing but the canonical form is read.
#include "common/oer.h"

#include <gtest/gtest.h>

#include "common/hex.h"

namespace vmmig {
namespace {

std::string octets(std::string_view hex) { return fromHex(hex).value(); }

template <class Write>
std::string written(Write write) {
  std::string out;
  OerWriter writer{out};
  write(writer);
  return toHex(out);
}

TEST(Oer, IntegersAreBigEndianInTheirWidth) {
  EXPECT_EQ(written([](auto& w) { w.uint8(0xab); }), "ab");
  EXPECT_EQ(written([](auto& w) { w.uint16(0x0102); }), "0102");
  EXPECT_EQ(written([](auto& w) { w.uint32(0xfffefdfc); }), "fffefdfc");
  EXPECT_EQ(written([](auto& w) { w.uint64(0x0102030405060708); }), "0102030405060708");
  EXPECT_EQ(written([](auto& w) { w.int32(-2); }), "fffffffe");
}

TEST(Oer, IntegersAreReadAsWritten) {
  auto in = octets("ab0102fffefdfc0102030405060708fffffffe");
  OerReader reader{in};
  EXPECT_EQ(reader.uint8(), 0xab);
  EXPECT_EQ(reader.uint16(), 0x0102);
  EXPECT_EQ(reader.uint32(), 0xfffefdfc);
  EXPECT_EQ(reader.uint64(), 0x0102030405060708U);
  EXPECT_FALSE(reader.atEnd());
  EXPECT_EQ(reader.int32(), -2);
  EXPECT_TRUE(reader.atEnd());
}

TEST(Oer, LengthsTakeTheShortestForm) {
  EXPECT_EQ(written([](auto& w) { w.length(0); }), "00");
  EXPECT_EQ(written([](auto& w) { w.length(127); }), "7f");
  EXPECT_EQ(written([](auto& w) { w.length(128); }), "8180");
  EXPECT_EQ(written([](auto& w) { w.length(255); }), "81ff");
  EXPECT_EQ(written([](auto& w) { w.length(256); }), "820100");
  EXPECT_EQ(written([](auto& w) { w.length(0x10000); }), "83010000");
}

TEST(Oer, LengthsAreReadAsWritten) {
  for (std::size_t n : {0UL, 1UL, 127UL, 128UL, 255UL, 256UL, 65535UL, 65536UL, 0xffffffffUL, ~0UL}) {
    std::string out;
    OerWriter{out}.length(n);
    OerReader reader{out};
    EXPECT_EQ(reader.length(), n);
    EXPECT_TRUE(reader.atEnd());
  }
}

TEST(Oer, LengthsThatAreNotCanonicalAreRefused) {
  for (auto hex :
       {"80", "8100", "817f", "820080", "8200ff", "8900ffffffffffffffff", "8901ffffffffffffffff", "ff", "81", "8201", ""}) {
    auto in = octets(hex);
    EXPECT_FALSE(OerReader{in}.length()) << hex;
  }
}

TEST(Oer, QuantitiesHaveAMinimalNumberOfOctets) {
  EXPECT_EQ(written([](auto& w) { w.quantity(0); }), "0100");
  EXPECT_EQ(written([](auto& w) { w.quantity(255); }), "01ff");
  EXPECT_EQ(written([](auto& w) { w.quantity(256); }), "020100");
  for (std::size_t n : {0UL, 1UL, 255UL, 256UL, ~0UL}) {
    std::string out;
    OerWriter{out}.quantity(n);
    EXPECT_EQ(OerReader{out}.quantity(), n);
  }
  for (auto hex : {"00", "020001", "0200ff", "0901ffffffffffffffff", "01", "0201", ""}) {
    auto in = octets(hex);
    EXPECT_FALSE(OerReader{in}.quantity()) << hex;
  }
}

TEST(Oer, AnOctetStringThatClaimsMoreThanThereIsIsRefused) {
  auto in = octets("03aabb");
  EXPECT_FALSE(OerReader{in}.octets());
  in = octets("88ffffffffffffffff00");
  EXPECT_FALSE(OerReader{in}.octets());
  in = octets("02aabb");
  EXPECT_EQ(OerReader{in}.octets(), octets("aabb"));
}

TEST(Oer, AfterTheFirstFailureEveryReadFails) {
  auto in = octets("05aabbccdd");
  OerReader reader{in};
  EXPECT_FALSE(reader.octets());
  EXPECT_FALSE(reader.uint8());
  EXPECT_FALSE(reader.raw(0));
  EXPECT_FALSE(reader.atEnd()) << "what failed has not been read to its end";
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// OIDs, UUIDs, addresses and hexadecimal: their text, and what is no such text.
#include <gtest/gtest.h>

#include "common/digest.h"
#include "common/hex.h"
#include "common/inet_address.h"
#include "common/oid.h"
#include "common/uuid.h"

namespace vmmig {
namespace {

using namespace std::string_view_literals;

TEST(Oids, AreReadWithAndWithoutALeadingDot) {
  EXPECT_EQ(parseOid("1.3.6.1"), (Oid{1, 3, 6, 1}));
  EXPECT_EQ(parseOid(".1.3.0.4294967295"), (Oid{1, 3, 0, 4294967295}));
  EXPECT_EQ(toString(*parseOid(".1.3.0.4294967295")), "1.3.0.4294967295");
}

TEST(Oids, WhatIsNoOidIsRefused) {
  for (auto text : {"", ".", "1.", "1..2", "..1", "1.4294967296", "1.-2", "1.+2", "1. 2", "1.2x", "sysDescr"})
    EXPECT_FALSE(parseOid(text)) << text;
}

TEST(Oids, Have128SubIdentifiersAtMost) {
  std::string text = "1";
  for (int i = 1; i < 128; ++i) text += ".1";
  ASSERT_TRUE(parseOid(text));
  EXPECT_EQ(parseOid(text)->size(), maxOidLength);
  EXPECT_FALSE(parseOid(text + ".1"));
}

TEST(Oids, OrderLikeSnmp) {
  EXPECT_TRUE(compare(Oid{1, 3}, Oid{1, 3, 0}) < 0);
  EXPECT_TRUE(compare(Oid{1, 3, 2}, Oid{1, 3, 10}) < 0);
  EXPECT_TRUE(compare(Oid{1, 4}, Oid{1, 3, 9}) > 0);
  EXPECT_TRUE(compare(Oid{1, 3}, Oid{1, 3}) == 0);
  EXPECT_TRUE(startsWith(Oid{1, 3, 6}, Oid{1, 3}));
  EXPECT_TRUE(startsWith(Oid{1, 3}, Oid{1, 3}));
  EXPECT_FALSE(startsWith(Oid{1}, Oid{1, 3}));
  EXPECT_FALSE(startsWith(Oid{1, 4, 6}, Oid{1, 3}));
  EXPECT_EQ((Oid{1, 3} + Oid{6, 1} + 4U), (Oid{1, 3, 6, 1, 4}));
}

TEST(Uuids, AreReadWithAndWithoutDashesInEitherCase) {
  auto uuid = parseUuid("6BA7B810-9dad-11d1-80b4-00c04fd430c8");
  ASSERT_TRUE(uuid);
  EXPECT_EQ(toString(*uuid), "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  EXPECT_EQ(parseUuid("6ba7b8109dad11d180b400c04fd430c8"), uuid);
  EXPECT_TRUE(parseUuid("00000000-0000-0000-0000-000000000000")->isNil());
  EXPECT_FALSE(uuid->isNil());
}

TEST(Uuids, WhatIsNoUuidIsRefused) {
  for (auto text :
       {"", "6ba7b810", "6ba7b810-9dad-11d1-80b4-00c04fd430c", "6ba7b810-9dad-11d1-80b4-00c04fd430c88",
        "6ba7b8109-dad-11d1-80b4-00c04fd430c8", "6ba7b8109dad-11d1-80b4-00c04fd430c8", "{6ba7b810-9dad-11d1-80b4-00c04fd430}",
        "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "------------------------------------"})
    EXPECT_FALSE(parseUuid(text)) << text;
}

TEST(Addresses, AreReadAndShownInTheirNotation) {
  for (auto text : {"10.0.0.5", "255.255.255.255", "fd00::5", "::", "2001:db8::1:0:0:1"}) {
    auto address = parseInetAddress(text);
    ASSERT_TRUE(address) << text;
    EXPECT_TRUE(address->isConsistent());
    EXPECT_EQ(toString(*address), text);
  }
  EXPECT_EQ(toString(InetAddress{}), "-");
}

TEST(Addresses, WhatIsNoAddressIsRefused) {
  for (auto text :
       {""sv, "10.0.0"sv, "10.0.0.256"sv, "10.0.0.5/24"sv, "fd00::5%eth0"sv, "host"sv, " 10.0.0.5"sv, "10.0.0.5\0x"sv})
    EXPECT_FALSE(parseInetAddress(text)) << text;
}

TEST(Addresses, SomeAreOfMany) {
  for (auto text : {"224.0.0.0", "239.255.255.255", "ff00::", "ffff::1"}) {
    EXPECT_TRUE(isMulticast(*parseInetAddress(text))) << text;
    EXPECT_TRUE(isToMany(*parseInetAddress(text))) << text;
  }
  for (auto text : {"223.255.255.255", "240.0.0.0", "10.0.0.255", "fe80::1", "e000::"})
    EXPECT_FALSE(isToMany(*parseInetAddress(text))) << text;
  EXPECT_FALSE(isMulticast(*parseInetAddress("255.255.255.255")));
  EXPECT_TRUE(isToMany(*parseInetAddress("255.255.255.255")));
  EXPECT_FALSE(isToMany(InetAddress{}));
}

TEST(Addresses, TypeAndOctetsCanDisagreeAndSaySo) {
  auto address = *parseInetAddress("10.0.0.5");
  address.setBytes(std::string(16, 'x'));
  EXPECT_FALSE(address.isConsistent());
  EXPECT_EQ(toString(address).substr(0, 13), "inconsistent:");
  address.setBytes("\x0a");
  EXPECT_EQ(address.bytes(), "\x0a");
  EXPECT_FALSE(address.isConsistent());
  address.setBytes(std::string(300, 'x'));
  EXPECT_EQ(address.bytes().size(), 16U);
}

TEST(Addresses, ShorterOctetsLeaveNothingOfTheLongerOnesBehind) {
  auto a = *parseInetAddress("10.0.0.5");
  auto b = *parseInetAddress("fd00::5");
  b.type = InetAddressType::ipv4;
  b.setBytes(a.bytes());
  EXPECT_EQ(a, b);
}

TEST(Hex, GoesThereAndBack) {
  EXPECT_EQ(toHex("\x00\x7f\xff"sv), "007fff");
  EXPECT_EQ(fromHex("007FfF"), "\x00\x7f\xff"sv);
  EXPECT_EQ(fromHex(""), "");
  for (auto text : {"0", "0g", "0x00", "00 11"}) EXPECT_FALSE(fromHex(text)) << text;
}

TEST(Sha256, IsTheOneOfFips180) {
  Sha256 sha;
  sha.update("a");
  sha.update("bc");
  EXPECT_EQ(toHex(sha.finish()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace vmmig

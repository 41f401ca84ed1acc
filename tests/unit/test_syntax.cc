// SPDX-License-Identifier: GPL-2.0-or-later
// Every column of every table: what it takes, what it refuses and with which error of RFC 3416 section 4.2.5.
#include "mibs/textual_conventions.h"

#include <gtest/gtest.h>

#include "mibs/device_scalars.h"
#include "mibs/tcp_conn_table.h"
#include "tests/unit/random_row.h"

namespace vmmig {
namespace {

using namespace std::string_view_literals;

struct Case {
  const TableInfo* table;
  const ColumnInfo* column;
};

std::vector<Case> allColumns() {
  std::vector<Case> cases;
  for (const auto* table : mib::tables())
    for (const auto& column : table->columns) cases.push_back({table, &column});
  return cases;
}

class EveryColumn : public testing::TestWithParam<Case> {
 protected:
  const ColumnInfo& column() const { return *GetParam().column; }
  const Syntax& syntax() const { return *column().syntax; }
  AnyRow row() const { return AnyRow{*GetParam().table}; }

  /// A refusal is the expected one, and leaves the row as it was.
  void expectRefused(const smi::Value& value, SnmpStatus status) const {
    auto row = this->row();
    auto before = row.get(column());
    EXPECT_EQ(row.set(column(), value), status) << toString(value);
    EXPECT_EQ(row.get(column()), before);
  }
  void expectTaken(const smi::Value& value) const {
    auto row = this->row();
    EXPECT_EQ(row.set(column(), value), SnmpStatus::noError) << toString(value);
    EXPECT_EQ(row.get(column()), value);
  }
};

TEST_P(EveryColumn, TakesEveryLegalValueAndGivesItBack) {
  test::RandomRows random{1};
  for (int i = 0; i < 50; ++i) expectTaken(random.value(syntax()));
}

TEST_P(EveryColumn, RefusesEveryOtherTypeAsWrongType) {
  using smi::Type;
  for (auto type : {Type::null, Type::integer, Type::octetString, Type::objectId, Type::ipAddress, Type::counter32, Type::gauge32,
                    Type::timeTicks, Type::opaque, Type::counter64, Type::noSuchInstance})
    if (type != syntax().wire) expectRefused({type, 1, "x", {1, 3}}, SnmpStatus::wrongType);
}

TEST_P(EveryColumn, RefusesNumbersOutsideItsRangeAsWrongValue) {
  if (syntax().wire == smi::Type::octetString) return;
  expectRefused({syntax().wire, syntax().minimum - 1, {}, {}}, SnmpStatus::wrongValue);
  if (syntax().base != Syntax::Base::counter64)
    expectRefused({syntax().wire, syntax().maximum + 1, {}, {}}, SnmpStatus::wrongValue);
}

TEST_P(EveryColumn, RefusesNumbersWithoutALabelAsWrongValue) {
  if (syntax().base != Syntax::Base::enumeration) return;
  for (std::int64_t number = -2; number < 300; ++number)
    if (!detail::hasLabel(syntax().labels, number)) expectRefused({syntax().wire, number, {}, {}}, SnmpStatus::wrongValue);
}

TEST_P(EveryColumn, RefusesSizesOutsideItsOwnAsWrongLength) {
  if (syntax().base != Syntax::Base::octetString) return;
  for (std::int64_t size = 0; size <= std::min<std::int64_t>(syntax().maximum + 2, 300); ++size) {
    bool legal = size >= syntax().minimum && size <= syntax().maximum && (size - syntax().minimum) % syntax().step == 0;
    if (syntax().display == Syntax::Display::address) legal = size == 0 || size == 4 || size == 16;
    auto value = smi::Value::string(std::string(static_cast<std::size_t>(size), 'x'));
    legal ? expectTaken(value) : expectRefused(value, SnmpStatus::wrongLength);
  }
  expectRefused(smi::Value::string(std::string(static_cast<std::size_t>(syntax().maximum) + 1, 'x')), SnmpStatus::wrongLength);
}

TEST_P(EveryColumn, IsTheSameAfterThePackedImage) {
  test::RandomRows random{2};
  for (int i = 0; i < 50; ++i) {
    auto from = row();
    auto to = row();
    from.set(column(), random.value(syntax()));
    std::string octets;
    OerWriter out{octets};
    column().encode(out, from.data());
    OerReader in{octets};
    ASSERT_TRUE(column().decode(in, to.data()));
    EXPECT_TRUE(in.atEnd());
    EXPECT_TRUE(column().equal(from.data(), to.data()));
    // And a piece of it is nothing.
    for (std::size_t size = 0; size < std::min<std::size_t>(octets.size(), 40); ++size) {
      OerReader cut{std::string_view{octets}.substr(0, size)};
      EXPECT_FALSE(column().decode(cut, to.data()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Mib, EveryColumn, testing::ValuesIn(allColumns()), [](const auto& info) {
  return std::string{info.param.table->name} + "_" + std::string{info.param.column->name};
});

template <class T>
SnmpStatus parse(T& v, const smi::Value& value) {
  return Codec<T>::fromValue(value, v);
}

TEST(BitsSyntax, BitZeroIsTheHighestOfTheFirstOctet) {
  Bits<Capability> bits;
  bits.set(Capability::tcpConn);
  bits.set(Capability::hold);
  EXPECT_EQ(Codec<Bits<Capability>>::toValue(bits).octets, "\x80\x08"sv);
  EXPECT_TRUE(bits.has(Capability::hold));
  bits.set(Capability::hold, false);
  EXPECT_FALSE(bits.has(Capability::hold));
}

TEST(BitsSyntax, TrailingZeroOctetsMayBeMissingOrSurplus) {
  Bits<Capability> bits;
  EXPECT_EQ(parse(bits, smi::Value::string("\x80")), SnmpStatus::noError);
  EXPECT_EQ(bits.mask, 1U);
  EXPECT_EQ(parse(bits, smi::Value::string(std::string{"\x40\0\0\0\0\0\0"sv})), SnmpStatus::noError);
  EXPECT_EQ(bits.mask, 2U);
  EXPECT_EQ(parse(bits, smi::Value::string("")), SnmpStatus::noError);
  EXPECT_EQ(bits.mask, 0U);
}

TEST(BitsSyntax, ASetBitWithoutANameIsWrongValueAndALongStringIsWrongLength) {
  Bits<Capability> bits;
  EXPECT_EQ(parse(bits, smi::Value::string(std::string{"\x80\x02"sv})), SnmpStatus::wrongValue);      // bit 14
  EXPECT_EQ(parse(bits, smi::Value::string(std::string{"\0\0\0\0\x80"sv})), SnmpStatus::wrongValue);  // bit 32: no shift may wrap
  EXPECT_EQ(parse(bits, smi::Value::string(std::string(65, '\0'))), SnmpStatus::wrongLength);
  EXPECT_EQ(bits.mask, 0U);
}

TEST(BitsSyntax, InTheImageASurplusBitIsRefused) {
  Bits<TcpFlag> flags;
  OerReader good{"\xf0"};
  EXPECT_TRUE(Codec<Bits<TcpFlag>>::decode(good, flags));
  OerReader bad{"\xf8"};
  EXPECT_FALSE(Codec<Bits<TcpFlag>>::decode(bad, flags));
}

TEST(TextSyntax, WhatIsNoUtf8IsWrongValue) {
  Text<255> text;
  for (auto good : {"", "web1", "\xc3\xa9", "\xed\x9f\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(parse(text, smi::Value::string(good)), SnmpStatus::noError) << good;
  for (auto bad : {"\x80", "\xc3", "a\xc3", "\xc3(", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                   "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82"})
    EXPECT_EQ(parse(text, smi::Value::string(bad)), SnmpStatus::wrongValue);
}

TEST(RangedSyntax, TheImagesWidthFollowsTheRange) {
  auto size = [](auto v) {
    std::string octets;
    OerWriter out{octets};
    Codec<decltype(v)>::encode(out, v);
    return octets.size();
  };
  EXPECT_EQ(size(Ranged<0, 255>{}), 1U);
  EXPECT_EQ(size(Ranged<0, 256>{}), 2U);
  EXPECT_EQ(size(Ranged<1, 65535>{}), 2U);
  EXPECT_EQ(size(Ranged<0, 65536>{}), 4U);
}

TEST(RangedSyntax, TheImageRefusesWhatTheRangeDoes) {
  Ranged<1, 14> v;
  for (unsigned char octet : {0, 15, 255}) {
    std::string octets(1, static_cast<char>(octet));
    OerReader in{octets};
    EXPECT_FALSE(Codec<decltype(v)>::decode(in, v));
  }
}

}  // namespace
}  // namespace vmmig

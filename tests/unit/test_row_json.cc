// SPDX-License-Identifier: GPL-2.0-or-later
// Rows as JSON: what they look like, that they come back the same, and that an error names its column.
#include "mibs/row_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "mibs/tcp_conn_table.h"
#include "mibs/transfer_table.h"
#include "mibs/vm_table.h"
#include "tests/unit/random_row.h"

namespace vmmig {
namespace {

using nlohmann::json;

TcpConnRow connection() {
  TcpConnRow row;
  row.uuid = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  row.localAddress = *parseInetAddress("10.0.0.5");
  row.localPort = 443;
  row.remAddress = *parseInetAddress("fd00::1");
  row.status.set(TcpConnStatus::seenReply);
  row.status.set(TcpConnStatus::assured);
  row.localSeqAdjOffsetAfter = -4;
  row.labels.value = std::string(16, '\x0f');
  row.helper.value = "ftp";
  return row;
}

TEST(RowJson, EveryTablesRowsComeBackTheSame) {
  test::RandomRows random{1};
  for (const auto* table : mib::tables())
    for (int i = 0; i < 100; ++i) {
      auto row = random.row(*table);
      auto text = toJson(row).dump();
      auto back = rowFromJson(*table, json::parse(text));
      ASSERT_TRUE(back) << back.error().text;
      for (const auto& column : table->columns) EXPECT_EQ(back->get(column), row.get(column)) << column.name << " in " << text;
    }
}

TEST(RowJson, SpeaksTheModulesWords) {
  auto object = toJson(connection());
  EXPECT_EQ(object.size(), tcpConnColumns.size());
  EXPECT_EQ(object["vmMigVmUuid"], "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  EXPECT_EQ(object["vmMigTcpConnLocalAddressType"], "ipv4");
  EXPECT_EQ(object["vmMigTcpConnLocalAddress"], "10.0.0.5");
  EXPECT_EQ(object["vmMigTcpConnRemAddress"], "fd00::1");
  EXPECT_EQ(object["vmMigTcpConnLocalPort"], 443);
  EXPECT_EQ(object["vmMigTcpConnState"], "established");
  EXPECT_EQ(object["vmMigTcpConnWindowKnown"], false);
  EXPECT_EQ(object["vmMigTcpConnStatus"], (json{"seenReply", "assured"}));
  EXPECT_EQ(object["vmMigTcpConnLocalFlags"], json::array());
  EXPECT_EQ(object["vmMigTcpConnNatLocalAddress"], "");
  EXPECT_EQ(object["vmMigTcpConnLocalSeqAdjAfter"], -4);
  EXPECT_EQ(object["vmMigTcpConnLabels"], "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f");
  EXPECT_EQ(object["vmMigTcpConnHelper"], "ftp");
  EXPECT_EQ(object["vmMigTcpConnStorageType"], "volatile");
}

TEST(RowJson, MissingColumnsKeepTheirDefault) {
  auto row = rowFromJson(TableOf<VmRow>::info, {{"vmMigVmUuid", "6ba7b8109dad11d180b400c04fd430c8"}, {"vmMigVmName", "web1"}});
  ASSERT_TRUE(row) << row.error().text;
  EXPECT_EQ(row->as<VmRow>().name.value, "web1");
  EXPECT_TRUE(row->as<VmRow>().tracked);
}

TEST(RowJson, AMissingIndexIsAnErrorThatNamesIt) {
  auto row = rowFromJson(TableOf<VmRow>::info, {{"vmMigVmName", "web1"}});
  ASSERT_FALSE(row);
  EXPECT_NE(row.error().text.find("vmMigVmUuid"), std::string::npos) << row.error().text;
}

struct Bad {
  std::string name;
  std::string column;
  json value;
  SnmpStatus status;
};

class BadJson : public testing::TestWithParam<Bad> {};

TEST_P(BadJson, IsAnErrorThatNamesTheColumn) {
  auto object = toJson(connection());
  object[GetParam().column] = GetParam().value;
  auto row = rowFromJson(TableOf<TcpConnRow>::info, object);
  ASSERT_FALSE(row);
  EXPECT_EQ(row.error().status, GetParam().status) << row.error().text;
  EXPECT_NE(row.error().text.find(GetParam().column), std::string::npos) << row.error().text;
}

INSTANTIATE_TEST_SUITE_P(RowJson, BadJson,
                         testing::Values(Bad{"UnknownColumn", "vmMigTcpConnColour", "red", SnmpStatus::noCreation},
                                         Bad{"ColumnOfAnotherTable", "vmMigVmName", "web1", SnmpStatus::noCreation},
                                         Bad{"UnknownLabel", "vmMigTcpConnState", "asleep", SnmpStatus::wrongValue},
                                         Bad{"NumberForALabel", "vmMigTcpConnState", 5, SnmpStatus::wrongValue},
                                         Bad{"UnknownBit", "vmMigTcpConnStatus", {"seenReply", "dying"}, SnmpStatus::wrongValue},
                                         Bad{"StringForBits", "vmMigTcpConnStatus", "assured", SnmpStatus::wrongType},
                                         Bad{"StringForATruthValue", "vmMigTcpConnWindowKnown", "true", SnmpStatus::wrongType},
                                         Bad{"NumberTooLarge", "vmMigTcpConnLocalPort", 65536, SnmpStatus::wrongValue},
                                         Bad{"NumberBeyond64Bits", "vmMigTcpConnMark", ~std::uint64_t{0}, SnmpStatus::wrongValue},
                                         Bad{"NegativeNumber", "vmMigTcpConnMark", -1, SnmpStatus::wrongValue},
                                         Bad{"Fraction", "vmMigTcpConnMark", 1.5, SnmpStatus::wrongType},
                                         Bad{"Null", "vmMigTcpConnMark", nullptr, SnmpStatus::wrongType},
                                         Bad{"NoAddress", "vmMigTcpConnLocalAddress", "10.0.0", SnmpStatus::wrongValue},
                                         Bad{"NoUuid", "vmMigVmUuid", "web1", SnmpStatus::wrongValue},
                                         Bad{"NoHex", "vmMigTcpConnLabels", "zz", SnmpStatus::wrongValue},
                                         Bad{"WrongSize", "vmMigTcpConnLabels", "00", SnmpStatus::wrongLength},
                                         Bad{"TextTooLong", "vmMigTcpConnHelper", "a-helper-too-long", SnmpStatus::wrongLength}),
                         [](const auto& info) { return info.param.name; });

TEST(RowJson, WhatIsNoObjectIsNoRow) {
  for (const auto& value : {json{}, json{1}, json("x"), json::array()}) EXPECT_FALSE(rowFromJson(TableOf<VmRow>::info, value));
}

TEST(RowJson, ADeeplyNestedValueIsAnErrorAndNoStackOverflow) {
  json deep = json::array();
  for (int i = 0; i < 200'000; ++i) deep = json::array({std::move(deep)});
  auto object = json::object();
  object["vmMigVmName"] = std::move(deep);
  EXPECT_FALSE(rowFromJson(TableOf<VmRow>::info, object));
}

TEST(DisplayValue, IsWhatAPersonReads) {
  AnyRow row = connection();
  auto shown = [&row](std::string_view name) { return displayValue(*row.table().column(name), row); };
  EXPECT_EQ(shown("vmMigTcpConnState"), "established");
  EXPECT_EQ(shown("vmMigTcpConnLocalAddress"), "10.0.0.5");
  EXPECT_EQ(shown("vmMigTcpConnNatLocalAddress"), "-");
  EXPECT_EQ(shown("vmMigTcpConnStatus"), "seenReply,assured");
  EXPECT_EQ(shown("vmMigTcpConnRemFlags"), "-");
  EXPECT_EQ(shown("vmMigTcpConnWindowKnown"), "false");
  EXPECT_EQ(shown("vmMigTcpConnHelper"), "ftp");
  EXPECT_EQ(shown("vmMigTcpConnLocalSeqAdjAfter"), "-4");
}

TEST(DisplayValue, OfATimeIsUtcAndOfNoTimeADash) {
  TransferRow transfer;
  transfer.blockedTime.value = 1'700'000'000'000'042;
  AnyRow row = transfer;
  EXPECT_EQ(displayValue(*row.table().column("vmMigTransferBlockedTime"), row), "2023-11-14T22:13:20.000042Z");
  EXPECT_EQ(displayValue(*row.table().column("vmMigTransferCommitTime"), row), "-");
}

}  // namespace
}  // namespace vmmig

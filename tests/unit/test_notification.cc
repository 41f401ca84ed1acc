// SPDX-License-Identifier: GPL-2.0-or-later
// Notifications as rows, and the users file: what a stranger sends or a person mistypes.
#include <gtest/gtest.h>

#include "manager/notification.h"
#include "manager/trap_users.h"
#include "mibs/phase_table.h"

namespace vmmig {
namespace {

PhaseRow phase() {
  PhaseRow row;
  row.uuid = *parseUuid("6ba7b810-9dad-41d1-80b4-00c04fd430c8");
  row.vmName.value = "web1";
  row.phase = Phase::stopped;
  row.sequence = 7;
  row.holdStatus = HoldStatus::held;
  row.holdDeadline.value = 10'000;
  return row;
}

std::vector<smi::VarBind> notification() {
  const auto& info = mib::allNotifications()[0];
  std::vector<smi::VarBind> varbinds{
      {{1, 3, 6, 1, 2, 1, 1, 3, 0}, {smi::Type::timeTicks, 5, {}, {}}},
      {{1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0}, smi::Value::objectId(mib::notifications() + static_cast<std::uint32_t>(info.number))}};
  AnyRow row{phase()};
  for (auto name : info.objects) {
    const auto& column = *info.table->column(name);
    varbinds.push_back({mib::oidOf(*info.table, column, row.index()), row.get(column)});
  }
  return varbinds;
}

TEST(Notification, FillsTheRowWithItsObjects) {
  auto parsed = parseNotification(notification());
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->first, mib::Notification::phaseChanged);
  const auto& row = parsed->second.as<PhaseRow>();
  EXPECT_EQ(row.uuid, phase().uuid);
  EXPECT_EQ(row.vmName.value, "web1");
  EXPECT_EQ(row.sequence, 7u);
  EXPECT_EQ(row.holdStatus, HoldStatus::held);
  EXPECT_EQ(row.holdDeadline.value, 10'000u);
}

TEST(Notification, AllowsObjectsBehindItsOwn) {
  auto varbinds = notification();
  varbinds.push_back({{1, 3, 6, 1, 4, 1, 9, 9}, smi::Value::integer(1)});
  EXPECT_TRUE(parseNotification(varbinds));
}

TEST(Notification, RefusesEveryTruncation) {
  auto whole = notification();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parseNotification({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
}

TEST(Notification, RefusesWhatIsForeign) {
  auto varbinds = notification();
  varbinds[1].value = smi::Value::objectId({1, 3, 6, 1, 6, 3, 1, 1, 5, 1});
  EXPECT_NE(parseNotification(varbinds).error().text.find("foreign"), std::string::npos);
  varbinds[1].value = smi::Value::integer(5);
  EXPECT_FALSE(parseNotification(varbinds));
}

TEST(Notification, RefusesObjectsOfAnotherRowAColumnTwiceOrAWrongValue) {
  auto varbinds = notification();
  varbinds[4].name.back() ^= 1;
  EXPECT_NE(parseNotification(varbinds).error().text.find("instances"), std::string::npos);
  varbinds = notification();
  varbinds[3].name = varbinds[2].name;
  EXPECT_FALSE(parseNotification(varbinds));
  varbinds = notification();
  varbinds[2].value = smi::Value::integer(99);
  EXPECT_NE(parseNotification(varbinds).error().text.find("99"), std::string::npos);
  varbinds = notification();
  varbinds[2].name.resize(3);
  EXPECT_FALSE(parseNotification(varbinds));
  varbinds = notification();
  for (auto& varbind : varbinds) varbind.name.push_back(300);
  EXPECT_FALSE(parseNotification(varbinds));
}

TEST(TrapUsers, ReadsSnmptrapdsLines) {
  auto users = parseTrapUsers(
      "users",
      "# comment\n\nexactEngineID 0x8000000001020304\n  createUser -e 0x8000000001 ops SHA-256 \"a phrase\" AES b\n"
      "authUser log,execute ops priv\nauthUser log -s usm second\ndisableAuthorization no\n");
  ASSERT_TRUE(users) << users.error().text;
  EXPECT_EQ(users->engineId, "0x8000000001020304");
  ASSERT_EQ(users->createUser.size(), 1u);
  EXPECT_EQ(users->createUser[0], "-e 0x8000000001 ops SHA-256 \"a phrase\" AES b");
  EXPECT_EQ(users->authorized, (std::set<std::string>{"ops", "second"}));
}

TEST(TrapUsers, NamesTheLineButNeverItsText) {
  auto users = parseTrapUsers("users", "authUser log ops\ncreatUser ops SHA-256 topsecret AES topsecret\n");
  ASSERT_FALSE(users);
  EXPECT_NE(users.error().text.find("users, line 2"), std::string::npos) << users.error().text;
  EXPECT_EQ(users.error().text.find("topsecret"), std::string::npos);
}

TEST(TrapUsers, RefusesAFileThatLetsNobodyOrEverybodyIn) {
  EXPECT_FALSE(parseTrapUsers("users", "createUser ops SHA-256 topsecret AES topsecret\n"));
  EXPECT_FALSE(parseTrapUsers("users", "authUser log ops\ndisableAuthorization yes\n"));
}

}  // namespace
}  // namespace vmmig

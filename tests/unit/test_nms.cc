// SPDX-License-Identifier: GPL-2.0-or-later
// The model that packs are made from against the code's own tables (a second reader of the module), the overlay against the
// module, and what a changed module does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "manager/nms/pack.h"
#include "manager/nms/smi_module.h"
#include "manager/nms/zabbix.h"
#include "mibs/registry.h"
#include "tests/unit/source_dir.h"

namespace vmmig::nms {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string ietf() { return (test::sourceDir() / "mibs/ietf").string(); }

const Model& model() {
  static const Model read = readModule(ietf() + ":mibs").value();
  return read;
}

/// A module of which one text is another, in a directory of its own.
class Changed {
 public:
  Changed(const std::string& from, const std::string& to) {
    std::ostringstream all;
    all << std::ifstream{"mibs/VM-MIGRATION-MIB.txt"}.rdbuf();
    auto text = all.str();
    EXPECT_THAT(text, HasSubstr(from));
    std::filesystem::create_directories(directory_);
    std::ofstream{directory_ / "VM-MIGRATION-MIB.txt"} << replaced(text, from, to);
  }
  ~Changed() { std::filesystem::remove_all(directory_); }
  Changed(const Changed&) = delete;
  Changed& operator=(const Changed&) = delete;

  Result<Model> read() const { return readModule(ietf() + ":" + directory_.string()); }

 private:
  std::filesystem::path directory_ = std::filesystem::path{testing::TempDir()} / ("vmmig-nms-" + std::to_string(getpid()));
};

/// What check() says; nothing when all fits.
std::string refusal(const Model& of) {
  auto status = check(of);
  return status ? "" : status.error().text;
}

std::string textOf(const Pack& pack, const Model& of) {
  std::string all;
  for (const auto& file : pack.generate(of)) all += file.name + "\n" + file.text;
  return all;
}

TEST(NmsModel, HasEachObjectOfTheCodeAtItsOid) {
  std::size_t count = 0;
  for (const auto* table : mib::tables())
    for (const auto& column : table->columns) {
      if (column.subid == 0) continue;
      const auto* object = model().object(column.name);
      ASSERT_NE(object, nullptr) << column.name;
      EXPECT_EQ(object->oid, toString(mib::oidOf(*table, column)));
      EXPECT_EQ(object->readable, column.access != Access::notAccessible) << column.name;
      EXPECT_EQ(model().tableOf(column.name) == nullptr, table->isScalars()) << column.name;
      ++count;
    }
  std::size_t known = model().scalars.size();
  for (const auto& table : model().tables) known += table.columns.size();
  EXPECT_EQ(known, count);
}

TEST(NmsModel, HasTheLabelsOfTheCode) {
  for (const auto* table : mib::tables())
    for (const auto& column : table->columns) {
      if (column.subid == 0 || column.syntax->base != Syntax::Base::enumeration) continue;
      const auto* object = model().object(column.name);
      for (const auto& label : column.syntax->labels) {
        auto found =
            std::find_if(object->labels.begin(), object->labels.end(), [&](const auto& each) { return each.name == label.name; });
        ASSERT_NE(found, object->labels.end()) << column.name << " " << label.name;
        EXPECT_EQ(found->number, label.number) << column.name << " " << label.name;
      }
    }
}

TEST(NmsModel, HasTheIndexOfEachTable) {
  for (const auto* table : mib::tables()) {
    if (table->isScalars()) continue;
    std::vector<std::string> wanted, found;
    for (const auto& column : table->index()) wanted.emplace_back(column.name);
    for (const auto& part : model().table(table->name)->index) found.push_back(part.name);
    EXPECT_EQ(found, wanted) << table->name;
  }
  EXPECT_EQ(model().table("vmMigVmTable")->index.front().fixedSize, 16U);
  EXPECT_EQ(model().table("vmMigCheckTable")->index.front().fixedSize, 0U);
}

TEST(NmsModel, HasTheNotificationsOfTheCode) {
  ASSERT_EQ(model().notifications.size(), mib::allNotifications().size());
  for (const auto& wanted : mib::allNotifications()) {
    const auto* found = model().notification(wanted.name);
    ASSERT_NE(found, nullptr) << wanted.name;
    EXPECT_EQ(found->oid, toString(mib::notifications() + static_cast<std::uint32_t>(wanted.number)));
    EXPECT_EQ(found->objects, (std::vector<std::string>{wanted.objects.begin(), wanted.objects.end()}));
  }
}

TEST(NmsOverlay, FitsTheModule) { EXPECT_EQ(refusal(model()), ""); }

TEST(NmsOverlay, WatchesNoTableThatTellsWhoTalksToWhom) {
  for (auto name : {"vmMigTcpConnTable", "vmMigFlowTable", "vmMigAclTable", "vmMigCounterTable", "vmMigDhcpBindingTable",
                    "vmMigMulticastTable", "vmMigPolicyTable", "vmMigExpectTable", "vmMigImageTable"}) {
    ASSERT_NE(model().table(name), nullptr) << name;
    EXPECT_EQ(watched(*model().table(name)), nullptr) << name;
  }
}

TEST(NmsPacks, AreTheSameForTheSameModule) {
  auto again = readModule(ietf() + ":mibs");
  ASSERT_TRUE(again);
  for (const auto& pack : packs()) EXPECT_EQ(textOf(pack, *again), textOf(pack, model())) << pack.name;
}

TEST(NmsPacks, AreUnderTheLicenceOfTheModule) {
  for (const auto& pack : packs())
    for (const auto& file : pack.generate(model())) {
      EXPECT_THAT(file.text.substr(0, 400), HasSubstr("SPDX-License-Identifier: BSD-3-Clause")) << pack.name << " " << file.name;
      EXPECT_TRUE(file.text.ends_with('\n')) << file.name;
      EXPECT_FALSE(file.place.empty()) << file.name;
    }
}

TEST(NmsPacks, FollowAnObjectThatHasAnotherNumber) {
  Changed changed{"::= { vmMigVmEntry 6 }", "::= { vmMigVmEntry 66 }"};
  auto other = changed.read();
  ASSERT_TRUE(other) << other.error().text;
  auto before = model().object("vmMigVmTcpConns")->oid, after = before.substr(0, before.size() - 1) + "66";
  for (auto name : {"zabbix", "prometheus", "opennms", "librenms"}) {
    EXPECT_THAT(textOf(*pack(name), model()), HasSubstr(before)) << name;
    EXPECT_THAT(textOf(*pack(name), model()), Not(HasSubstr(after))) << name;
    EXPECT_THAT(textOf(*pack(name), *other), HasSubstr(after)) << name;
  }
}

TEST(NmsPacks, FollowAnObjectThatHasAnotherName) {
  Changed changed{"vmMigVmTcpConns", "vmMigVmSessions"};
  auto other = changed.read();
  ASSERT_TRUE(other) << other.error().text;
  ASSERT_TRUE(check(*other));
  for (auto name : {"zabbix", "prometheus", "grafana", "librenms"}) {
    EXPECT_THAT(textOf(*pack(name), *other), HasSubstr("vmMigVmSessions")) << name;
    EXPECT_THAT(textOf(*pack(name), *other), Not(HasSubstr("vmMigVmTcpConns"))) << name;
  }
}

TEST(NmsPacks, FollowAnotherNumberOfALabel) {
  Changed changed{"expired(13)\n", "expired(14)\n"};
  auto other = changed.read();
  ASSERT_TRUE(other) << other.error().text;
  EXPECT_THAT(textOf(*pack("prometheus"), *other), HasSubstr("vmMigTransferOperStatus == 14"));
  EXPECT_THAT(textOf(*pack("zabbix"), *other), HasSubstr("=14"));
  EXPECT_THAT(textOf(*pack("prometheus"), *other), Not(HasSubstr("vmMigTransferOperStatus == 13")));
}

TEST(NmsPacks, AreRefusedWhenWhatAnAlertNeedsHasGone) {
  Changed changed{"vmMigTransferMissing", "vmMigTransferLost"};
  auto other = changed.read();
  ASSERT_TRUE(other) << other.error().text;
  EXPECT_THAT(refusal(*other), HasSubstr("vmMigTransferMissing (VmmigTransferIncomplete)"));
}

TEST(NmsPacks, AreRefusedWhenALabelHasGone) {
  Changed changed{"degraded(2), down(3)", "poor(2), down(3)"};
  auto other = changed.read();
  ASSERT_TRUE(other) << other.error().text;
  EXPECT_THAT(refusal(*other), HasSubstr("degraded of vmMigHealth"));
}

TEST(NmsPacks, AreRefusedWhenAStateThatIsNotWellHasAnotherName) {
  Changed changed{"cancelled(6)", "givenUp(6)"};
  auto other = changed.read();
  ASSERT_TRUE(other) << other.error().text;
  EXPECT_THAT(refusal(*other), HasSubstr("cancelled of vmMigPhase"));
}

TEST(NmsPacks, AreRefusedWhenARowHasNoState) {
  auto less = model();
  for (auto& table : less.tables)
    if (table.name == "vmMigCheckTable")
      for (auto& column : table.columns)
        if (column.kind == Kind::state) column.kind = Kind::gauge;
  EXPECT_THAT(refusal(less), HasSubstr("a state in each row (vmMigCheckTable)"));
}

TEST(NmsPacks, AreRefusedWhenANotificationHasAnObjectOfAnotherModule) {
  auto more = model();
  more.notifications.front().objects.emplace_back("sysName");
  EXPECT_THAT(refusal(more), HasSubstr("sysName of the notification " + more.notifications.front().name));
}

TEST(NmsPacks, AreRefusedWhenNobodyHasDecidedHowSevereANotificationIs) {
  auto more = model();
  more.notifications.push_back({"vmMigNewThing", "1.3", "", {"vmMigHealth"}});
  EXPECT_THAT(refusal(more), HasSubstr("vmMigNewThing"));
}

TEST(NmsModule, ThatIsNotThereIsSaidWithWhatToDo) {
  auto found = readModule("/nonexistent");
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().text, HasSubstr("cannot find VM-MIGRATION-MIB in /nonexistent"));
  EXPECT_THAT(found.error().text, HasSubstr("--module-path"));
}

TEST(NmsModule, WithAnErrorMakesNoPack) {
  Changed changed{"vmMigHealth OBJECT-TYPE\n    SYNTAX ", "vmMigHealth OBJECT-TYPE\n    SYNTAXX "};
  auto found = changed.read();
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().text, HasSubstr("VM-MIGRATION-MIB.txt:"));
}

TEST(NmsZabbix, UuidsAreOfVersion4AndDiffer) {
  std::set<std::string> all;
  for (const auto& object : model().scalars) {
    auto uuid = zabbixUuid("item", object.name);
    EXPECT_THAT(uuid, testing::MatchesRegex("[0-9a-f]{12}4[0-9a-f]{3}8[0-9a-f]{15}"));
    EXPECT_TRUE(all.insert(uuid).second) << object.name;
  }
  EXPECT_NE(zabbixUuid("item", "vmMigHealth"), zabbixUuid("trigger", "vmMigHealth"));
}

TEST(NmsOpenNms, AliasesAreShortAndDiffer) {
  std::set<std::string> all;
  auto take = [&](const Table* table) {
    for (const auto* object : watchedObjects(model(), table)) {
      auto alias = openNmsAlias(object->name);
      EXPECT_LE(alias.size(), 19U) << alias;
      EXPECT_TRUE(all.insert(alias).second) << alias << " of " << object->name;
    }
  };
  take(nullptr);
  for (const auto& table : model().tables)
    if (watched(table)) take(&table);
}

TEST(NmsYaml, NestsAndQuotes) {
  Json json{{"a", 1}, {"text", "no: \"quote\"\n# and"}, {"none", Json::array()}, {"list", {{{"b", "c"}, {"d", {1, 2}}}, "e"}}};
  EXPECT_EQ(
      toYaml(json),
      "a: 1\ntext: \"no: \\\"quote\\\"\\n# and\"\nnone: []\nlist:\n  - b: \"c\"\n    d:\n      - 1\n      - 2\n  - \"e\"\n");
}

}  // namespace
}  // namespace vmmig::nms

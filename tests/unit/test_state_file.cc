// SPDX-License-Identifier: GPL-2.0-or-later
// The state file: whole or old, never half; and whatever it has become, the agent starts.
#include "subagent/state_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/log.h"
#include "mibs/acl_table.h"
#include "mibs/policy_table.h"
#include "mibs/transfer_table.h"

namespace vmmig::test {
namespace {

class StateFileTest : public testing::Test {
 protected:
  StateFileTest() {
    log::setLevel(static_cast<log::Level>(2));
    std::filesystem::create_directories(directory_);
  }
  ~StateFileTest() override { std::filesystem::remove_all(directory_); }

  static TransferRow transfer(std::uint8_t vm) {
    TransferRow row;
    row.uuid = {{vm}};
    row.role = TransferRole::destination;
    row.epoch.value = 17;
    row.operStatus = TransferOper::committing;
    row.digest.value = std::string(32, '\xfe');
    row.error.value = "caf\xc3\xa9";
    row.commitTime.value = 1'763'870'000'123'456;
    return row;
  }
  std::string text() {
    std::ostringstream out;
    out << std::ifstream{path_}.rdbuf();
    return out.str();
  }
  void write(const std::string& content) { std::ofstream{path_} << content; }
  std::vector<AnyRow> transfers() { return StateFile{path_}.rows(TableOf<TransferRow>::info); }

  std::string directory_ = testing::TempDir() + "vmmig-state-" + std::to_string(::getpid());
  std::string path_ = directory_ + "/vmmigd.json";
};

TEST_F(StateFileTest, KeepsRowsAsTheyWere) {
  {
    StateFile file{path_};
    EXPECT_TRUE(file.rows(TableOf<TransferRow>::info).empty());
    file.put(AnyRow{transfer(1)});
    file.put(AnyRow{transfer(2)});
    ASSERT_TRUE(file.save());
  }
  auto rows = transfers();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0].equals(AnyRow{transfer(1)}, Carry::local));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(StateFileTest, ReplacesAndRemovesRows) {
  StateFile file{path_};
  file.put(AnyRow{transfer(1)});
  file.put(AnyRow{transfer(2)});
  auto changed = transfer(1);
  changed.operStatus = TransferOper::done;
  file.put(AnyRow{changed});
  file.remove(AnyRow{transfer(2)});
  ASSERT_TRUE(file.save());
  auto rows = transfers();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].as<TransferRow>().operStatus, TransferOper::done);
}

TEST_F(StateFileTest, WhatIsNotSavedIsNotThere) {
  StateFile file{path_};
  file.put(AnyRow{transfer(1)});
  ASSERT_TRUE(file.save());
  file.put(AnyRow{transfer(2)});
  EXPECT_EQ(transfers().size(), 1u);
}

TEST_F(StateFileTest, KeepsTheVmsOfTheRegistry) {
  VmRegistry registry;
  VmRow vm;
  vm.uuid = {{3}};
  vm.name.value = "web3";
  registry.put(vm);
  VmAddressRow address;
  address.uuid = vm.uuid;
  address.address = parseInetAddress("fd00::3").value();
  address.macAddress.value = "\x02\x01\x02\x03\x04\x05";
  registry.put(address);
  {
    StateFile file{path_};
    file.putVms(registry);
    ASSERT_TRUE(file.save());
  }
  StateFile file{path_};
  ASSERT_EQ(file.rows(TableOf<VmRow>::info).size(), 1u);
  EXPECT_EQ(file.rows(TableOf<VmRow>::info)[0].as<VmRow>().name.value, "web3");
  ASSERT_EQ(file.rows(TableOf<VmAddressRow>::info).size(), 1u);
  EXPECT_EQ(file.rows(TableOf<VmAddressRow>::info)[0].as<VmAddressRow>().address, address.address);
  registry.remove(vm.uuid);
  file.putVms(registry);
  ASSERT_TRUE(file.save());
  EXPECT_TRUE(StateFile{path_}.rows(TableOf<VmAddressRow>::info).empty());
}

TEST_F(StateFileTest, AnyDamageIsKeptAsideAndTheRestIsUsed) {
  {
    StateFile file{path_};
    file.put(AnyRow{transfer(1)});
    ASSERT_TRUE(file.save());
  }
  const auto whole = text();
  for (std::size_t size = 0; size + 1 < whole.size(); size += 7) {
    write(whole.substr(0, size));
    EXPECT_TRUE(transfers().empty());
    EXPECT_TRUE(std::filesystem::remove(path_ + ".damaged")) << "cut at " << size;
  }
  for (const char* strange : {"[]", "null", "{}", "17", R"({"version":2,"tables":{}})", R"({"version":1,"tables":[]})"}) {
    write(strange);
    EXPECT_TRUE(transfers().empty());
    EXPECT_TRUE(std::filesystem::remove(path_ + ".damaged")) << strange;
  }
  {
    StateFile file{path_};
    file.put(AnyRow{transfer(1)});
    file.put(AnyRow{transfer(2)});
    ASSERT_TRUE(file.save());
  }
  std::filesystem::remove(path_ + ".damaged");
  auto bad = text();
  bad.replace(bad.find("committing"), 10, "commuting!");
  write(bad);
  EXPECT_EQ(transfers().size(), 1u) << "the row that can be read";
  EXPECT_TRUE(std::filesystem::exists(path_ + ".damaged"));
}

TEST_F(StateFileTest, KeepsTheFormerRowsOfAVmAndWhenTheyWereRead) {
  AclRow acl;
  acl.uuid = {{3}};
  acl.list.value = "authenticated";
  acl.entry.value = "10.0.0.3";
  PolicyRow policy;
  policy.uuid = acl.uuid;
  policy.name.value = "acl-100";
  policy.text.value = "tcp dport { 80, 443 } accept comment \"caf\xc3\xa9\"";
  {
    StateFile file{path_};
    EXPECT_EQ(file.former(acl.uuid), nullptr);
    file.putFormer(acl.uuid, {{1'763'870'000'123'456}, {AnyRow{acl}, AnyRow{policy}}});
    file.putFormer({{4}}, {});
    ASSERT_TRUE(file.save());
  }
  StateFile file{path_};
  const auto* former = file.former(acl.uuid);
  ASSERT_NE(former, nullptr);
  EXPECT_EQ(former->readTime.value, 1'763'870'000'123'456u);
  ASSERT_EQ(former->rows.size(), 2u);
  EXPECT_TRUE(former->rows[0].equals(AnyRow{acl}, Carry::exact));
  EXPECT_TRUE(former->rows[1].equals(AnyRow{policy}, Carry::exact));
  ASSERT_NE(file.former({{4}}), nullptr) << "none is something else than unknown";
  EXPECT_TRUE(file.former({{4}})->rows.empty());
  file.removeFormer(acl.uuid);
  ASSERT_TRUE(file.save());
  EXPECT_EQ(StateFile{path_}.former(acl.uuid), nullptr);
}

TEST_F(StateFileTest, FormerRowsOfWhichOneIsDamagedAreNotUsedAtAll) {
  AclRow acl;
  acl.uuid = {{3}};
  acl.list.value = "authenticated";
  acl.entry.value = "10.0.0.3";
  auto other = acl;
  other.entry.value = "10.0.0.4";
  {
    StateFile file{path_};
    file.putFormer(acl.uuid, {{1}, {AnyRow{acl}, AnyRow{other}}});
    ASSERT_TRUE(file.save());
  }
  const auto whole = text();
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{{"permit", "allow!"},
                                                                                 {"\"readTime\": 1", "\"readTime\": -1"},
                                                                                 {"\"vm\"", "\"who\""},
                                                                                 {"vmMigAclTable", "vmMigAbcTable"},
                                                                                 {"\"vm\": \"03", "\"vm\": \"05"}}) {
    auto bad = whole;
    ASSERT_NE(bad.find(from), bad.npos) << from;
    write(bad.replace(bad.find(from), from.size(), to));
    StateFile file{path_};
    EXPECT_EQ(file.former(acl.uuid), nullptr) << to;
    EXPECT_EQ(file.former({{5}}), nullptr) << to;
    EXPECT_TRUE(std::filesystem::remove(path_ + ".damaged")) << to;
  }
}

TEST_F(StateFileTest, AHalfWrittenSuccessorIsIgnored) {
  StateFile file{path_};
  file.put(AnyRow{transfer(1)});
  ASSERT_TRUE(file.save());
  std::ofstream{path_ + ".new"} << "{\"version\":1,\"tab";
  EXPECT_EQ(transfers().size(), 1u);
}

TEST_F(StateFileTest, SaysWhenItCannotBeWritten) {
  StateFile file{directory_ + "/missing/vmmigd.json"};
  file.put(AnyRow{transfer(1)});
  auto saved = file.save();
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().text.find("/missing/vmmigd.json"), std::string::npos);
}

TEST_F(StateFileTest, WithoutAPathItKeepsNothing) {
  StateFile file{""};
  file.put(AnyRow{transfer(1)});
  EXPECT_TRUE(file.save());
  EXPECT_EQ(file.rows(TableOf<TransferRow>::info).size(), 1u);
}

}  // namespace
}  // namespace vmmig::test

// SPDX-License-Identifier: GPL-2.0-or-later
// vmmigd is killed after it has made memberships for a VM on its way here: the next one knows them and takes them back, and
// leaves alone what is others'.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/log.h"
#include "tests/unit/multicast_switch.h"

namespace vmmig {
namespace {

using Told = std::vector<std::string>;
using nlohmann::json;

class LinuxMulticastClaimsTest : public MulticastSwitch {
 protected:
  LinuxMulticastClaimsTest() {
    log::setLevel(static_cast<log::Level>(2));
    std::filesystem::create_directories(directory_);
    restart();
  }
  ~LinuxMulticastClaimsTest() override { std::filesystem::remove_all(directory_); }

  /// As after kill -9: nothing but the file and the kernel tells what was.
  void restart() { table = std::make_unique<LinuxMulticastTable>(std::vector<std::string>{"br0"}, directory_); }
  void takeBack() { ASSERT_FALSE(table->remove(arriving_, rows(arriving_)).error); }

  std::string text() const {
    std::ostringstream out;
    out << std::ifstream{path_}.rdbuf();
    return out.str();
  }
  json claims() const { return json::parse(text()).at("claims"); }
  void write(const std::string& content) const { std::ofstream{path_} << content; }
  /// The file as if it had been written so long ago.
  void age(std::chrono::seconds seconds) const {
    auto document = json::parse(text());
    document["written"] = document["written"].get<std::int64_t>() - seconds.count();
    write(document.dump());
  }

  std::string directory_ = testing::TempDir() + "vmmig-claims-" + std::to_string(::getpid());
  std::string path_ = directory_ + "/multicast-claims.json";
  Vm arriving_ = as(VmPresence::arriving);
};

TEST_F(LinuxMulticastClaimsTest, AfterARestartWhatWasMadeIsTakenBackAndWhatWasThereStays) {
  join("port p0 grp 239.9.9.9 temp");
  make(arriving_, {row("239.1.1.1"), row("239.1.1.5"), row("239.1.1.5", "10.0.0.9"),
                   row("232.1.1.3", "10.0.0.8", FilterMode::include), row("239.9.9.9")});
  auto before = told(arriving_);
  ASSERT_EQ(before.size(), 5u);
  restart();
  EXPECT_EQ(told(arriving_), before);
  takeBack();
  EXPECT_EQ(told(vm), Told{"239.9.9.9 - p0"});
  restart();
  EXPECT_EQ(told(arriving_), Told{});
}

TEST_F(LinuxMulticastClaimsTest, AMembershipWithoutATimerIsTakenBackHoweverLateTheRestart) {
  auto configured = row("239.1.1.1");
  configured.permanent = true;
  make(arriving_, {configured});
  age(std::chrono::hours{5});
  restart();
  takeBack();
  EXPECT_EQ(mdb(), "");
}

TEST_F(LinuxMulticastClaimsTest, ARowThatCannotBeNotedIsNotMade) {
  std::filesystem::remove_all(directory_);
  auto result = table->create(arriving_, std::vector<AnyRow>{row("239.1.1.1")});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.done, 0u);
  EXPECT_NE(result.error->text.find(path_ + " cannot be written"), std::string::npos) << result.error->text;
  EXPECT_EQ(mdb(), "");
  EXPECT_EQ(told(arriving_), Told{});
}

TEST_F(LinuxMulticastClaimsTest, WhatTheKernelRefusesIsNotClaimed) {
  auto vlan = row("239.1.1.2");
  vlan.vlan.value = 7;
  auto result = table->create(arriving_, std::vector<AnyRow>{row("239.1.1.1"), vlan, row("239.1.1.3")});
  EXPECT_TRUE(result.error);
  EXPECT_EQ(result.done, 1u);
  EXPECT_EQ(claims().size(), 1u);
  EXPECT_EQ(told(arriving_), Told{"239.1.1.1 - p0"});
}

TEST_F(LinuxMulticastClaimsTest, WhatWasClaimedAndNeverMadeIsDropped) {
  make(arriving_, {row("239.1.1.1"), row("239.1.1.2")});
  space.run("bridge mdb del dev br0 port p0 grp 239.1.1.2");  // as if the kill had come ahead of it
  restart();
  EXPECT_EQ(told(arriving_), Told{"239.1.1.1 - p0"});
  join("port p0 grp 239.1.1.2 temp");
  takeBack();
  EXPECT_EQ(told(vm), Told{"239.1.1.2 - p0"}) << "of another, who came later";
}

TEST_F(LinuxMulticastClaimsTest, WhatWasReportedWhileVmmigdWasAwayIsLeftToTheTimer) {
  for (auto [seconds, isOthers] : {std::pair{2, false}, {100, true}, {1000, true}}) {
    make(arriving_, {row("239.1.1.1"), row("232.1.1.3", "10.0.0.8", FilterMode::include)});
    // The kernel's timers have just been started, as by somebody who reports now.
    age(std::chrono::seconds{seconds});
    restart();
    EXPECT_EQ(told(arriving_).size(), 2u) << seconds;
    takeBack();
    EXPECT_EQ(told(vm).size(), isOthers ? 2u : 0u) << seconds;
    table->remove(vm, rows(vm));
  }
}

TEST_F(LinuxMulticastClaimsTest, NothingIsKeptLongerThanItIsNeeded) {
  make(vm, {row("239.1.1.1")});
  EXPECT_FALSE(std::filesystem::exists(path_)) << "all at the VM's own port is the VM's";
  make(arriving_, {row("239.1.1.2"), row("239.1.1.3")});
  EXPECT_EQ(claims().size(), 2u);
  ASSERT_FALSE(table->remove(arriving_, std::vector<AnyRow>{row("239.1.1.2")}).error);
  EXPECT_EQ(claims().size(), 1u);
  table->forget(uuid);
  EXPECT_EQ(claims().size(), 0u);
  EXPECT_EQ(told(arriving_), Told{});
  EXPECT_EQ(told(vm), (Told{"239.1.1.1 - p0", "239.1.1.3 - p0"}));
}

TEST_F(LinuxMulticastClaimsTest, WhatCanBeReadOfADamagedFileIsUsed) {
  make(arriving_, {row("239.1.1.1"), row("239.1.1.2")});
  const auto whole = text();
  for (std::size_t size = 0; size + 1 < whole.size(); size += 5) {
    write(whole.substr(0, size));
    restart();
    EXPECT_EQ(told(arriving_), Told{}) << "cut at " << size;
  }
  for (const char* strange : {"[]", "17", R"({"version":2,"written":1,"claims":[]})", R"({"version":1,"claims":[]})",
                              R"({"version":1,"written":1,"claims":[7,{},{"row":{},"wasThere":true}]})"}) {
    write(strange);
    restart();
    EXPECT_EQ(told(arriving_), Told{}) << strange;
  }
  auto document = json::parse(whole);
  document["claims"][0]["wasThere"] = "perhaps";
  write(document.dump());
  restart();
  EXPECT_EQ(told(arriving_), Told{"239.1.1.2 - p0"});
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The phase source qmp with scripted QEMUs at sockets that come and go: what stands in vmMigPhaseTable, and what QEMU is told.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "common/log.h"
#include "mibs/labels.h"
#include "subagent/phase_manager.h"
#include "subagent/qmp_source.h"
#include "tests/unit/fake_qemu.h"

namespace vmmig::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct QuietNotifier final : Notifier {
  void send(mib::Notification, const AnyRow& row) override { sent.push_back(row.as<PhaseRow>()); }
  std::vector<PhaseRow> sent;
};

class SourceTest : public testing::Test {
 protected:
  SourceTest() {
    log::setLevel(static_cast<log::Level>(2));
    std::string name = fs::temp_directory_path() / "vmmig-qmp-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    options_.qmpSockets = {directory_ / "*.qmp"};
  }
  ~SourceTest() override {
    phases_.setSource(nullptr);
    source_.reset();
    fs::remove_all(directory_);
  }

  void start() {
    source_ = makeQmpSource(options_, loop_, phases_, "host-a");
    phases_.setSource(source_.get());
  }
  std::unique_ptr<FakeQemu> qemu(const std::string& name) {
    return std::make_unique<FakeQemu>(loop_, directory_ / (name + ".qmp"));
  }
  /// Also when nothing happens but that time passes.
  bool until(const std::function<bool()>& done) {
    auto deadline = Clock::now() + 5s;
    while (Clock::now() < deadline)
      if (loop_.runUntil(done, Clock::now() + 10ms)) return true;
    return false;
  }
  void turn() {
    for (int i = 0; i < 10; ++i) loop_.runUntil([] { return false; }, Clock::now() + 1ms);
  }
  /// "stopped held", or empty without a row.
  std::string phase(const std::string& uuid = QemuModel{}.uuid) {
    auto row = phases_.row(*parseUuid(uuid));
    return row ? labelOf(row->phase) + " " + labelOf(row->holdStatus) : "";
  }
  testing::AssertionResult becomes(const std::string& expected, const std::string& uuid = QemuModel{}.uuid) {
    if (until([&] { return phase(uuid) == expected; })) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "it is " << phase(uuid);
  }
  bool follows(FakeQemu& qemu) {
    return until([&] { return qemu.isHolding() && source_->follows(*parseUuid(qemu.uuid)); }) && (turn(), true);
  }
  /// Of what is not well: "text: remedy".
  std::vector<std::string> findings() {
    std::vector<std::string> all;
    for (const auto& check : source_->checks())
      if (check.health != Health::up) all.push_back(check.text.value + ": " + check.remedy.value);
    return all;
  }
  bool finds(const std::string& words) {
    return until([&] {
      auto all = findings();
      return std::any_of(all.begin(), all.end(), [&](const auto& each) { return each.find(words) != each.npos; });
    });
  }
  std::string summary() { return source_->checks().back().text.value; }

  fs::path directory_;
  EventLoop loop_;
  QuietNotifier notifier_;
  PhaseManager phases_{loop_, notifier_, "host-a"};
  PhaseSourceOptions options_;
  std::unique_ptr<PhaseSource> source_;
  const Uuid vm_ = *parseUuid(QemuModel{}.uuid);
};

TEST_F(SourceTest, AMigrationFromHereStandsInTheTable) {
  auto a = qemu("a");
  start();
  ASSERT_TRUE(follows(*a));
  a->hold();
  ASSERT_TRUE(becomes("stopped held"));
  auto row = *phases_.row(vm_);
  EXPECT_EQ(row.vmName.value, "web-1");
  EXPECT_EQ(row.sourceHost.value, "host-a");
  EXPECT_EQ(row.destinationHost.value, "");
  EXPECT_EQ(row.macAddresses.value, (std::string{2, 0, 0, 0, 0, 5}));
  EXPECT_EQ(row.time.value, 1000'000'003u) << "QEMU's STOP";
  EXPECT_EQ(row.holdPolicy, HoldPolicy::require);
  EXPECT_LE(row.holdDeadline, 2000u);
  phases_.endHold(vm_, HoldStatus::released);
  ASSERT_TRUE(until([&] { return a->changes() == "migrate-continue "; }));
  a->enter("device");
  a->enter("completed", "postmigrate");
  turn();
  EXPECT_EQ(phase(), "stopped released");
}

TEST_F(SourceTest, AHoldThatExpiresIsCancelled) {
  options_.hold = 30ms;
  auto a = qemu("a");
  start();
  ASSERT_TRUE(follows(*a));
  a->hold();
  ASSERT_TRUE(becomes("cancelled none"));
  EXPECT_EQ(a->changes(), "migrate_cancel ");
  EXPECT_NE(phases_.row(vm_)->error.value.find("before its deadline"), std::string::npos);
}

TEST_F(SourceTest, AHoldThatExpiresIsReleasedUnderBestEffort) {
  options_.hold = 30ms;
  options_.policy = HoldPolicy::bestEffort;
  auto a = qemu("a");
  start();
  ASSERT_TRUE(follows(*a));
  a->hold();
  ASSERT_TRUE(becomes("stopped expired"));
  ASSERT_TRUE(until([&] { return a->changes() == "migrate-continue "; }));
}

TEST_F(SourceTest, AMigrationToHereStandsInTheTable) {
  start();
  auto b = qemu("b");
  b->runState = "inmigrate";
  b->wasSource = false;
  ASSERT_TRUE(becomes("prepared none")) << "its socket appeared later";
  EXPECT_EQ(phases_.row(vm_)->destinationHost.value, "host-a");
  EXPECT_EQ(phases_.row(vm_)->sourceHost.value, "");
  b->runState = "running";
  b->event("RESUME");
  ASSERT_TRUE(becomes("resumed none"));
}

TEST_F(SourceTest, WhatComesAndIsKilledHasFailed) {
  start();
  auto b = qemu("b");
  b->runState = "inmigrate";
  ASSERT_TRUE(becomes("prepared none"));
  b->kill();
  ASSERT_TRUE(becomes("failed none"));
  EXPECT_EQ(phases_.row(vm_)->destinationHost.value, "host-a");
  EXPECT_FALSE(source_->follows(vm_));
  ASSERT_TRUE(until([&] { return summary() == "follows 0 VMs at 1 socket; nobody listens at 1"; })) << summary();
  EXPECT_TRUE(findings().empty()) << "a stale socket harms nobody";
  b = qemu("b");
  ASSERT_TRUE(follows(*b)) << "another QEMU at the same path";
}

TEST_F(SourceTest, AMigrationWithinThisHostHasOneRow) {
  auto a = qemu("a");
  start();
  ASSERT_TRUE(follows(*a));
  auto b = qemu("b");
  b->runState = "inmigrate";
  b->wasSource = false;
  ASSERT_TRUE(becomes("prepared none"));
  a->hold();
  ASSERT_TRUE(becomes("stopped held"));
  b->kill();
  auto c = qemu("c");
  c->runState = "inmigrate";
  c->wasSource = false;
  ASSERT_TRUE(follows(*c));
  EXPECT_EQ(phase(), "stopped held") << "neither the end of one nor the other's beginning is the VM's";
  phases_.endHold(vm_, HoldStatus::released);
  ASSERT_TRUE(until([&] { return a->changes() == "migrate-continue "; }));
  EXPECT_EQ(c->changes(), "");
  c->runState = "running";
  c->event("RESUME");
  ASSERT_TRUE(becomes("resumed none"));
}

TEST_F(SourceTest, TwoThatRunWithOneUuidAreAFinding) {
  auto a = qemu("a"), b = qemu("b");
  start();
  ASSERT_TRUE(follows(*a));
  ASSERT_TRUE(finds("two VMs must not have the same UUID"));
  a->hold();
  a->enter("device");
  a->enter("completed", "postmigrate");
  ASSERT_TRUE(until([&] { return findings().empty(); })) << "one that has left is none";
}

TEST_F(SourceTest, ManyVmsAreFollowedEachForItself) {
  std::vector<std::unique_ptr<FakeQemu>> all;
  start();
  for (int i = 0; i < 50; ++i) {
    all.push_back(qemu("vm" + std::to_string(i)));
    all.back()->uuid = "6ba7b810-9dad-41d1-80b4-00c04fd4" + std::to_string(1000 + i);
  }
  for (auto& each : all) ASSERT_TRUE(follows(*each));
  for (auto& each : all) each->hold();
  for (auto& each : all) ASSERT_TRUE(becomes("stopped held", each->uuid));
  phases_.endHold(*parseUuid(all[7]->uuid), HoldStatus::released);
  ASSERT_TRUE(until([&] { return all[7]->changes() == "migrate-continue "; }));
  EXPECT_EQ(all[8]->changes(), "");
  EXPECT_EQ(summary(), "follows 50 VMs at 50 sockets");
  all.erase(all.begin() + 3);
  ASSERT_TRUE(until([&] { return summary() == "follows 49 VMs at 50 sockets; nobody listens at 1"; })) << summary();
}

TEST_F(SourceTest, SocketsInDirectoriesThatAppearLaterAreFound) {
  options_.qmpSockets = {directory_ / "run/*/monitor/vm-?.qmp"};
  start();
  turn();
  EXPECT_EQ(summary(), "follows 0 VMs at 0 sockets; none matches qmp-socket now");
  fs::create_directories(directory_ / "run/one/monitor");
  auto a = std::make_unique<FakeQemu>(loop_, directory_ / "run/one/monitor/vm-1.qmp");
  ASSERT_TRUE(follows(*a));
  a.reset();
  fs::remove_all(directory_ / "run");
  ASSERT_TRUE(until([&] { return summary() == "follows 0 VMs at 0 sockets; none matches qmp-socket now"; }));
  turn();
  fs::create_directories(directory_ / "run/two/monitor");
  turn();
  a = std::make_unique<FakeQemu>(loop_, directory_ / "run/two/monitor/vm-2.qmp");
  ASSERT_TRUE(follows(*a)) << "also when the whole tree was made anew";
}

TEST_F(SourceTest, AMonitorThatHasAnotherClientIsAFinding) {
  auto a = qemu("a");
  a->greets = false;
  start();
  ASSERT_TRUE(finds("QEMU does not greet: a monitor serves one client at a time"));
  a->greets = true;
  a->hangUp();
  ASSERT_TRUE(follows(*a)) << "and its turn comes";
  EXPECT_TRUE(findings().empty());
}

TEST_F(SourceTest, WhatCannotBeConnectedIsAFinding) {
  auto path = directory_ / (std::string(120, 'x') + ".qmp");
  std::ofstream{path} << "no socket";
  start();
  ASSERT_TRUE(finds("cannot connect: File name too long"));
  fs::remove(path);
  ASSERT_TRUE(until([&] { return findings().empty(); }));
  // The backlog of QEMU's monitors is 1.
  UniqueFd full{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory_ / "full.tmp").native().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(full.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(full.get(), 0), 0);
  UniqueFd other{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  ASSERT_EQ(::connect(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  fs::rename(directory_ / "full.tmp", directory_ / "full.qmp");
  auto begin = Clock::now();
  ASSERT_TRUE(finds("cannot connect: Resource temporarily unavailable"));
  EXPECT_LT(Clock::now() - begin, 1s) << "nothing was waited for";
}

TEST_F(SourceTest, AVmWithoutUuidOrMacAddressIsAFinding) {
  auto a = qemu("a"), b = qemu("b");
  a->uuid = "00000000-0000-0000-0000-000000000000";
  b->macs.clear();
  start();
  ASSERT_TRUE(finds("has no UUID, and is not followed: start QEMU with -uuid"));
  ASSERT_TRUE(finds("no MAC address was found"));
  EXPECT_EQ(findings().size(), 2u);
}

TEST_F(SourceTest, ACapabilityThatCannotBeSetIsAFinding) {
  auto a = qemu("a");
  a->refused["migrate-set-capabilities"] = "Invalid parameter 'pause-before-switchover'";
  start();
  ASSERT_TRUE(finds("its migration cannot be held: Invalid parameter"));
}

TEST_F(SourceTest, AConnectionThatBreaksIsMadeAgain) {
  auto a = qemu("a");
  start();
  ASSERT_TRUE(follows(*a));
  a->hold();
  ASSERT_TRUE(becomes("stopped held"));
  auto before = phases_.row(vm_)->sequence;
  a->hangUp();
  ASSERT_TRUE(until([&] { return phases_.row(vm_)->sequence == before + 2; })) << "failed, and then found again";
  EXPECT_EQ(phase(), "stopped held");
  phases_.endHold(vm_, HoldStatus::cancelled);
  ASSERT_TRUE(becomes("cancelled none"));
}

}  // namespace
}  // namespace vmmig::test

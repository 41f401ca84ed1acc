// SPDX-License-Identifier: GPL-2.0-or-later
// Whole migrations between fake devices and hosts, with failures injected at each step: nothing is lost, nothing half-done stays.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "manager/migration_runner.h"
#include "manager/report.h"
#include "mibs/acl_table.h"
#include "mibs/flow_table.h"
#include "mibs/policy_table.h"
#include "tests/unit/fake_agent.h"

namespace vmmig {
namespace {

using namespace std::chrono_literals;
using migration::Outcome;
using Fault = FakeAgent::Fault;

class Run : public testing::Test {
 protected:
  Run() {
    log::setLevel(log::Level::error);
    source.makeVm(vm, 40);
    for (auto* agent : {&source, &destination, &hostA, &hostB}) agent->story = source.story;
    setup.plan.vm = vm;
    setup.plan.vmName = "web1";
    setup.plan.sourceHost = "host-a";
    setup.plan.destinationHost = "host-b";
    setup.plan.legs = {{"fw-a", "fw-b"}};
    setup.devices = {{source.device(), destination.device()}};
    setup.hosts = {{"host-a", hostA.device()}, {"host-b", hostB.device()}};
    setup.limits.retry = 5ms;
    setup.limits.ending = 2s;
    setup.limits.stop = 10s;
    setup.limits.resume = 1s;
    setup.phasePoll = 2ms;
  }
  ~Run() override {
    log::setLevel(log::Level::info);
    if (!HasFailure() || id == 0) return;
    if (auto entry = journal->find(id); entry && *entry) print(std::cout, **entry, *journal->events(id));
  }

  void withoutHypervisor() {
    setup.plan.now = true;
    setup.hosts.clear();
    setup.plan.sourceHost = setup.plan.destinationHost = "";
  }
  void tell(FakeAgent& host, Phase phase, bool held = false) {
    PhaseRow key;
    key.uuid = vm;
    auto* known = host.find(key);
    PhaseRow row = known ? *known : key;
    row.sourceHost.value = "host-a";
    row.destinationHost.value = "host-b";
    row.phase = phase;
    ++row.sequence;
    row.holdStatus = held ? HoldStatus::held : HoldStatus::none;
    row.holdDeadline = {held ? 3000u : 0u};
    host.put(row);
  }
  HoldStatus hold() {
    PhaseRow key;
    key.uuid = vm;
    return hostA.find(key)->holdStatus;
  }
  /// Acts as the hypervisor: stops and holds the VM, and resumes or cancels as the hold ends.
  Task<> hypervisor() {
    tell(hostA, Phase::preCopy);
    co_await sleepFor(loop, 20ms);
    source.connect(vm, 1000);  // while the VM still runs
    tell(hostA, Phase::stopped, true);
    while (hold() == HoldStatus::held && !outcome) co_await sleepFor(loop, 1ms);
    if (hold() == HoldStatus::released) tell(hostB, Phase::resumed);
    if (hold() == HoldStatus::cancelled) tell(hostA, Phase::cancelled);
  }
  Task<> run(MigrationRunner& runner) {
    outcome = co_await runner.run();
    id = runner.journalId();
  }
  Outcome migrate(std::function<void(MigrationRunner&)> meanwhile = {}) {
    MigrationRunner runner{loop, setup, *journal};
    spawn(run(runner));
    if (!setup.plan.now) spawn(hypervisor(), [this] { hypervisorEnded = true; });
    if (meanwhile) meanwhile(runner);
    bool ended = loop.runUntil([this] { return outcome && (setup.plan.now || hypervisorEnded); }, Clock::now() + 20s);
    EXPECT_TRUE(ended) << "the migration does not end";
    totals = runner.totals();
    return outcome.value_or(Outcome::notMoved);
  }
  bool happensInOrder(const std::vector<std::string>& wanted) {
    auto at = source.story->begin();
    for (const auto& each : wanted) {
      at = std::find(at, source.story->end(), each);
      if (at == source.story->end()) return false;
    }
    return true;
  }
  bool happened(const std::string& what) { return std::count(source.story->begin(), source.story->end(), what) > 0; }
  void expectTakenBack() {
    EXPECT_EQ(source.rows<TcpConnRow>().size(), setup.plan.now ? 40u : 41u) << "the source has lost rows";
    EXPECT_FALSE(source.isBlocked) << "the VM's traffic is still blocked";
    EXPECT_TRUE(destination.rows<TcpConnRow>().empty()) << "something half-done stayed";
  }

  EventLoop loop;
  Uuid vm = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  FakeAgent source{loop, "fw-a"}, destination{loop, "fw-b"}, hostA{loop, "host-a"}, hostB{loop, "host-b"};
  std::unique_ptr<Journal> journal = std::move(*Journal::open(":memory:"));
  MigrationRunner::Setup setup;
  std::optional<Outcome> outcome;
  bool hypervisorEnded = false;
  std::int64_t id = 0;
  JournalTotals totals;
};

TEST_F(Run, aVmsRowsFollowItThroughThePhases) {
  EXPECT_EQ(migrate(), Outcome::moved);
  EXPECT_TRUE(source.rows<TcpConnRow>().empty());
  EXPECT_EQ(destination.rows<TcpConnRow>().size(), 41u) << "with the one that came during the pre-copy";
  EXPECT_TRUE(happensInOrder({"fw-a frozen", "fw-b committed", "host-a hold released", "fw-b done", "fw-a released"}));
  EXPECT_EQ(totals.rows, 41u);
  EXPECT_EQ(totals.digest.size(), 32u);
}

TEST_F(Run, whatAStoppedVmWaitsForIsAskedInHaste) {
  ASSERT_EQ(migrate(), Outcome::moved);
  EXPECT_TRUE(source.hasty.contains("set freeze"));
  EXPECT_TRUE(destination.hasty.contains("set commit"));
  EXPECT_TRUE(hostA.hasty.contains("set hold release"));
  EXPECT_TRUE(destination.requests.contains("set done") && source.requests.contains("set release"));
  EXPECT_FALSE(destination.hasty.contains("set done")) << "the VM runs by then";
  EXPECT_FALSE(source.hasty.contains("set release"));
}

TEST_F(Run, theJournalProvesTheOrder) {
  migrate();
  auto events = journal->events(id);
  ASSERT_TRUE(events);
  auto timeline = timelineOf(*events);
  EXPECT_EQ(timeline.isInOrder(), true);
  ASSERT_TRUE(timeline.addedBlackoutMs());
  EXPECT_GT(*timeline.addedBlackoutMs(), 0);
  auto entry = journal->find(id);
  ASSERT_TRUE(entry && *entry);
  EXPECT_EQ((*entry)->outcome, Outcome::moved);
  EXPECT_EQ((*entry)->totals.rows, 41u);
  EXPECT_GT((*entry)->epoch, 1'000'000u);
}

TEST_F(Run, theJournalHasEachStepOfEachDeviceAndEachPhaseOfEachHost) {
  migrate();
  std::map<std::string, std::vector<std::string>> steps;
  nlohmann::json last;
  auto events = *journal->events(id);
  for (const auto& event : events) {
    auto data = nlohmann::json::parse(event.data, nullptr, false);
    if (!data.is_object()) continue;
    bool isHost = data.contains("host");
    steps[data[isHost ? "host" : "device"]].push_back(data[isHost ? "vmMigPhase" : "step"]);
    if (data.value("device", "") == "fw-b") last = data;
  }
  using Steps = std::vector<std::string>;
  auto& source = steps["fw-a"];
  std::erase(source, "tracking");  // skipped when the VM has stopped by then
  source.erase(std::unique(source.begin(), source.end()), source.end());  // the block is told too, or not
  EXPECT_EQ(steps["fw-a"], (Steps{"claiming", "freezing", "frozen", "releasing", "released"}));
  EXPECT_EQ(steps["fw-b"], (Steps{"claiming", "prepared", "committing", "committed", "finishing", "done"}));
  EXPECT_EQ(steps["host-a"], (Steps{"preCopy", "stopped", "stopped"})) << "held, and released";
  EXPECT_EQ(steps["host-b"], (Steps{"resumed"}));
  EXPECT_EQ(last["vmMigTransferRows"], 41);
  EXPECT_EQ(last["tables"], (nlohmann::json{{"vmMigTcpConnTable", 41}}));
}

TEST_F(Run, theJournalHasWhyADeviceGaveUp) {
  destination.corruptCommit = true;
  EXPECT_EQ(migrate(), Outcome::notMoved);
  bool isTold = false;
  auto events = *journal->events(id);
  for (const auto& event : events) {
    auto data = nlohmann::json::parse(event.data, nullptr, false);
    isTold = isTold || (data.is_object() && data.value("failure", "").find("does not hold what") != std::string::npos);
  }
  EXPECT_TRUE(isTold);
}

TEST_F(Run, byHandWithoutAHypervisor) {
  withoutHypervisor();
  EXPECT_EQ(migrate(), Outcome::moved);
  EXPECT_EQ(destination.rows<TcpConnRow>().size(), 40u);
  EXPECT_TRUE(source.rows<TcpConnRow>().empty());
}

TEST_F(Run, rowByRowGivesTheSameDigestAsChunks) {
  withoutHypervisor();
  ASSERT_EQ(migrate(), Outcome::moved);
  auto byChunks = totals;
  FakeAgent otherSource{loop, "fw-c"}, otherDestination{loop, "fw-d"};
  otherSource.makeVm(vm, 40);
  setup.devices = {{otherSource.device(), otherDestination.device()}};
  setup.plan.rowByRow = true;
  outcome.reset();
  ASSERT_EQ(migrate(), Outcome::moved);
  EXPECT_EQ(totals.digest, byChunks.digest);
  EXPECT_EQ(totals.rows, byChunks.rows);
  EXPECT_FALSE(otherDestination.requests.contains("set chunk"));
}

TEST_F(Run, rowByRowTakesRowsOfEveryTableAndPutsBackAllOfThem) {
  setup.plan.rowByRow = true;
  withoutHypervisor();
  FlowRow flow;
  flow.uuid = vm;
  flow.protocol = 17;
  flow.localAddress = *parseInetAddress("10.0.0.5");
  flow.remAddress = *parseInetAddress("192.0.2.7");
  flow.timeout = 100;
  AclRow acl;
  acl.uuid = vm;
  acl.list.value = "authenticated";
  acl.entry.value = "10.0.0.5";
  PolicyRow policy;
  policy.uuid = vm;
  policy.name.value = "acl";
  policy.pieces = {3};
  for (std::uint32_t piece = 1; piece <= 3; ++piece) {
    policy.piece = {piece};
    source.put(policy);
  }
  source.put(flow);
  source.put(acl);
  acl.entry.value = "10.0.0.6";
  destination.put(acl);  // from before: it is replaced, or comes back
  destination.fault = [](const std::string& what) { return what == "set vmMigFlowTable" ? Fault::refuse : Fault::none; };
  EXPECT_EQ(migrate(), Outcome::notMoved);
  EXPECT_EQ(source.rows<PolicyRow>().size() + source.rows<FlowRow>().size() + source.rows<AclRow>().size(), 5u);
  EXPECT_TRUE(destination.rows<PolicyRow>().empty()) << "policies are made before flows, and were taken back";
  ASSERT_EQ(destination.rows<AclRow>().size(), 1u);
  EXPECT_EQ(destination.rows<AclRow>()[0].entry.value, "10.0.0.6");

  destination.fault = [](const std::string&) { return Fault::none; };
  outcome.reset();
  EXPECT_EQ(migrate(), Outcome::moved);
  EXPECT_EQ(totals.rows, 45u);
  EXPECT_EQ(destination.rows<PolicyRow>().size(), 3u);
  EXPECT_EQ(destination.rows<FlowRow>().size(), 1u);
  ASSERT_EQ(destination.rows<AclRow>().size(), 1u);
  EXPECT_EQ(destination.rows<AclRow>()[0].entry.value, "10.0.0.5");
}

TEST_F(Run, aDeviceWithoutImagesIsServedRowByRow) {
  withoutHypervisor();
  DeviceScalars scalars;
  scalars.capabilities.set(Capability::block);
  destination.put(scalars);
  EXPECT_EQ(migrate(), Outcome::moved);
  EXPECT_EQ(destination.rows<TcpConnRow>().size(), 40u);
  EXPECT_FALSE(destination.requests.contains("set chunk"));
}

TEST_F(Run, rowByRowReplacesWhatTheDestinationHadAndPutsItBackAfterAFailure) {
  withoutHypervisor();
  setup.plan.rowByRow = true;
  destination.connect(vm, 5000);
  source.fault = [](const std::string& what) { return what == "set freeze" ? Fault::refuse : Fault::none; };
  EXPECT_EQ(migrate(), Outcome::notMoved);
  ASSERT_EQ(destination.rows<TcpConnRow>().size(), 1u);
  EXPECT_EQ(destination.rows<TcpConnRow>()[0].remPort, 5000);
}

TEST_F(Run, rowByRowARowThatCannotBeMadeTakesAllBack) {
  withoutHypervisor();
  setup.plan.rowByRow = true;
  destination.connect(vm, 5000);
  int creations = 0;
  destination.fault = [&](const std::string& what) {
    return what == "set vmMigTcpConnTable" && ++creations == 3 ? Fault::refuse : Fault::none;
  };
  EXPECT_EQ(migrate(), Outcome::notMoved);
  ASSERT_EQ(destination.rows<TcpConnRow>().size(), 1u);
  EXPECT_EQ(destination.rows<TcpConnRow>()[0].remPort, 5000);
  EXPECT_EQ(source.rows<TcpConnRow>().size(), 40u);
  EXPECT_FALSE(source.isBlocked);
}

TEST_F(Run, aVmThatTheSourceDoesNotKnowNeedsTheInventory) {
  withoutHypervisor();
  FakeAgent empty{loop, "fw-e"};
  setup.devices[0].source = empty.device();
  EXPECT_EQ(migrate(), Outcome::notMoved);
  EXPECT_FALSE(empty.requests.contains("set track"));
  EXPECT_FALSE(destination.requests.contains("set prepare"));
  auto entry = journal->find(id);
  EXPECT_NE((*entry)->reason.find("inventory"), std::string::npos) << (*entry)->reason;
}

TEST_F(Run, aVmThatOnlyTheInventoryKnowsIsMadeKnown) {
  withoutHypervisor();
  FakeAgent empty{loop, "fw-e"};
  setup.devices[0].source = empty.device();
  VmAddressRow address;
  address.uuid = vm;
  address.address = *parseInetAddress("10.0.0.5");
  setup.addresses = {address};
  EXPECT_EQ(migrate(), Outcome::moved);
  EXPECT_EQ(destination.rows<VmAddressRow>().size(), 1u);
}

TEST_F(Run, aVmThatWasMadeKnownForNothingIsForgottenAgain) {
  source.fault = [](const std::string& what) { return what == "set freeze" ? Fault::refuse : Fault::none; };
  EXPECT_EQ(migrate(), Outcome::notMoved);
  EXPECT_TRUE(destination.rows<VmRow>().empty());
}

TEST_F(Run, aDestinationThatHoldsSomethingElseCancelsTheMigration) {
  destination.corruptCommit = true;
  EXPECT_EQ(migrate(), Outcome::notMoved);
  EXPECT_TRUE(happened("host-a hold cancelled"));
  expectTakenBack();
}

TEST_F(Run, bestEffortLetsTheVmGoAndTellsWhatIsMissing) {
  destination.corruptCommit = true;
  setup.plan.policy = TransferPolicy::bestEffort;
  EXPECT_EQ(migrate(), Outcome::incomplete);
  EXPECT_TRUE(happened("host-a hold released"));
  EXPECT_FALSE(happened("fw-a released"));
}

TEST_F(Run, anOperatorCanTakeItBackDuringThePreCopy) {
  outcome.reset();
  EXPECT_EQ(migrate([this](MigrationRunner& runner) { loop.after(10ms, [&runner] { runner.abort("^C"); }); }), Outcome::notMoved);
  EXPECT_FALSE(source.isBlocked);
  EXPECT_TRUE(destination.rows<TcpConnRow>().empty());
}

TEST_F(Run, anotherManagersNewerClaimIsNotFought) {
  destination.fault = [this](const std::string& what) {
    TransferRow key;
    key.uuid = vm;
    if (what == "set chunk") source.find(key)->epoch.value = UINT32_MAX;
    return Fault::none;
  };
  EXPECT_EQ(migrate(), Outcome::notMoved);
  EXPECT_FALSE(happened("fw-a aborted")) << "it is the other manager's now";
}

TEST_F(Run, whatAKilledManagerHadCommittedIsBroughtToItsEnd) {
  withoutHypervisor();
  // Everything up to the commit, and then nothing more is heard.
  setup.limits.ending = 100ms;
  setup.limits.waitForStop = 10s;
  destination.fault = [](const std::string& what) { return what == "set done" ? Fault::dead : Fault::none; };
  source.fault = [](const std::string& what) { return what == "set abort" ? Fault::dead : Fault::none; };
  EXPECT_EQ(migrate(), Outcome::incomplete);
  EXPECT_EQ(source.rows<TcpConnRow>().size(), 40u) << "the source keeps all until the destination has it for good";
  destination.fault = source.fault = [](const std::string&) { return Fault::none; };
  auto entry = journal->find(id);
  setup.adoption = {MigrationRunner::Setup::Adoption::How::resumed, (*entry)->epoch, ""};
  outcome.reset();
  setup.limits.ending = 2s;
  EXPECT_EQ(migrate(), Outcome::moved);
  EXPECT_TRUE(source.rows<TcpConnRow>().empty());
  EXPECT_EQ(destination.rows<TcpConnRow>().size(), 40u);
}

/// One step of the protocol at one agent, and how it goes wrong there.
struct Injection {
  const char* agent;
  const char* request;
  Fault fault;
  friend std::ostream& operator<<(std::ostream& out, const Injection& i) { return out << i.agent << ' ' << i.request; }
};
class RunWithFault : public Run, public testing::WithParamInterface<Injection> {};

TEST_P(RunWithFault, losesNothingAndLeavesNothingBehind) {
  const auto& wanted = GetParam();
  auto& agent = wanted.agent == std::string{"fw-a"} ? source : wanted.agent == std::string{"fw-b"} ? destination : hostA;
  bool struck = false;
  agent.fault = [&](const std::string& what) {
    if (what != wanted.request || struck) return Fault::none;
    struck = true;
    return wanted.fault;
  };
  auto result = migrate();
  EXPECT_TRUE(struck) << wanted.request << " was never asked";
  EXPECT_FALSE(source.isBlocked) << "the VM's traffic is still blocked";
  bool released = happened("host-a hold released");
  if (result == Outcome::moved) {
    EXPECT_TRUE(released);
    EXPECT_EQ(destination.rows<TcpConnRow>().size(), 41u);
    EXPECT_TRUE(source.rows<TcpConnRow>().empty());
  } else if (released) {
    EXPECT_EQ(destination.rows<TcpConnRow>().size(), 41u) << "the VM was let go, and its rows are not there";
  } else {
    expectTakenBack();
    auto timeline = timelineOf(*journal->events(id));
    // What fails before the stop is over by then; whoever serves the stop begins anew.
    EXPECT_TRUE(!timeline.stop || hold() != HoldStatus::held) << "nobody has told the hypervisor";
  }
}

std::string nameOf(const testing::TestParamInfo<Injection>& info) {
  std::string text = std::string{info.param.agent} + "_" + info.param.request + "_" +
                     (info.param.fault == Fault::dead     ? "dead"
                      : info.param.fault == Fault::refuse ? "refused"
                                                          : "silentAfter");
  std::replace_if(
      text.begin(), text.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return text;
}

std::vector<Injection> injections() {
  std::vector<Injection> all;
  for (auto fault : {Fault::dead, Fault::silentAfter, Fault::refuse}) {
    for (const char* request : {"get", "set track", "set freeze"}) all.push_back({"fw-a", request, fault});
    for (const char* request :
         {"get", "set vmMigVmTable", "set vmMigVmAddressTable", "set prepare", "set chunk", "set commit", "set done"})
      all.push_back({"fw-b", request, fault});
    // A refusal of these is final: the device's and the host's own deadlines end what is left, and these fakes have none.
    if (fault == Fault::refuse) continue;
    all.push_back({"fw-a", "set release", fault});
    all.push_back({"host-a", "set hold release", fault});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(EachStep, RunWithFault, testing::ValuesIn(injections()), nameOf);

}  // namespace
}  // namespace vmmig

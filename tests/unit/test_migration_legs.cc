// SPDX-License-Identifier: GPL-2.0-or-later
// A migration over a firewall and a switch: whatever fails, once, at any step of any device, both have the VM's state on the same
// side and nothing of it on the other (invariant 7).
#include <gtest/gtest.h>

#include <algorithm>

#include "common/log.h"
#include "manager/migration_runner.h"
#include "tests/unit/fake_agent.h"

namespace vmmig {
namespace {

using namespace std::chrono_literals;
using migration::Outcome;
using Fault = FakeAgent::Fault;

constexpr std::size_t rows = 5;

/// Two legs, two hosts, and a hypervisor.
class World {
 public:
  explicit World(TransferPolicy policy) {
    for (auto* agent : {&firewallA, &switchA}) agent->makeVm(vm, rows);
    setup.plan.vm = vm;
    setup.plan.vmName = "web1";
    setup.plan.policy = policy;
    setup.plan.sourceHost = "host-a";
    setup.plan.destinationHost = "host-b";
    setup.plan.legs = {{"fw-a", "fw-b"}, {"sw-a", "sw-b"}};
    setup.devices = {{firewallA.device(), firewallB.device()}, {switchA.device(), switchB.device()}};
    setup.hosts = {{"host-a", hostA.device()}, {"host-b", hostB.device()}};
    setup.limits.retry = 2ms;
    setup.limits.ending = 1s;
    setup.limits.stop = 3s;
    setup.limits.resume = 300ms;
    setup.limits.waitForStop = 3s;
    setup.phasePoll = 1ms;
    setup.destinationPoll = 2ms;
  }

  Outcome migrate() {
    MigrationRunner runner{loop, setup, *journal};
    spawn(run(runner));
    spawn(hypervisor(), [this] { isDone = true; });
    EXPECT_TRUE(loop.runUntil([this] { return outcome && isDone; }, Clock::now() + 20s)) << "the migration does not end";
    reason = runner.state().reason;
    if (auto found = journal->events(runner.journalId())) events = *found;
    return outcome.value_or(Outcome::notMoved);
  }
  static std::size_t count(FakeAgent& agent) { return agent.rows<TcpConnRow>().size(); }
  void expectAllMoved() {
    for (auto* agent : {&firewallB, &switchB}) EXPECT_EQ(count(*agent), rows);
  }
  void expectNoneMoved() {
    for (auto* agent : {&firewallA, &switchA}) {
      EXPECT_EQ(count(*agent), rows) << "the source has lost rows";
      EXPECT_FALSE(agent->isBlocked) << "the VM's traffic is still blocked";
    }
    for (auto* agent : {&firewallB, &switchB}) {
      EXPECT_EQ(count(*agent), 0u) << "something half-done stayed";
      EXPECT_TRUE(agent->rows<VmRow>().empty()) << "the destination still knows the VM";
    }
  }
  /// Was the hypervisor told so?
  bool wasHold(const std::string& ended) {
    return std::count(hostA.story->begin(), hostA.story->end(), "host-a hold " + ended) == 1;
  }

  EventLoop loop;
  Uuid vm = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  FakeAgent firewallA{loop, "fw-a"}, firewallB{loop, "fw-b"}, switchA{loop, "sw-a"}, switchB{loop, "sw-b"};
  FakeAgent hostA{loop, "host-a"}, hostB{loop, "host-b"};
  std::unique_ptr<Journal> journal = std::move(*Journal::open(":memory:"));
  MigrationRunner::Setup setup;
  std::string reason;
  std::vector<JournalEvent> events;

 private:
  void tell(FakeAgent& host, Phase phase, bool held = false) {
    PhaseRow row;
    row.uuid = vm;
    if (auto* known = host.find(row)) row = *known;
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
    auto* row = hostA.find(key);
    return row ? row->holdStatus : HoldStatus::none;
  }
  Task<> hypervisor() {
    tell(hostA, Phase::preCopy);
    co_await sleepFor(loop, 15ms);
    if (outcome) co_return;
    tell(hostA, Phase::stopped, true);
    while (hold() == HoldStatus::held && !outcome) co_await sleepFor(loop, 1ms);
    if (hold() == HoldStatus::released) tell(hostB, Phase::resumed);
    if (hold() == HoldStatus::cancelled) tell(hostA, Phase::cancelled);
  }
  Task<> run(MigrationRunner& runner) { outcome = co_await runner.run(); }
  std::optional<Outcome> outcome;
  bool isDone = false;
};

/// The first request of this kind fails, and only that.
void failOnce(FakeAgent& agent, const std::string& request, Fault fault) {
  auto done = std::make_shared<bool>(false);
  agent.fault = [=](const std::string& is) {
    if (is != request || *done) return Fault::none;
    *done = true;
    return fault;
  };
}

class Legs : public testing::TestWithParam<TransferPolicy> {
 protected:
  Legs() { log::setLevel(log::Level::error); }
  ~Legs() override { log::setLevel(log::Level::info); }
};

const std::vector<std::string> sourceSteps = {"get", "getBulk", "set track", "set freeze", "set release"};
const std::vector<std::string> destinationSteps = {"get",         "getBulk",   "set vmMigVmTable", "set vmMigVmAddressTable",
                                                   "set prepare", "set chunk", "set commit",       "set done"};

TEST_F(Legs, underRequireAFailureAtAnyStepOfAnyDeviceMovesAllOrNothing) {
  int moved = 0, back = 0;
  for (bool isSource : {true, false})
    for (bool isSwitch : {false, true})
      for (const auto& step : isSource ? sourceSteps : destinationSteps)
        for (auto fault : {Fault::dead, Fault::silentAfter, Fault::refuse}) {
          SCOPED_TRACE(std::string{isSource ? "source " : "destination "} + (isSwitch ? "switch " : "firewall ") + step +
                       " fault " + std::to_string(static_cast<int>(fault)));
          World world{TransferPolicy::require};
          auto& agent = isSource ? isSwitch ? world.switchA : world.firewallA : isSwitch ? world.switchB : world.firewallB;
          failOnce(agent, step, fault);
          auto outcome = world.migrate();
          if (outcome == Outcome::moved || outcome == Outcome::incomplete) {
            ++moved;
            world.expectAllMoved();
            EXPECT_FALSE(world.wasHold("cancelled"));
          } else {
            ++back;
            world.expectNoneMoved();
            EXPECT_FALSE(world.wasHold("released"));
          }
          if (HasFailure()) return;
        }
  EXPECT_GT(moved, 5);
  EXPECT_GT(back, 20) << "a walk in which nothing fails proves nothing";
}

TEST_F(Legs, aLegThatDiffersAfterItsCommitTakesTheCommittedOneBackToo) {
  for (bool isSwitch : {false, true}) {
    World world{TransferPolicy::require};
    (isSwitch ? world.switchB : world.firewallB).corruptCommit = true;
    EXPECT_EQ(world.migrate(), Outcome::notMoved);
    world.expectNoneMoved();
    EXPECT_TRUE(world.wasHold("cancelled"));
  }
}

TEST_F(Legs, aHoldWhoseReleaseIsRefusedLeavesBothLegsAlike) {
  World world{TransferPolicy::require};
  failOnce(world.hostA, "set hold release", Fault::refuse);
  EXPECT_EQ(world.migrate(), Outcome::incomplete) << "nobody knows where the VM runs";
  world.expectAllMoved();
  for (auto* agent : {&world.firewallA, &world.switchA}) {
    EXPECT_EQ(World::count(*agent), rows) << "the source keeps its rows until the VM runs at the destination";
    EXPECT_FALSE(agent->isBlocked);
  }
}

TEST_F(Legs, underBestEffortTheLegThatFailsIsLeftOutAndTold) {
  World world{TransferPolicy::bestEffort};
  failOnce(world.switchB, "set prepare", Fault::refuse);
  EXPECT_EQ(world.migrate(), Outcome::incomplete);
  EXPECT_EQ(World::count(world.firewallB), rows);
  EXPECT_EQ(World::count(world.switchB), 0u) << "nothing half-done stays on the device that is left out";
  EXPECT_EQ(World::count(world.switchA), rows);
  EXPECT_FALSE(world.switchA.isBlocked);
  auto told = std::count_if(world.events.begin(), world.events.end(),
                            [](const auto& event) { return event.text.find("sw-a to sw-b") != std::string::npos; });
  EXPECT_EQ(told, 1);
}

/// What the destination says of a transfer that it has given up while it was prepared.
void refuse(World& world, FakeAgent& agent) {
  TransferRow key;
  key.uuid = world.vm;
  if (auto* row = agent.find(key)) {
    row->operStatus = TransferOper::failed;
    row->error.value = "the chain deny_in does not exist; create it";
  } else {
    world.loop.after(1ms, [&world, &agent] { refuse(world, agent); });
  }
}

TEST_F(Legs, aRefusalIsToldOnceWithItsReasonWhileTheVmStillRuns) {
  World world{TransferPolicy::require};
  refuse(world, world.switchB);
  EXPECT_EQ(world.migrate(), Outcome::notMoved);
  world.expectNoneMoved();
  EXPECT_FALSE(world.wasHold("released"));
  int told = 0;
  for (const auto& event : world.events) {
    if (event.text.find("deny_in") == std::string::npos) continue;
    ++told;
    EXPECT_NE(event.text.find("web1"), std::string::npos) << event.text;
    EXPECT_NE(event.text.find("sw-b"), std::string::npos) << event.text;
  }
  EXPECT_EQ(told, 1);
  EXPECT_NE(world.reason.find("the chain deny_in does not exist; create it"), std::string::npos) << world.reason;
}

TEST_F(Legs, theReasonOfARefusedChunkIsThatOfTheDevicesRow) {
  World world{TransferPolicy::require};
  world.setup.destinationPoll = 1h;  // so that only the chunk's refusal can tell
  world.firewallB.fault = [&](const std::string& is) {
    if (is != "set chunk") return Fault::none;
    refuse(world, world.firewallB);
    return Fault::refuse;
  };
  EXPECT_EQ(world.migrate(), Outcome::notMoved);
  EXPECT_NE(world.reason.find("deny_in"), std::string::npos) << world.reason;
  world.expectNoneMoved();
}

TEST_F(Legs, anAttachmentThatTheDestinationDoesNotKnowIsFilledInAndTakenBack) {
  for (bool succeeds : {true, false}) {
    World world{TransferPolicy::require};
    VmRow vm;
    vm.uuid = world.vm;
    VmAddressRow address;
    address.uuid = vm.uuid;
    address.address = *parseInetAddress("10.0.0.5");
    world.switchB.put(vm);  // known, without its port and MAC
    world.switchB.put(address);
    vm.port.value = "operators-choice";
    world.firewallB.put(vm);
    vm.port.value = "vm-port";
    address.macAddress.value = std::string("\x02\0\0\0\0\x05", 6);
    address.vlan = {7};
    for (auto* agent : {&world.firewallA, &world.switchA}) agent->put(vm), agent->put(address);
    if (!succeeds) failOnce(world.switchB, "set commit", Fault::refuse);
    EXPECT_EQ(world.migrate(), succeeds ? Outcome::moved : Outcome::notMoved);
    EXPECT_EQ(world.firewallB.find(vm)->port.value, "operators-choice");
    EXPECT_EQ(world.switchB.find(vm)->port.value, succeeds ? "vm-port" : "");
    EXPECT_EQ(world.switchB.find(address)->macAddress.value, succeeds ? address.macAddress.value : "");
    EXPECT_EQ(world.switchB.find(address)->vlan.value, succeeds ? 7u : 0u);
    EXPECT_EQ(world.firewallB.find(address) != nullptr, succeeds) << "an address of a VM that was known is forgotten again";
    if (succeeds) EXPECT_EQ(world.firewallB.find(address)->vlan.value, 7u);
  }
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig serve` between fake devices and hosts: whatever agent is asked for is there.
#pragma once

#include <gtest/gtest.h>

#include "common/log.h"
#include "manager/service.h"
#include "tests/unit/fake_agent.h"

namespace vmmig {

using namespace std::chrono_literals;

class FakePool final : public DevicePool {
 public:
  FakePool(EventLoop& loop, const Inventory& inventory) : DevicePool(loop, inventory, {}), loop_(loop) {}
  FakeAgent& agent(const std::string& name) {
    auto& made = agents_[name];
    if (!made) made = std::make_unique<FakeAgent>(loop_, name);
    made->story = story;
    return *made;
  }
  Result<std::shared_ptr<Device>> device(const std::string& name) override { return agent(name).device(); }
  Result<std::shared_ptr<Device>> host(const std::string& name) override { return agent(name).device(); }

  std::shared_ptr<std::vector<std::string>> story = std::make_shared<std::vector<std::string>>();

 private:
  EventLoop& loop_;
  std::map<std::string, std::unique_ptr<FakeAgent>> agents_;
};

class Serve : public testing::Test {
 protected:
  Serve() {
    log::setLevel(log::Level::error);
    for (std::string site : {"a", "b", "c"}) {
      inventory.hosts["host-" + site] = {.agent = {}, .devices = {"fw-" + site}, .namesDevices = true};
      inventory.devices["fw-" + site];
    }
    inventory.poll = 5ms;
    inventory.limits.stop = 5s;
    inventory.limits.ending = 1s;
    inventory.limits.retry = 5ms;
    pool.agent("fw-a").makeVm(vm, 20);
  }
  ~Serve() override {
    if (service) service->stop();
    loop.runUntil([this] { return !service || ended; }, Clock::now() + 20s);
    log::setLevel(log::Level::info);
  }

  void serve() {
    service = std::make_unique<Service>(loop, inventory, pool, *journal);
    spawn(service->run(), [this] { ended = true; });
  }
  /// A row as a phase source writes it: with its own side alone.
  void tell(const std::string& host, Phase phase, std::uint32_t hold = 0) {
    PhaseRow key;
    key.uuid = vm;
    auto& agent = pool.agent(host);
    auto* known = agent.find(key);
    PhaseRow row = known ? *known : key;
    bool isDestination = phase == Phase::prepared || phase == Phase::resumed || row.destinationHost.value == host;
    (isDestination ? row.destinationHost : row.sourceHost).value = host;
    row.phase = phase;
    row.sequence += known ? 1 : 100;
    row.holdStatus = hold ? HoldStatus::held : HoldStatus::none;
    row.holdDeadline.value = hold;
    agent.put(row);
  }
  PhaseRow rowOf(const std::string& host) {
    PhaseRow key;
    key.uuid = vm;
    auto* row = pool.agent(host).find(key);
    return row ? *row : key;
  }
  HoldStatus hold() { return rowOf("host-a").holdStatus; }
  bool waitFor(std::function<bool()> condition, Clock::duration longest = 10s) {
    return loop.runUntil(std::move(condition), Clock::now() + longest);
  }
  /// Long enough for many polls.
  void letItBe() {
    bool over = false;
    loop.after(100ms, [&] { over = true; });
    waitFor([&] { return over; });
  }
  std::vector<JournalMigration> migrations() { return *journal->list(10); }
  bool isOver() { return !migrations().empty() && migrations().front().outcome.has_value(); }
  bool isTouched() {
    for (const char* device : {"fw-a", "fw-b", "fw-c"})
      if (!pool.agent(device).requests.empty()) return true;
    return false;
  }

  EventLoop loop;
  Uuid vm = *parseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  Inventory inventory;
  FakePool pool{loop, inventory};
  std::unique_ptr<Journal> journal = std::move(*Journal::open(":memory:"));
  std::unique_ptr<Service> service;
  bool ended = false;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/top/poller.h"

#include <algorithm>

#include "manager/at_once.h"
#include "manager/transfer_side.h"

namespace vmmig::top {

namespace {

// Names of VMs that are asked for at once, beside the two tables.
constexpr std::size_t namesAtOnce = 4;

Task<> readName(std::shared_ptr<Device> device, Uuid vm, std::map<Uuid, std::string>& names) {
  AnyRow key{VmRow{.uuid = vm}};
  std::vector<std::string_view> columns{"vmMigVmName"};
  auto row = co_await device->read(std::move(key), std::move(columns));
  // A name that cannot be had is no reason to show nothing.
  if (row && *row) names[vm] = (*row)->as<VmRow>().name.value;
}

template <class Row>
Task<> readTable(std::shared_ptr<Device> device, std::vector<Row>& rows, Status& status) {
  auto read = co_await device->readAll(TableOf<Row>::info, std::nullopt);
  if (!read) {
    status = failure(read.error());
    co_return;
  }
  rows.clear();
  for (auto& row : *read) rows.push_back(std::move(row.template as<Row>()));
}

}  // namespace

Poller::Poller(EventLoop& loop, std::vector<Subject> subjects, Clock::duration interval, std::function<void()> changed)
    : state_(std::make_shared<State>(State{loop, interval, std::move(changed), {}})), subjects_(std::move(subjects)) {
  for (const auto& subject : subjects_) state_->agents.push_back({.name = subject.name, .isHost = subject.isHost});
}

Poller::~Poller() { state_->isOver = true; }

void Poller::start() {
  for (std::size_t number = 0; number < subjects_.size(); ++number) spawn(follow(state_, number, subjects_[number].device));
}

bool Poller::isComplete() const {
  return std::none_of(state_->agents.begin(), state_->agents.end(),
                      [](const Agent& agent) { return agent.reach == Reach::asking; });
}

Snapshot Poller::snapshot() const {
  auto utc = std::chrono::system_clock::now().time_since_epoch();
  return {Clock::now(), static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(utc).count()),
          state_->agents};
}

Task<> Poller::follow(std::shared_ptr<State> state, std::size_t number, std::shared_ptr<Device> device) {
  while (!state->isOver) {
    auto begin = Clock::now();
    if (!state->isPaused) {
      state->agents[number].askedAt = begin;
      // What was read last stays to be seen until the next is there as a whole.
      auto fresh = state->agents[number];
      auto status = co_await ask(device, fresh);
      if (state->isOver) co_return;
      auto& agent = state->agents[number];
      if (status) {
        fresh.answeredAt = Clock::now();
        fresh.answerTime = fresh.answeredAt - begin;
        agent = std::move(fresh);
      } else {
        agent.reach = Reach::silent;
        agent.error = status.error().text;
      }
      state->changed();
    }
    auto next = std::max(begin + state->interval, Clock::now() + std::chrono::milliseconds{10});
    co_await sleepFor(state->loop, next - Clock::now());
  }
}

Task<Status> Poller::ask(std::shared_ptr<Device> device, Agent& agent) {
  DeviceScalars key;
  auto scalars = co_await readRow(*device, key);
  if (!scalars) co_return failure(scalars.error());
  agent.error.clear();
  agent.reach = *scalars ? Reach::answers : Reach::noAgent;
  agent.scalars = scalars->value_or(DeviceScalars{});
  agent.transfers.resize(agent.scalars.backEnd.value.empty() ? 0 : agent.transfers.size());
  agent.phases.resize(agent.scalars.capabilities.has(Capability::phase) ? agent.phases.size() : 0);
  if (!*scalars) co_return Status{};

  Status status[2];
  std::function<Task<>(std::size_t)> table = [&](std::size_t which) -> Task<> {
    if (which == 0 && !agent.scalars.backEnd.value.empty()) co_await readTable<TransferRow>(device, agent.transfers, status[0]);
    if (which == 1 && agent.scalars.capabilities.has(Capability::phase))
      co_await readTable<PhaseRow>(device, agent.phases, status[1]);
  };
  co_await forEachAtOnce(2, 2, table);
  for (const auto& each : status)
    if (!each) co_return each;

  std::vector<Uuid> unknown;
  for (const auto& row : agent.transfers)
    if (!agent.names.contains(row.uuid)) unknown.push_back(row.uuid);
  std::function<Task<>(std::size_t)> name = [&](std::size_t which) { return readName(device, unknown[which], agent.names); };
  co_await forEachAtOnce(unknown.size(), namesAtOnce, name);
  co_return Status{};
}

}  // namespace vmmig::top

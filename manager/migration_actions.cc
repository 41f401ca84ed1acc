// SPDX-License-Identifier: GPL-2.0-or-later
// What MigrationRunner does at the devices for each action of a leg.
#include <algorithm>
#include <ctime>

#include "manager/at_once.h"
#include "manager/counted.h"
#include "manager/migration_runner.h"

namespace vmmig {

using namespace migration;

/// Every device of every leg at once.
Task<> MigrationRunner::survey() {
  std::vector<Result<DeviceSurvey>> found(2 * legs_.size(), DeviceSurvey{});
  std::function<Task<>(std::size_t)> job = [&](std::size_t number) -> Task<> {
    auto& leg = legs_[number / 2];
    found[number] = co_await (number % 2 == 0 ? leg.source : leg.destination)->survey();
  };
  co_await forEachAtOnce(found.size(), found.size(), job);

  Surveyed surveyed;
  surveyed.unixSeconds = static_cast<std::uint32_t>(std::time(nullptr));
  for (std::size_t number = 0; number < found.size(); ++number) {
    auto& leg = legs_[number / 2];
    auto& survey = found[number];
    if (!survey) {
      surveyed.failures[number / 2] = toFailure(survey.error());
      continue;
    }
    if (survey->transfer) surveyed.highestEpoch = std::max<std::uint32_t>(surveyed.highestEpoch, survey->transfer->epoch);
    (number % 2 == 0 ? leg.sourceSurvey : leg.destinationSurvey) = std::move(*survey);
  }
  for (std::size_t index = 0; index < legs_.size(); ++index) {
    if (surveyed.failures.contains(index)) continue;
    if (auto status = choosePath(legs_[index]); !status) surveyed.failures[index] = toFailure(status.error());
  }
  feed(std::move(surveyed));
}

/// By images or row by row, and whether the leg can go at all.
Status MigrationRunner::choosePath(Leg& leg) {
  auto& source = leg.source->device();
  auto& destination = leg.destination->device();
  if (!leg.sourceSurvey.vm && setup_.addresses.empty())
    return failure(SnmpStatus::inconsistentName,
                   "VM " + setup_.plan.vmName + " is not known at " + source.name() +
                       ", and the inventory has no addresses of it: write them as addresses= in its "
                       "section");
  if (leg.sourceSurvey.addresses.empty() && setup_.addresses.empty())
    return failure(SnmpStatus::inconsistentName, "VM " + setup_.plan.vmName + " has no addresses at " + source.name() +
                                                     " nor in the inventory, so nobody knows which state is its own");
  if (!leg.sourceSurvey.has(Capability::block))
    return failure(SnmpStatus::noAccess, source.name() + " cannot stop a VM's traffic, so its last read would be stale");
  bool haveImages = leg.sourceSurvey.has(Capability::image) && leg.destinationSurvey.has(Capability::image);
  if (haveImages && !setup_.plan.rowByRow) return {};
  setup_.plan.rowByRow = true;
  leg.rows = std::make_unique<RowCopier>(source, destination, setup_.plan.vm);
  return {};
}

Task<Status> MigrationRunner::claim(std::size_t index, TransferRole role) {
  auto& leg = legs_[index];
  auto& side = leg.side(role);
  VmRow vm;
  vm.uuid = setup_.plan.vm;
  // Names of ports are the same on all devices in rows; each maps them to its own.
  if (leg.sourceSurvey.vm) vm.port = leg.sourceSurvey.vm->port;
  vm.name.value = leg.sourceSurvey.vm ? leg.sourceSurvey.vm->name.value : setup_.plan.vmName;
  std::vector<VmAddressRow> addresses;
  for (const auto& known : leg.sourceSurvey.addresses.empty() ? setup_.addresses : leg.sourceSurvey.addresses) {
    VmAddressRow row;
    row.uuid = setup_.plan.vm;
    row.address = known.address;
    row.macAddress = known.macAddress;
    row.vlan = known.vlan;
    addresses.push_back(std::move(row));
  }
  auto introduced = co_await side.introduce(std::move(vm), std::move(addresses));
  if (!introduced) co_return introduced;
  if (role == TransferRole::destination && leg.rows) co_return Status{};
  const auto& scalars = role == TransferRole::source ? leg.sourceSurvey.scalars : leg.destinationSurvey.scalars;
  auto deadline = std::min<std::uint32_t>(setup_.transferDeadlineSeconds, scalars.maxDeadline);
  auto claimed = co_await side.claim(state_.epoch, setup_.plan.policy, deadline, seenOf(index, role));
  bool isFull = !claimed && claimed.error().status == SnmpStatus::resourceUnavailable;
  if (!isFull) co_return claimed;
  co_return failure(SnmpStatus::resourceUnavailable, side.device().name() + " has " + counted(scalars.maxTransfers, "transfer") +
                                                         " under way, and takes no more; wait for one to end, then try "
                                                         "again");
}

Task<Status> MigrationRunner::copy(std::size_t index) {
  auto& leg = legs_[index];
  ImageCopier::Options options;
  options.maxChunkSize = leg.destinationSurvey.scalars.maxChunkSize;
  leg.images = std::make_unique<ImageCopier>(loop_, leg.source->device(), leg.destination->device(), setup_.plan.vm, state_.epoch,
                                             options);
  if (state_.legs[index].source.step >= SideStep::working) leg.images->hurry();
  ++underWay_;
  spawn(watchDestination(index));
  auto seen = seenOf(index, TransferRole::source);
  co_return co_await leg.images->run(std::move(seen));
}

/// The rehearsal at the destination comes after its chunks, so that only its row tells a refusal, while the VM still runs.
Task<> MigrationRunner::watchDestination(std::size_t index) {
  auto& pause = pauses_.emplace_back();
  auto seen = seenOf(index, TransferRole::destination);
  while (state_.stage == Stage::following && state_.legs[index].destination.step == SideStep::claimed) {
    co_await pause.wait(loop_, setup_.destinationPoll);
    // In the stop its commit tells.
    if (state_.stage != Stage::following) break;
    auto row = co_await legs_[index].destination->readTransfer();
    if (row && *row) seen(**row);
  }
  --underWay_;
  finishIfIdle();
}

/// Row by row all of it waits for the freeze.
Task<Status> MigrationRunner::copyRows(std::size_t index) {
  auto& leg = legs_[index];
  auto seen = seenOf(index, TransferRole::source);
  auto frozen = co_await leg.source->follow(TransferOper::frozen, std::move(seen));
  if (!frozen) co_return failure(frozen.error());
  co_return co_await leg.rows->read(*frozen);
}

Task<Status> MigrationRunner::commit(std::size_t index) {
  auto& leg = legs_[index];
  auto seen = seenOf(index, TransferRole::destination);
  if (!leg.rows) co_return co_await leg.destination->reach(TransferAdmin::commit, TransferOper::committed, std::move(seen));
  auto row = co_await leg.rows->commit(setup_.plan.policy);
  if (!row) co_return failure(row.error());
  row->epoch = {state_.epoch};
  seen(*row);
  co_return Status{};
}

Task<Status> MigrationRunner::finishDestination(std::size_t index) {
  if (legs_[index].rows) co_return Status{};
  auto seen = seenOf(index, TransferRole::destination);
  co_return co_await legs_[index].destination->reach(TransferAdmin::done, TransferOper::done, std::move(seen));
}

Task<Status> MigrationRunner::abortSide(std::size_t index, TransferRole role) {
  auto& leg = legs_[index];
  if (role == TransferRole::destination && leg.rows) {
    auto undone = co_await leg.rows->undo();
    if (!undone) co_return undone;
  } else {
    auto aborted = co_await leg.side(role).abort();
    if (!aborted) co_return aborted;
  }
  // What only this migration made known is forgotten again.
  if (role == TransferRole::destination) co_return co_await leg.destination->forget();
  co_return Status{};
}

}  // namespace vmmig

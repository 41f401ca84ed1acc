// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/transfer_side.h"

#include <algorithm>

#include "manager/backoff.h"
#include "manager/migration.h"
#include "mibs/labels.h"

namespace vmmig {

namespace {

// A device that works longer than this on one step is taken for stuck.
constexpr auto longestWait = std::chrono::seconds{60};

bool isTakenBack(TransferOper oper) {
  return oper == TransferOper::aborted || oper == TransferOper::failed || oper == TransferOper::expired;
}

}  // namespace

Task<Result<DeviceSurvey>> TransferSide::survey() {
  DeviceSurvey survey;
  DeviceScalars scalarsKey;
  auto scalars = co_await readRow(*device_, scalarsKey);
  if (!scalars) co_return failure(scalars.error());
  if (!*scalars)
    co_return failure(device_->name() + " has no VM-MIGRATION-MIB: is its vmmigd running, and may this user see it (VACM view)?");
  survey.scalars = **scalars;
  auto transfer = co_await readTransfer();
  if (!transfer) co_return failure(transfer.error());
  survey.transfer = *transfer;
  hasRow_ = survey.transfer.has_value();
  auto vm = co_await readVm();
  if (!vm) co_return failure(vm.error());
  survey.vm = *vm;
  auto addresses = co_await readRows<VmAddressRow>(*device_, vm_);
  if (!addresses) co_return failure(addresses.error());
  survey.addresses = std::move(*addresses);
  co_return survey;
}

Task<Status> TransferSide::introduce(VmRow vm, std::vector<VmAddressRow> addresses) {
  auto known = co_await introduceVm(std::move(vm));
  if (!known) co_return known;
  co_return co_await introduceAddresses(std::move(addresses));
}

Task<Status> TransferSide::introduceVm(VmRow vm) {
  auto known = co_await readVm();
  if (!known) co_return failure(known.error());
  if (!known->has_value()) {
    isVmNew_ = true;  // also when its answer is lost
    std::vector<AnyRow> rows;
    rows.emplace_back(std::move(vm));
    co_return co_await device_->create(std::move(rows));
  }
  // A port that is there was set by the operator of that device.
  if (vm.port.value.empty() || !(*known)->port.value.empty()) co_return Status{};
  filled_.emplace_back(**known);
  std::vector<std::string_view> columns{"vmMigVmPort"};
  co_return co_await device_->write(std::move(vm), std::move(columns));
}

Task<Status> TransferSide::introduceAddresses(std::vector<VmAddressRow> addresses) {
  auto there = co_await readRows<VmAddressRow>(*device_, vm_);
  if (!there) co_return failure(there.error());
  std::vector<AnyRow> missing;
  for (auto& address : addresses) {
    auto same = [&](const VmAddressRow& other) { return other.address == address.address; };
    auto found = std::find_if(there->begin(), there->end(), same);
    if (found == there->end()) {
      missing.emplace_back(std::move(address));
      continue;
    }
    bool isKnown = !found->macAddress.value.empty() || address.macAddress.value.empty();
    if (isKnown) continue;
    filled_.emplace_back(*found);
    if (found->vlan.value != 0) address.vlan = found->vlan;
    std::vector<std::string_view> columns{"vmMigVmAddressMac", "vmMigVmAddressVlan"};
    auto written = co_await device_->write(std::move(address), std::move(columns));
    if (!written) co_return written;
  }
  if (missing.empty()) co_return Status{};
  if (!isVmNew_) newAddresses_ = missing;
  co_return co_await device_->create(std::move(missing));
}

Task<Status> TransferSide::claim(std::uint32_t epoch, TransferPolicy policy, std::uint32_t deadlineSeconds, Seen seen) {
  epoch_ = epoch;
  bool isSource = role_ == TransferRole::source;
  auto row = rowWith(isSource ? TransferAdmin::track : TransferAdmin::prepare);
  row.policy = policy;
  row.deadline = {deadlineSeconds};
  Status status;
  if (hasRow_) {
    std::vector<std::string_view> columns{"vmMigTransferRole", "vmMigTransferEpoch", "vmMigTransferAdminStatus",
                                          "vmMigTransferPolicy", "vmMigTransferDeadline"};
    status = co_await write(row, std::move(columns));
  } else {
    co_await turn_.acquire();
    std::vector<AnyRow> rows;
    rows.emplace_back(row);
    status = co_await device_->create(std::move(rows));
    turn_.release();
  }
  if (!status) co_return status;
  hasRow_ = true;
  auto reached =
      co_await waitFor(isSource ? TransferOper::tracking : TransferOper::prepared, std::move(seen), longestWait, false);
  if (!reached) co_return failure(reached.error());
  co_return Status{};
}

Task<Status> TransferSide::ask(TransferAdmin wanted) {
  std::vector<std::string_view> columns{"vmMigTransferEpoch", "vmMigTransferAdminStatus"};
  co_return co_await write(rowWith(wanted), std::move(columns));
}

Task<Status> TransferSide::reach(TransferAdmin wanted, TransferOper reached, Seen seen) {
  auto asked = co_await ask(wanted);
  if (!asked) {
    // A request that is repeated may find its work done.
    auto row = co_await readTransfer();
    bool isSo = row && *row && (*row)->epoch == epoch_ && (*row)->operStatus == reached;
    if (!isSo) co_return asked;
  }
  auto is = co_await waitFor(reached, std::move(seen), longestWait, false);
  if (!is) co_return failure(is.error());
  co_return Status{};
}

Task<Result<TransferRow>> TransferSide::follow(TransferOper reached, Seen seen) {
  co_return co_await waitFor(reached, std::move(seen), std::chrono::hours{24}, false);
}

Task<Status> TransferSide::abort() {
  auto row = co_await readTransfer();
  if (!row) co_return failure(row.error());
  bool isNothing = !*row || (*row)->epoch != epoch_ || isTakenBack((*row)->operStatus);
  if (isNothing) co_return Status{};
  auto asked = co_await ask(TransferAdmin::abort);
  if (!asked) co_return asked;
  auto is = co_await waitFor(TransferOper::aborted, nullptr, longestWait, true);
  if (!is) co_return failure(is.error());
  co_return Status{};
}

Task<bool> TransferSide::isSuperseded() {
  auto row = co_await readTransfer();
  co_return row&&* row && (*row)->epoch > epoch_;
}

Task<std::string> TransferSide::refusal() {
  auto row = co_await readTransfer();
  if (!row || !*row || (*row)->epoch != epoch_ || (*row)->error.value.empty()) co_return std::string{};
  // A chunk that was refused has left its reason, and the transfer goes on.
  if ((*row)->operStatus == TransferOper::prepared) co_return device_->name() + ": " + (*row)->error.value;
  co_return isTakenBack((*row)->operStatus) ? migration::refusalOf(device_->name(), **row) : std::string{};
}

Task<Status> TransferSide::forget() {
  std::vector<AnyRow> gone = std::exchange(newAddresses_, {});
  if (std::exchange(isVmNew_, false)) {
    VmRow key;
    key.uuid = vm_;
    gone.emplace_back(key);
  }
  if (!gone.empty()) {
    auto destroyed = co_await device_->destroy(gone);
    if (!destroyed) co_return destroyed;
  }
  auto filled = std::exchange(filled_, {});
  for (auto& before : filled) {
    std::vector<std::string_view> columns{"vmMigVmPort"};
    if (&before.table() != &TableOf<VmRow>::info) columns = {"vmMigVmAddressMac", "vmMigVmAddressVlan"};
    auto written = co_await device_->write(std::move(before), std::move(columns));
    if (!written) co_return written;
  }
  co_return Status{};
}

Task<Status> TransferSide::keepAlive(std::uint32_t deadlineSeconds) {
  TransferRow row = rowWith(TransferAdmin::track);
  row.deadline = {deadlineSeconds};
  std::vector<std::string_view> columns{"vmMigTransferEpoch", "vmMigTransferDeadline"};
  co_return co_await write(row, std::move(columns));
}

// Without vmMigVmTcpConns, for which the device looks at all its connections.
Task<Result<std::optional<VmRow>>> TransferSide::readVm() {
  VmRow key;
  key.uuid = vm_;
  std::vector<std::string_view> columns{"vmMigVmName", "vmMigVmPort"};
  co_return co_await readRow(*device_, key, std::move(columns));
}

Task<Result<std::optional<TransferRow>>> TransferSide::readTransfer() {
  TransferRow key;
  key.uuid = vm_;
  co_return co_await readRow(*device_, key);
}

Task<Status> TransferSide::write(TransferRow row, std::vector<std::string_view> columns) {
  AnyRow any{std::move(row)};
  co_await turn_.acquire();
  auto status = co_await device_->write(std::move(any), std::move(columns));
  turn_.release();
  co_return status;
}

Task<Result<TransferRow>> TransferSide::waitFor(TransferOper reached, Seen seen, Clock::duration longest, bool untilAborted) {
  Backoff backoff;
  auto giveUpAt = Clock::now() + longest;
  for (;;) {
    auto row = co_await readTransfer();
    if (!row) co_return failure(row.error());
    if (!*row) co_return failure(device_->name() + " has lost the transfer; was its vmmigd restarted?");
    const auto& is = **row;
    if (is.epoch > epoch_)
      co_return failure(SnmpStatus::inconsistentValue,
                        device_->name() + " was claimed by another manager with the newer epoch " + std::to_string(is.epoch));
    if (is.epoch == epoch_) {
      if (seen) seen(is);
      if (is.operStatus == reached || (untilAborted && isTakenBack(is.operStatus))) co_return is;
      if (isTakenBack(is.operStatus)) co_return failure(SnmpStatus::inconsistentValue, migration::refusalOf(device_->name(), is));
    }
    if (givenUp_ && !untilAborted) co_return failure(SnmpStatus::inconsistentValue, "it is taken back");
    if (Clock::now() > giveUpAt) co_return failure(device_->name() + " is still " + labelOf(is.operStatus) + "; see its log");
    co_await sleepFor(loop_, backoff.next());
  }
}

TransferRow TransferSide::rowWith(TransferAdmin wanted) const {
  TransferRow row;
  row.uuid = vm_;
  row.role = role_;
  row.epoch = {epoch_};
  row.adminStatus = wanted;
  return row;
}

}  // namespace vmmig

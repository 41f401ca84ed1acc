// SPDX-License-Identifier: GPL-2.0-or-later
// One device's part in one migration: its row of vmMigTransferTable, written and followed. Every call may be made again, since
// each carries the epoch.
#pragma once

#include <functional>
#include <memory>

#include "manager/device.h"
#include "manager/wakeup.h"
#include "mibs/transfer_table.h"
#include "mibs/vm_address_table.h"
#include "mibs/vm_table.h"

namespace vmmig {

/// What a device is and knows before anything is touched.
struct DeviceSurvey {
  DeviceScalars scalars;
  std::optional<TransferRow> transfer;
  std::optional<VmRow> vm;  // its name and port
  std::vector<VmAddressRow> addresses;

  bool has(Capability capability) const { return scalars.capabilities.has(capability); }
};

class TransferSide {
 public:
  using Seen = std::function<void(const TransferRow&)>;

  TransferSide(EventLoop& loop, std::shared_ptr<Device> device, Uuid vm, TransferRole role)
      : loop_(loop), device_(std::move(device)), vm_(vm), role_(role) {}

  Device& device() { return *device_; }
  TransferRole role() const { return role_; }

  Task<Result<DeviceSurvey>> survey();
  /// Makes the VM and its addresses known there, as far as they are not. What is there already stays; a port, MAC or VLAN that is
  /// empty there is filled in.
  Task<Status> introduce(VmRow vm, std::vector<VmAddressRow> addresses);
  /// Claims the VM with an epoch and waits until the device tracks or is prepared.
  Task<Status> claim(std::uint32_t epoch, TransferPolicy policy, std::uint32_t deadlineSeconds, Seen seen);
  /// Goes on with a claim of before.
  void adopt(std::uint32_t epoch) {
    epoch_ = epoch;
    hasRow_ = true;
  }
  /// Asks for a step and returns: who follows the row sees how it goes.
  Task<Status> ask(TransferAdmin wanted);
  /// Asks for a step and waits until it is over; what the device then says otherwise is an error.
  Task<Status> reach(TransferAdmin wanted, TransferOper reached, Seen seen);
  /// Waits, however long, until the device says so.
  Task<Result<TransferRow>> follow(TransferOper reached, Seen seen);
  /// Nothing to take back is a success too.
  Task<Status> abort();
  /// Has a manager with a newer epoch claimed the VM there?
  Task<bool> isSuperseded();
  /// Why the device itself has given this transfer up, with its name; empty when it has not.
  Task<std::string> refusal();
  /// Takes introduce() back.
  Task<Status> forget();
  /// The transfer as it is now, of whatever epoch.
  Task<Result<std::optional<TransferRow>>> readTransfer();
  /// Starts the device's deadline anew.
  Task<Status> keepAlive(std::uint32_t deadlineSeconds);
  /// Whatever waits for the device gives up after its next answer.
  void giveUp() { givenUp_ = true; }

 private:
  Task<Result<std::optional<VmRow>>> readVm();
  Task<Status> introduceVm(VmRow vm);
  Task<Status> introduceAddresses(std::vector<VmAddressRow> addresses);
  Task<Status> write(TransferRow row, std::vector<std::string_view> columns);
  Task<Result<TransferRow>> waitFor(TransferOper reached, Seen seen, Clock::duration longest, bool untilAborted);
  TransferRow rowWith(TransferAdmin wanted) const;

  EventLoop& loop_;
  std::shared_ptr<Device> device_;
  Uuid vm_;
  TransferRole role_;
  std::uint32_t epoch_ = 0;
  bool hasRow_ = false;
  bool givenUp_ = false;
  bool isVmNew_ = false;             // introduce() made the VM known
  std::vector<AnyRow> filled_;       // rows as they were before introduce() filled them in
  std::vector<AnyRow> newAddresses_;  // of a VM that was known before
  TurnLock turn_;  // SETs of one transfer arrive in their order, over UDP too
};

/// Rows of a device that are one VM's.
template <class Row>
Task<Result<std::vector<Row>>> readRows(Device& device, Uuid vm) {
  auto rows = co_await device.readAll(TableOf<Row>::info, vm);
  if (!rows) co_return failure(rows.error());
  std::vector<Row> result;
  for (auto& row : *rows) result.push_back(std::move(row.template as<Row>()));
  co_return result;
}

/// One row by its key, or none; of its columns, those that are named, or all.
template <class Row>
Task<Result<std::optional<Row>>> readRow(Device& device, Row key, std::vector<std::string_view> columns = {}) {
  AnyRow any{std::move(key)};
  auto row = co_await device.read(std::move(any), std::move(columns));
  if (!row) co_return failure(row.error());
  if (!*row) co_return std::optional<Row>{};
  co_return std::optional<Row>{std::move((*row)->template as<Row>())};
}

}  // namespace vmmig

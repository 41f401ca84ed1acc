// SPDX-License-Identifier: GPL-2.0-or-later
// Owns the transfers of this device, one a VM, and shows them as vmMigTransferTable and vmMigImageTable.
//
// A SET is judged in check(); apply() has nothing to do and nothing to take back; settle(), when the PDU has succeeded as a
// whole, begins what is wanted, as tasks that the event loop turns between.
#pragma once

#include <map>

#include "subagent/row_store.h"
#include "subagent/transfer.h"

namespace vmmig {

using Limits = TransferLimits;

class TransferEngine {
 public:
  TransferEngine(EventLoop& loop, VmRegistry& registry, BackEnd& backEnd, Notifier& notifier, StateFile& stateFile,
                 Limits limits);
  TransferEngine(const TransferEngine&) = delete;
  TransferEngine& operator=(const TransferEngine&) = delete;
  /// Stops all work where it stands and changes nothing more: as a crash does.
  ~TransferEngine();

  RowStore& transferStore();
  RowStore& imageStore();

  /// Once, before the first request: takes VMs, addresses and transfers from the state file, unblocks what was blocked, and
  /// undoes what a crash left half-done.
  void recover();

  TransferCounters counters() const;
  /// Is a transfer of this VM under way, so that its row and addresses must stay?
  bool isBusy(const Uuid& vm) const;

  // For the stores.
  using Transfers = std::map<Oid, std::shared_ptr<Transfer>>;  // by the index of vmMigTransferTable
  const Transfers& transfers() const { return transfers_; }
  Transfer* find(const Uuid& vm) const;
  const VmRegistry& registry() const { return context_->registry; }
  const Limits& limits() const { return context_->limits; }
  void claim(const TransferRow& wanted);
  void erase(const Uuid& vm);
  /// The epoch of the VM's transfer that was deleted, or 0: an older manager stays locked out.
  std::uint32_t deletedEpoch(const Uuid& vm) const;

 private:
  std::shared_ptr<TransferContext> context_;
  void forgetOldest();
  void recoverVms();
  void recoverAddress(const VmAddressRow& row);

  Transfers transfers_;
  std::map<Uuid, std::uint32_t> deletedEpochs_;
  std::unique_ptr<RowStore> transferStore_;
  std::unique_ptr<RowStore> imageStore_;
};

}  // namespace vmmig

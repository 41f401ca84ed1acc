// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/transfer_engine.h"

#include <algorithm>

#include "common/log.h"
#include "subagent/image_store.h"
#include "subagent/transfer_destination.h"
#include "subagent/transfer_source.h"
#include "subagent/transfer_store.h"
#include "subagent/vm_store.h"

namespace vmmig {

namespace {

Oid indexOf(const Uuid& vm) {
  Oid index;
  Codec<Uuid>::appendIndex(index, vm);
  return index;
}

std::shared_ptr<Transfer> makeTransfer(const std::shared_ptr<TransferContext>& context, const Uuid& vm, TransferRole role) {
  if (role == TransferRole::source) return std::make_shared<SourceTransfer>(context, vm);
  return std::make_shared<DestinationTransfer>(context, vm);
}

}  // namespace

TransferEngine::TransferEngine(EventLoop& loop, VmRegistry& registry, BackEnd& backEnd, Notifier& notifier, StateFile& stateFile,
                               Limits limits)
    : context_(new TransferContext{loop, registry, backEnd, notifier, stateFile, limits}),
      transferStore_(std::make_unique<TransferStore>(*this)),
      imageStore_(std::make_unique<ImageStore>(*this)) {}

TransferEngine::~TransferEngine() {
  for (const auto& [index, transfer] : transfers_) transfer->detach();
}

RowStore& TransferEngine::transferStore() { return *transferStore_; }
RowStore& TransferEngine::imageStore() { return *imageStore_; }

Transfer* TransferEngine::find(const Uuid& vm) const {
  auto found = transfers_.find(indexOf(vm));
  return found == transfers_.end() ? nullptr : found->second.get();
}

bool TransferEngine::isBusy(const Uuid& vm) const {
  const auto* transfer = find(vm);
  return transfer && !transfer->isFinal();
}

TransferCounters TransferEngine::counters() const {
  auto counters = context_->counters;
  counters.running = static_cast<std::uint32_t>(
      std::count_if(transfers_.begin(), transfers_.end(), [](const auto& entry) { return !entry.second->isFinal(); }));
  return counters;
}

void TransferEngine::claim(const TransferRow& wanted) {
  // A restart needs the VM as well, whoever made its rows.
  context_->stateFile.putVms(context_->registry);
  auto& transfer = transfers_[indexOf(wanted.uuid)];
  if (!transfer || transfer->row().role != wanted.role) transfer = makeTransfer(context_, wanted.uuid, wanted.role);
  transfer->claim(wanted);
  if (transfers_.size() > context_->limits.maxHistory) forgetOldest();
}

void TransferEngine::forgetOldest() {
  std::optional<TransferRow> oldest;
  for (const auto& [index, transfer] : transfers_) {
    if (!transfer->isFinal()) continue;
    auto row = transfer->row();
    if (!oldest || row.finishedTime < oldest->finishedTime) oldest = std::move(row);
  }
  if (oldest) erase(oldest->uuid);
}

std::uint32_t TransferEngine::deletedEpoch(const Uuid& vm) const {
  auto found = deletedEpochs_.find(vm);
  return found == deletedEpochs_.end() ? 0 : found->second;
}

void TransferEngine::erase(const Uuid& vm) {
  auto found = transfers_.find(indexOf(vm));
  if (found == transfers_.end()) return;
  context_->stateFile.remove(AnyRow{found->second->row()});
  if (auto saved = context_->stateFile.save(); !saved)
    log::error("A transfer was deleted, but not for good: " + saved.error().text);
  found->second->detach();
  // Bounded: of thousands of VMs that are gone any may be forgotten.
  constexpr std::size_t mostEpochs = 16'384;
  if (deletedEpochs_.size() >= mostEpochs) deletedEpochs_.erase(deletedEpochs_.begin());
  deletedEpochs_[vm] = found->second->row().epoch;
  transfers_.erase(found);
}

// Only what managers have made; the configuration goes before it, and may have changed since.
void TransferEngine::recoverVms() {
  auto& file = context_->stateFile;
  auto& registry = context_->registry;
  for (const auto& any : file.rows(TableOf<VmRow>::info)) {
    const auto& row = any.as<VmRow>();
    if (!row.uuid.isNil() && !registry.find(row.uuid) && row.storageType == StorageType::volatile_) registry.put(row);
  }
  for (const auto& any : file.rows(TableOf<VmAddressRow>::info)) {
    const auto& row = any.as<VmAddressRow>();
    if (registry.find(row.uuid) && row.storageType == StorageType::volatile_) recoverAddress(row);
  }
  file.putVms(registry);
}

void TransferEngine::recoverAddress(const VmAddressRow& row) {
  auto& registry = context_->registry;
  const auto* owner = registry.ownerOf(row.address);
  if (owner && *owner == row.uuid) return;
  auto checked = checkAddressRow(row);
  if (checked && !owner) return registry.put(row);
  auto why = checked ? "it belongs to VM " + registry.get(*owner).label() + " now, and what the device holds of it as well"
                     : checked.error().text;
  log::warning("address " + toString(row.address) + " of VM " + registry.get(row.uuid).label() +
               " is not taken from the state file: " + why);
}

void TransferEngine::recover() {
  auto& file = context_->stateFile;
  auto& registry = context_->registry;
  recoverVms();
  for (const auto& any : file.rows(TableOf<TransferRow>::info)) {
    const auto& row = any.as<TransferRow>();
    auto& transfer = transfers_[indexOf(row.uuid)];
    transfer = makeTransfer(context_, row.uuid, row.role);
    if (!vmmig::isFinal(row.operStatus))
      log::warning("VM " + registry.get(row.uuid).label() + ": its transfer of epoch " + std::to_string(row.epoch) + " (" +
                   labelOf(row.role) + ") was " + labelOf(row.operStatus) + " when vmmigd ended");
    transfer->recover(row);
  }
}

}  // namespace vmmig

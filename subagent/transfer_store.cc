// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/transfer_store.h"

#include "common/log.h"

namespace vmmig {

namespace {

tl::unexpected<Error> refused(std::string text) { return failure(SnmpStatus::inconsistentValue, std::move(text)); }

/// Nothing in the PDU but what is the same for every transfer.
bool isIdle(const Change& change) {
  for (const auto* column : change.written)
    if (column->name != "vmMigTransferStorageType" && column->name != "vmMigTransferRowStatus") return false;
  return true;
}

}  // namespace

Result<std::optional<AnyRow>> TransferStore::find(const AnyRow& key) {
  const auto* transfer = engine_.find(vmOf(key));
  if (!transfer) return std::optional<AnyRow>{};
  return std::optional<AnyRow>{transfer->row()};
}

Result<std::optional<AnyRow>> TransferStore::next(OidSpan after) {
  auto found = engine_.transfers().upper_bound(Oid{after.begin(), after.end()});
  if (found == engine_.transfers().end()) return std::optional<AnyRow>{};
  return std::optional<AnyRow>{found->second->row()};
}

std::string TransferStore::label(const Uuid& vm) const { return "VM " + engine_.registry().get(vm).label(); }

Status TransferStore::check(const Change& change) {
  const auto& wanted = change.after.as<TransferRow>();
  const auto* transfer = engine_.find(wanted.uuid);
  if (change.kind == Change::Kind::remove) {
    if (!transfer || transfer->isFinal()) return {};
    return refused("vmMigTransferRowStatus is refused: a transfer of " + label(wanted.uuid) + " is " +
                   labelOf(transfer->row().operStatus) + "; abort it first");
  }
  if (!transfer) {
    if (auto last = engine_.deletedEpoch(wanted.uuid); wanted.epoch < last)
      return refused("vmMigTransferEpoch " + std::to_string(wanted.epoch) + " is refused: " + label(wanted.uuid) +
                     " had a transfer of epoch " + std::to_string(last) + "; claim it with a higher one");
    return checkClaim(wanted, nullptr);
  }
  if (isIdle(change)) return {};
  // Without it nobody knows which manager speaks.
  if (!change.wrote("vmMigTransferEpoch"))
    return refused(std::string{change.written.front()->name} + " of " + label(wanted.uuid) +
                   " is refused: the SET does not carry the epoch of the transfer that it means");
  auto now = transfer->row();
  if (wanted.epoch < now.epoch)
    return refused("vmMigTransferEpoch " + std::to_string(wanted.epoch) + " is refused: " + label(wanted.uuid) +
                   " was claimed with epoch " + std::to_string(now.epoch) +
                   "; leave it to that manager, or claim it with a higher one");
  if (wanted.epoch > now.epoch) {
    if (!change.wrote("vmMigTransferAdminStatus"))
      return refused("vmMigTransferEpoch " + std::to_string(wanted.epoch) + " of " + label(wanted.uuid) +
                     " is refused: a claim says track or prepare in the same SET");
    return checkClaim(wanted, transfer);
  }
  return checkWish(change, *transfer);
}

Status TransferStore::checkClaim(const TransferRow& wanted, const Transfer* before) const {
  auto first = wanted.role == TransferRole::source ? TransferAdmin::track : TransferAdmin::prepare;
  if (wanted.adminStatus != first)
    return refused("vmMigTransferAdminStatus " + labelOf(wanted.adminStatus) + " is refused: a claim of " + label(wanted.uuid) +
                   " in the role " + labelOf(wanted.role) + " begins with " + labelOf(first));
  auto vm = engine_.registry().get(wanted.uuid);
  if (!engine_.registry().find(wanted.uuid) || vm.addresses.empty())
    return refused("vmMigTransferAdminStatus " + labelOf(wanted.adminStatus) + " is refused: " + label(wanted.uuid) +
                   " is not known here with an address; create its rows of vmMigVmTable and vmMigVmAddressTable first");
  if (before && !before->isFinal()) {
    if (before->row().role != wanted.role)
      return refused("vmMigTransferRole is refused: a transfer of " + label(wanted.uuid) + " is " +
                     labelOf(before->row().operStatus) + " here in the role " + labelOf(before->row().role) + "; end it first");
    return before->permitsClaim();
  }
  if (engine_.counters().running >= engine_.limits().maxTransfers)
    return failure(SnmpStatus::resourceUnavailable, "the transfer of " + label(wanted.uuid) +
                                                        " is refused: " + std::to_string(engine_.limits().maxTransfers) +
                                                        " transfers are running here; wait for one to end");
  return {};
}

Status TransferStore::checkWish(const Change& change, const Transfer& transfer) const {
  const auto& wanted = change.after.as<TransferRow>();
  auto now = transfer.row();
  if (wanted.role != now.role)
    return refused("vmMigTransferRole is refused: the transfer of " + label(wanted.uuid) + " has the role " + labelOf(now.role) +
                   "; claim the VM with a higher epoch");
  bool mayChange = now.operStatus == TransferOper::prepared || now.role == TransferRole::source;
  if (wanted.policy != now.policy && !mayChange)
    return refused("vmMigTransferPolicy is refused: the transfer of " + label(wanted.uuid) + " is " + labelOf(now.operStatus) +
                   "; it can be changed until the commit");
  if (!change.wrote("vmMigTransferAdminStatus")) return {};
  return transfer.permits(wanted.adminStatus);
}

void TransferStore::settle(const Change& change) {
  const auto& wanted = change.after.as<TransferRow>();
  // The deadline may have passed since check(); the state tells the manager.
  if (auto status = check(change); !status) return log::warning("a SET came too late: " + status.error().text);
  auto* transfer = engine_.find(wanted.uuid);
  if (change.kind == Change::Kind::remove) return engine_.erase(wanted.uuid);
  if (transfer && isIdle(change)) return;
  auto row = wanted;
  if (!transfer) return engine_.claim(row);
  if (row.epoch > transfer->row().epoch) {
    // Nothing of the transfer before speaks for this one.
    if (!change.wrote("vmMigTransferPolicy")) row.policy = TransferRow{}.policy;
    if (!change.wrote("vmMigTransferDeadline")) row.deadline = TransferRow{}.deadline;
    return engine_.claim(row);
  }
  // What is read counts down; unwritten it begins again where it began.
  if (!change.wrote("vmMigTransferDeadline")) row.deadline = transfer->deadline();
  transfer->write(row, change.wrote("vmMigTransferAdminStatus"));
}

}  // namespace vmmig

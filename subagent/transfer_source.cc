// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/transfer_source.h"

#include <algorithm>

#include "common/log.h"

namespace vmmig {

SourceTransfer::SourceTransfer(std::shared_ptr<TransferContext> context, const Uuid& uuid)
    : Transfer(std::move(context), uuid, TransferRole::source) {}

SourceTransfer::~SourceTransfer() { stopFollowing(); }

Status SourceTransfer::permits(TransferAdmin wanted) const {
  auto now = row_.operStatus;
  bool isRunning = now == TransferOper::tracking || now == TransferOper::freezing || now == TransferOper::frozen;
  bool isKept = now == TransferOper::aborted || now == TransferOper::failed || now == TransferOper::expired;
  switch (wanted) {
    case TransferAdmin::track:
      if (now == TransferOper::tracking) return {};
      return refusal(wanted, "begin anew with a higher epoch");
    case TransferAdmin::freeze:
      if (isRunning) return {};
      return refusal(wanted, "begin anew with a higher epoch");
    case TransferAdmin::release:
      if (isKept || now == TransferOper::frozen || now == TransferOper::releasing || now == TransferOper::released) return {};
      return refusal(wanted, "freeze it and commit it at the destination first");
    case TransferAdmin::abort:
      if (isRunning || isKept) return {};
      return refusal(wanted, "its rows are deleted here; move the VM back with a transfer from its new place");
    default: return refusal(wanted, "the source takes track, freeze, release and abort");
  }
}

Status SourceTransfer::permitsClaim() const {
  if (row_.operStatus != TransferOper::releasing) return {};
  return failure(SnmpStatus::inconsistentValue, "a higher vmMigTransferEpoch is refused: " + label() +
                                                    " is deleting the rows that moved; claim the VM when it is released");
}

void SourceTransfer::begin() {
  auto work = beginWork();
  stopFollowing();
  backEnd().unblock(row_.uuid);
  vm_ = context().registry.get(row_.uuid);
  vm_.presence = VmPresence::leaving;
  log_ = std::make_unique<ImageLog>(row_.uuid, context().limits);
  row_.operStatus = TransferOper::tracking;
  // The freeze is not written again, it would cost its stop time: after a restart all states up to frozen come to the same.
  if (auto saved = save(); !saved) return keepRows(TransferOper::failed, saved.error().text);
  armDeadline();
  start(track(work));
}

void SourceTransfer::obey(TransferAdmin wanted) {
  auto now = row_.operStatus;
  if (wanted == TransferAdmin::freeze && now == TransferOper::tracking) {
    row_.operStatus = TransferOper::freezing;
    start(freeze(beginWork()));
  } else if (wanted == TransferAdmin::release && now != TransferOper::releasing && now != TransferOper::released) {
    startRelease();
  } else if (wanted == TransferAdmin::abort && !isFinal()) {
    keepRows(TransferOper::aborted);
  }
}

void SourceTransfer::resume() {
  if (row_.operStatus == TransferOper::releasing) return startRelease();
  keepRows(TransferOper::expired, "vmmigd was restarted; the rows are kept and traffic flows: transfer the VM again");
}

void SourceTransfer::onDeadline() {
  if (row_.operStatus == TransferOper::releasing) return;
  keepRows(TransferOper::expired,
           "the manager did not finish in time; the rows are kept and traffic flows: see why the manager "
           "is gone, and transfer the VM again");
}

void SourceTransfer::keepRows(TransferOper status, std::string error) {
  backEnd().unblock(row_.uuid);
  finish(status, std::move(error));
}

void SourceTransfer::dropImage() {
  stopFollowing();
  if (log_) letGo(log_->takeRows());
  log_.reset();
}

void SourceTransfer::showImage() {
  row_.rows = log_->digest().rows();
  row_.chunks = static_cast<std::uint32_t>(log_->chunks().size());
  row_.octets = static_cast<std::uint32_t>(log_->octets());
}

void SourceTransfer::startRelease() {
  auto work = beginWork();
  disarmDeadline();
  vm_.presence = VmPresence::left;
  row_.operStatus = TransferOper::releasing;
  // Should this not be written: a restart keeps the rows, and the manager releases again.
  if (auto saved = save(); !saved) log::error(label() + " is releasing, but a restart would not know it: " + saved.error().text);
  start(release(work));
}

Task<> SourceTransfer::release(unsigned work) {
  co_await nextTurn(loop());
  if (!isCurrent(work)) co_return;
  // After an abort, an expiry or a restart traffic flows, and would make rows anew while they are deleted.
  if (auto blocked = backEnd().block(vm_); !blocked)
    log::warning(label() + ": the VM's traffic cannot be blocked while its rows are deleted: " + blocked.error().text);
  auto deleted = co_await deleteRows(work);
  if (!isCurrent(work)) co_return;
  if (!deleted)
    co_return keepRows(TransferOper::failed, "the VM has left, but its rows cannot be deleted: " + deleted.error().text +
                                                 "; mend that and release again");
  backEnd().unblock(row_.uuid);
  forgetVm();
  finish(TransferOper::released);
}

Transfer::Visitor SourceTransfer::collectOwn(std::vector<AnyRow>& rows) const {
  return [this, &rows](TableBackEnd& table, const AnyRow& row) -> Status {
    const auto* owner = context().registry.ownerOf(table.peerOf(row));
    if (!owner || *owner == row_.uuid) rows.push_back(row);
    return {};
  };
}

// One transaction, hence first: when it is refused, nothing has been deleted.
Task<Status> SourceTransfer::deleteExchanged(unsigned work) {
  for (int attempt = 1;; ++attempt) {
    std::vector<AnyRow> rows;
    auto collect = collectOwn(rows);
    auto read = co_await forEachRow(work, std::move(collect), Tables::exchanged);
    if (!isCurrent(work) || !read || rows.empty()) co_return read;
    Exchange exchange{rows, {}};
    auto refusal = backEnd().exchange(vm_, exchange);
    if (!refusal) co_return Status{};
    if (attempt == exchangeAttempts) co_return failure(refusal->error);
  }
}

Task<Status> SourceTransfer::deleteRows(unsigned work) {
  auto exchanged = co_await deleteExchanged(work);
  if (!isCurrent(work) || !exchanged) co_return exchanged;
  std::vector<AnyRow> rows;
  auto collect = collectOwn(rows);
  auto read = co_await forEachRow(work, std::move(collect), Tables::rowByRow);
  if (!isCurrent(work) || !read) co_return read;
  // Tables that are read together come mixed, and a slice is of one.
  std::stable_sort(rows.begin(), rows.end(), [](const AnyRow& a, const AnyRow& b) { return a.table().subid < b.table().subid; });
  for (std::size_t at = 0; at < rows.size();) {
    auto slice = sliceOf(rows, at);
    auto result = backEnd().tableFor(slice.front().table())->remove(vm_, slice);
    if (result.error) co_return failure(*result.error);
    at += slice.size();
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
  co_return Status{};
}

void SourceTransfer::forgetVm() {
  auto& registry = context().registry;
  std::vector<VmAddressRow> addresses;
  for (const auto& [index, row] : registry.addresses())
    if (row.uuid == row_.uuid && row.storageType == StorageType::volatile_) addresses.push_back(row);
  for (const auto& row : addresses) registry.remove(row);
  const auto* known = registry.find(row_.uuid);
  if (known && known->storageType == StorageType::volatile_) registry.remove(row_.uuid);
  context().stateFile.putVms(registry);
  forgetInTables();
}

const std::string* SourceTransfer::chunk(std::uint32_t number) const {
  return log_ && number >= 1 && number <= log_->chunks().size() ? &log_->chunks()[number - 1] : nullptr;
}

std::optional<std::uint32_t> SourceTransfer::nextChunk(std::uint32_t after) const {
  if (!log_ || after >= log_->chunks().size()) return std::nullopt;
  return after + 1;
}

Status SourceTransfer::checkChunk(std::uint32_t number, const std::string&) {
  return failure(SnmpStatus::notWritable, "vmMigImageData of chunk " + std::to_string(number) + " is refused: " + label() +
                                              " writes its image itself; write chunks at the destination");
}

}  // namespace vmmig

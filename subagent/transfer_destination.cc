// SPDX-License-Identifier: GPL-2.0-or-later
// What the manager, the deadline and a restart do to a destination's transfer; transfer_commit.cc and transfer_undo.cc have the
// work itself.
#include "subagent/transfer_destination.h"

#include "common/log.h"

namespace vmmig {

DestinationTransfer::DestinationTransfer(std::shared_ptr<TransferContext> context, const Uuid& uuid)
    : Transfer(std::move(context), uuid, TransferRole::destination),
      staging_(std::make_unique<ImageStaging>(uuid, this->context().limits)) {
  vm_.presence = VmPresence::arriving;
}

DestinationTransfer::~DestinationTransfer() {
  if (rehearsalTimer_) loop().cancel(*rehearsalTimer_);
  stopEarly();
}

Status DestinationTransfer::permits(TransferAdmin wanted) const {
  auto now = row_.operStatus;
  switch (wanted) {
    case TransferAdmin::prepare:
      if (now == TransferOper::prepared || (now == TransferOper::aborting && afterUndo_ == TransferOper::prepared)) return {};
      return refusal(wanted, "begin anew with a higher epoch");
    case TransferAdmin::commit:
      if (now == TransferOper::prepared) return permitsCommit();
      if (now == TransferOper::committing || now == TransferOper::committed) return {};
      return refusal(wanted, "begin anew with a higher epoch");
    case TransferAdmin::done:
      if (now == TransferOper::committed || now == TransferOper::done) return {};
      return refusal(wanted, vmmig::isFinal(now) ? "its rows are not here any more; keep the VM at the source"
                                                 : "wait until it is committed");
    case TransferAdmin::abort:
      if (now != TransferOper::done) return {};
      return refusal(wanted, "the VM runs here; move it back with a new transfer");
    default: return refusal(wanted, "the destination takes prepare, commit, done and abort");
  }
}

Status DestinationTransfer::permitsCommit() const {
  if (!staging_->hasArrived())
    return refusal(TransferAdmin::commit, "chunks 1.." + std::to_string(staging_->inOrder()) +
                                              " of its image are here, without the end mark: write the others first");
  // What still waits to be applied, the commit applies first.
  if (staging_->isComplete() && !staging_->isWhole()) return refusal(TransferAdmin::commit, notWhole());
  return {};
}

std::string DestinationTransfer::notWhole() const {
  return "its image comes to " + std::to_string(staging_->rows().size()) + " rows, and its end mark says " +
         std::to_string(staging_->end().rows) + " or has another digest: abort, and read the image anew with a higher epoch";
}

void DestinationTransfer::begin() {
  switch (row_.operStatus) {
    case TransferOper::committing: return startUndo(TransferOper::prepared);
    case TransferOper::committed: startConclusion(TransferOper::prepared); break;
    case TransferOper::aborting: afterUndo_ = TransferOper::prepared; break;
    case TransferOper::prepared:
      if (early_ && early_->hasMade()) return startUndo(TransferOper::prepared);
      return prepare();
    default: return prepare();
  }
  // Or a restart would bring the older epoch back.
  if (auto saved = save(); !saved)
    log::error(label() + " has a new epoch, but a restart would not know it: " + saved.error().text);
}

void DestinationTransfer::prepare() {
  beginWork();
  vm_ = context().registry.get(row_.uuid);
  vm_.presence = VmPresence::arriving;
  dropImage();
  isCreatedKnown_ = true;
  row_.operStatus = TransferOper::prepared;
  if (auto saved = save(); !saved) return finish(TransferOper::failed, saved.error().text);
  onEnded();
  armDeadline();
  startEarly();
}

void DestinationTransfer::giveUp(TransferOper after, std::string error) {
  if (early_ && early_->hasMade()) return startUndo(after, std::move(error));
  finish(after, std::move(error));
}

void DestinationTransfer::obey(TransferAdmin wanted) {
  auto now = row_.operStatus;
  if (wanted == TransferAdmin::commit && now == TransferOper::prepared) return startCommit();
  if (wanted == TransferAdmin::done && now == TransferOper::committed) return finish(TransferOper::done);
  if (wanted != TransferAdmin::abort) return;
  if (now == TransferOper::prepared) return giveUp(TransferOper::aborted);
  if (now == TransferOper::committing || now == TransferOper::committed) return startUndo(TransferOper::aborted);
  if (now == TransferOper::aborting && afterUndo_ == TransferOper::prepared) afterUndo_ = TransferOper::aborted;
}

void DestinationTransfer::onDeadline() {
  const std::string text = "the manager did not finish in time; see why it is gone, and transfer the VM again";
  switch (row_.operStatus) {
    case TransferOper::prepared: return giveUp(TransferOper::expired, text);
    case TransferOper::committing: return startUndo(TransferOper::expired, text);
    case TransferOper::committed: return startConclusion(TransferOper::expired, text);
    default: return;
  }
}

void DestinationTransfer::resume() {
  const std::string text = "vmmigd was restarted; nothing of the VM was left here: transfer the VM again";
  bool isCommitted = row_.operStatus == TransferOper::committed;
  if (!isCommitted && recoverEarly()) return startUndo(TransferOper::expired, text);
  // Nothing was made yet.
  if (row_.operStatus == TransferOper::prepared) return finish(TransferOper::expired, text);
  isCreatedKnown_ = false;
  recoverFormer();
  if (isCommitted) return start(stayCommitted(beginWork()));
  startUndo(TransferOper::expired, text);
}

void DestinationTransfer::dropImage() {
  stopEarly();
  leftovers_.clear();
  letGo(std::move(staging_->rows()));
  staging_ = std::make_unique<ImageStaging>(row_.uuid, context().limits);
  stale_ = {};
  former_ = {};
  isExchangeDone_ = false;
  rehearsed_.reset();
  refusedChunk_ = 0;
  context().stateFile.removeFormer(row_.uuid);
  forgetInTables();
}

// Not sooner: the state file says now that nothing is to be taken back any more.
void DestinationTransfer::onEnded() {
  if (auto removed = EarlyRowsFile::remove(earlyRowsPath()); !removed) log::error(label() + ": " + removed.error().text);
}

const std::string* DestinationTransfer::chunk(std::uint32_t number) const {
  auto found = staging_->chunks().find(number);
  return found == staging_->chunks().end() ? nullptr : &found->second;
}

std::optional<std::uint32_t> DestinationTransfer::nextChunk(std::uint32_t after) const {
  auto next = staging_->chunks().upper_bound(after);
  if (next == staging_->chunks().end()) return std::nullopt;
  return next->first;
}

Status DestinationTransfer::checkRow(const AnyRow& row) const {
  auto* table = backEnd().tableFor(row.table());
  if (!table) return failure(SnmpStatus::wrongValue, "this device has no " + std::string{row.table().name});
  return table->check(vm_, row);
}

Status DestinationTransfer::checkChunk(std::uint32_t number, const std::string& data) {
  auto judged = judgeChunk(number, data);
  if (judged) return {};
  const auto& error = judged.error();
  if (row_.operStatus == TransferOper::prepared) {
    refusedChunk_ = number;
    row_.error = shortened("chunk " + std::to_string(number) + " is refused: " + error.text);
  }
  return failure(error.status,
                 "vmMigImageData of chunk " + std::to_string(number) + " is refused: " + label() + ": " + error.text);
}

Status DestinationTransfer::judgeChunk(std::uint32_t number, const std::string& data) const {
  if (row_.operStatus != TransferOper::prepared && !chunk(number))
    return failure(SnmpStatus::inconsistentValue,
                   "it is " + labelOf(row_.operStatus) + ", and takes chunks while it is prepared");
  auto records = staging_->check(number, data);
  if (!records) return failure(records.error());
  // What the device refuses is left out at commit.
  if (isBestEffort()) return {};
  for (const auto& record : *records) {
    const auto* put = std::get_if<image::Put>(&record);
    if (!put) continue;
    if (auto checked = checkRow(put->row); !checked)
      return failure(checked.error().status, describe(put->row) + " cannot be made here: " + checked.error().text +
                                                 "; mend that, or begin anew with the policy bestEffort");
  }
  return {};
}

void DestinationTransfer::takeChunk(std::uint32_t number, const std::string& data) {
  if (row_.operStatus != TransferOper::prepared) return;
  staging_->take(number, data, Clock::now());
  showImage();
  if (number == refusedChunk_) {
    refusedChunk_ = 0;
    row_.error = {};
  }
  rehearseSoon();
  if (early_ && early_->hasWork()) runEarly();
  if (staging_->inOrder() >= number && takingWork_ != currentWork()) {
    takingWork_ = currentWork();
    start(takeWaiting(currentWork()));
  }
}

Task<> DestinationTransfer::takeWaiting(unsigned work) {
  while (staging_->takeWaiting(Clock::now())) {
    showImage();
    rehearseSoon();
    if (early_ && early_->hasWork()) runEarly();
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return;
  }
  takingWork_ = 0;
}

void DestinationTransfer::showImage() {
  row_.rows = staging_->rows().size();
  row_.chunks = staging_->inOrder();
  row_.octets = static_cast<std::uint32_t>(staging_->octetsInOrder());
  row_.complete = staging_->isComplete();
}

void DestinationTransfer::startConclusion(TransferOper after, std::string error) {
  // For a claim the old transfer is over; a deadline still leaves the manager time to say done or abort.
  if (after == TransferOper::prepared) row_.operStatus = TransferOper::aborting;
  afterUndo_ = after;
  start(conclude(beginWork(), after, std::move(error)));
}

}  // namespace vmmig

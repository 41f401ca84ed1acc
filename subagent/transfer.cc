// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/transfer.h"

#include <algorithm>

#include "common/log.h"

namespace vmmig {

Transfer::Transfer(std::shared_ptr<TransferContext> context, const Uuid& uuid, TransferRole role) : context_(std::move(context)) {
  vm_ = context_->registry.get(uuid);
  row_.uuid = uuid;
  row_.role = role;
  // Nothing is under way yet.
  row_.operStatus = TransferOper::aborted;
}

Transfer::~Transfer() { disarmDeadline(); }

TransferRow Transfer::row() const {
  auto row = row_;
  if (deadlineTimer_) {
    auto left = std::chrono::ceil<std::chrono::seconds>(deadlineAt_ - Clock::now()).count();
    row.deadline.value = static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, row_.deadline.value));
  }
  return row;
}

void Transfer::claim(const TransferRow& wanted) {
  if (!isFinal()) {
    log::warning(label() + " was " + labelOf(row_.operStatus) +
                 "; it is taken back, because a newer manager claims the VM with epoch " + std::to_string(wanted.epoch));
    auto last = row_;
    last.operStatus = TransferOper::aborted;
    last.error = shortened("a newer manager claimed the VM with epoch " + std::to_string(wanted.epoch));
    ++context_->counters.failed.value;
    context_->notifier.send(mib::Notification::transferFailed, AnyRow{last});
  }
  disarmDeadline();
  auto before = row_.operStatus;
  row_ = TransferRow{};
  row_.uuid = wanted.uuid;
  row_.role = wanted.role;
  row_.epoch = wanted.epoch;
  row_.adminStatus = wanted.adminStatus;
  row_.policy = wanted.policy;
  row_.deadline = wanted.deadline;
  row_.operStatus = before;
  begin();
}

void Transfer::write(const TransferRow& wanted, bool wroteAdmin) {
  row_.policy = wanted.policy;
  row_.deadline = wanted.deadline;
  if (deadlineTimer_) armDeadline();
  if (!wroteAdmin) return;
  row_.adminStatus = wanted.adminStatus;
  obey(wanted.adminStatus);
}

void Transfer::recover(const TransferRow& kept) {
  row_ = kept;
  if (isFinal()) return;
  if (!vm_.addresses.empty()) return resume();
  finish(TransferOper::failed,
         "vmmigd was restarted, and knows no address of the VM any more, so that nothing could be taken back: "
         "look for what the transfer has left on this device");
}

void Transfer::detach() {
  beginWork();
  disarmDeadline();
}

void Transfer::start(Task<> task) {
  spawn(std::move(task), [keep = shared_from_this()] {});
}

void Transfer::letGo(ImageRows rows) { start(freeInSlices(loop(), std::move(rows), context().limits.sliceRows)); }

Task<> Transfer::freeInSlices(EventLoop& loop, ImageRows rows, std::size_t slice) {
  for (auto& [subid, entries] : rows.tables())
    while (!entries.empty()) {
      for (std::size_t i = 0; i < slice && !entries.empty(); ++i) entries.erase(entries.begin());
      co_await nextTurn(loop);
    }
}

Task<Status> Transfer::forEachRow(unsigned work, Visitor visit, Tables tables) {
  TableList wanted;
  for (auto* table : backEnd().tables())
    if (tables == Tables::all || table->isExchanged() == (tables == Tables::exchanged)) wanted.push_back(&table->table());
  co_return co_await forEachRowOf(work, std::move(wanted), std::move(visit));
}

Task<Status> Transfer::forEachRowOf(unsigned work, TableList tables, Visitor visit) {
  auto cursor = backEnd().read(vm_, tables);
  std::vector<AnyRow> rows;
  for (;;) {
    rows.clear();
    auto more = cursor->next(rows);
    if (!more) co_return failure(more.error());
    if (!*more) co_return Status{};
    // A batch is as large as the device likes.
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (auto visited = visit(*backEnd().tableFor(rows[i].table()), rows[i]); !visited) co_return visited;
      if ((i + 1) % context_->limits.sliceRows != 0) continue;
      co_await nextTurn(loop());
      if (!isCurrent(work)) co_return Status{};
    }
    co_await nextTurn(loop());
    if (!isCurrent(work)) co_return Status{};
  }
}

Task<Status> Transfer::readRows(unsigned work, Tables tables, std::vector<AnyRow>& rows) {
  rows.clear();
  Visitor collect = [&rows](TableBackEnd&, const AnyRow& row) -> Status {
    rows.push_back(row);
    return {};
  };
  auto read = co_await forEachRow(work, std::move(collect), tables);
  if (!read) co_return failure(read.error().status, "the VM's rows cannot be read: " + read.error().text);
  co_return Status{};
}

void Transfer::forgetInTables() {
  for (auto* table : backEnd().tables()) table->forget(row_.uuid);
}

bool Transfer::isExchanged(const TableInfo& table) const {
  const auto* found = backEnd().tableFor(table);
  return found && found->isExchanged();
}

bool Transfer::hasExchanged() const {
  auto tables = backEnd().tables();
  return std::any_of(tables.begin(), tables.end(), [](const auto* table) { return table->isExchanged(); });
}

std::span<const AnyRow> Transfer::sliceOf(const std::vector<AnyRow>& rows, std::size_t from) const {
  auto end = from;
  while (end < rows.size() && end - from < context_->limits.sliceRows && &rows[end].table() == &rows[from].table()) ++end;
  return std::span{rows}.subspan(from, end - from);
}

void Transfer::armDeadline() {
  disarmDeadline();
  std::chrono::seconds delay{row_.deadline.value};
  deadlineAt_ = Clock::now() + delay;
  deadlineTimer_ = loop().after(delay, [this] {
    deadlineTimer_.reset();
    onDeadline();
  });
}

void Transfer::disarmDeadline() {
  if (deadlineTimer_) loop().cancel(*deadlineTimer_);
  deadlineTimer_.reset();
}

Status Transfer::save() {
  context_->stateFile.put(AnyRow{row_});
  return context_->stateFile.save();
}

void Transfer::finish(TransferOper status, std::string error) {
  beginWork();
  // It stands where it stood.
  row_.deadline = row().deadline;
  disarmDeadline();
  row_.operStatus = status;
  row_.finishedTime = nowUtc();
  row_.error = shortened(std::move(error));
  dropImage();
  auto saved = save();
  if (saved) onEnded();
  if (!saved) log::error(label() + " ended, but a restart of vmmigd would not know it: " + saved.error().text);
  bool succeeded = status == TransferOper::released || status == TransferOper::done;
  ++(succeeded ? context_->counters.finished : context_->counters.failed).value;
  auto text = label() + " is " + labelOf(status) + (row_.error.value.empty() ? "" : ": " + row_.error.value);
  log::write(status == TransferOper::failed || status == TransferOper::expired ? log::Level::error : log::Level::notice, text);
  notify();
}

void Transfer::notify() {
  // Frozen, committed, taken back: whoever walks the rows now must not see them as they were.
  context_->registry.rowsChanged(row_.uuid);
  bool failed = row_.operStatus == TransferOper::aborted || row_.operStatus == TransferOper::failed ||
                row_.operStatus == TransferOper::expired;
  context_->notifier.send(failed ? mib::Notification::transferFailed : mib::Notification::transferFinished, AnyRow{row()});
}

tl::unexpected<Error> Transfer::refusal(TransferAdmin wanted, const std::string& remedy) const {
  return failure(SnmpStatus::inconsistentValue, "vmMigTransferAdminStatus " + labelOf(wanted) + " is refused: " + label() +
                                                    " is " + labelOf(row_.operStatus) + "; " + remedy);
}

std::string Transfer::label() const {
  return "VM " + vm_.label() + ": the transfer of epoch " + std::to_string(row_.epoch) + " (" + labelOf(row_.role) + ")";
}

}  // namespace vmmig

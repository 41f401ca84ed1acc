// SPDX-License-Identifier: GPL-2.0-or-later
// What both ends of a transfer have in common: the row that SNMP shows, the deadline, the end, and work in slices that another
// wish of the manager, the deadline or a newer claim ends at its next turn.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/task.h"
#include "mibs/transfer_table.h"
#include "subagent/back_end.h"
#include "subagent/image_rows.h"
#include "subagent/notifier.h"
#include "subagent/state_file.h"
#include "subagent/transfer_limits.h"
#include "subagent/transfer_text.h"

namespace vmmig {

/// For vmMigTransfers and its Counter32 companions.
struct TransferCounters {
  std::uint32_t running = 0;
  Counter32 finished;
  Counter32 failed;
};

/// What transfers work with; outlives them.
struct TransferContext {
  EventLoop& loop;
  VmRegistry& registry;
  BackEnd& backEnd;
  Notifier& notifier;
  StateFile& stateFile;
  TransferLimits limits;
  TransferCounters counters = {};
};

/// Every task keeps its transfer alive, and knows by its number whether it is still the one that works: each start of other work,
/// and the end, raises the number. All that a task has done is noted before it gives way, so whoever comes next finds it true.
class Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(std::shared_ptr<TransferContext> context, const Uuid& uuid, TransferRole role);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  virtual ~Transfer();

  /// As SNMP shows it: the deadline counts down.
  TransferRow row() const;
  /// As the manager wrote it.
  auto deadline() const { return row_.deadline; }
  bool isFinal() const { return vmmig::isFinal(row_.operStatus); }

  /// Can the manager, who holds this epoch, want this now? Else inconsistentValue: what is so, and what to do.
  virtual Status permits(TransferAdmin wanted) const = 0;
  /// Can a newer manager begin anew, and this transfer be aborted for it?
  virtual Status permitsClaim() const = 0;
  /// Begins anew with the epoch and the wishes of `wanted`; what the transfer before has under way is taken back first.
  void claim(const TransferRow& wanted);
  /// The manager writes: its deadline starts anew, and when it wrote AdminStatus, what it wants begins. permits() has allowed it.
  void write(const TransferRow& wanted, bool wroteAdmin);
  /// After a restart of vmmigd: goes on from what the state file kept.
  void recover(const TransferRow& kept);
  /// Stops all work where it stands.
  void detach();

  /// The chunks of its image, for vmMigImageTable. nextChunk: the first number above `after`.
  virtual const std::string* chunk(std::uint32_t number) const = 0;
  virtual std::optional<std::uint32_t> nextChunk(std::uint32_t after) const = 0;
  /// A manager writes a chunk. What is refused leaves its reason in vmMigTransferError while chunks are expected: a SET's answer
  /// has no room for it.
  virtual Status checkChunk(std::uint32_t number, const std::string& data) = 0;
  virtual void takeChunk(std::uint32_t number, const std::string& data) = 0;

 protected:
  using Visitor = std::function<Status(TableBackEnd&, const AnyRow&)>;
  using TableList = std::vector<const TableInfo*>;
  /// Which of the device's tables: those that change row by row, those that BackEnd::exchange() changes, or both.
  enum class Tables { all, rowByRow, exchanged };

  virtual void begin() = 0;
  virtual void obey(TransferAdmin wanted) = 0;
  virtual void resume() = 0;
  virtual void onDeadline() = 0;
  /// Frees what an ended transfer needs no more.
  virtual void dropImage() = 0;
  /// The end is on the disk as well.
  virtual void onEnded() {}

  /// Any work that is under way ends at its next turn; the number of the work that begins now.
  unsigned beginWork() { return ++work_; }
  /// Sets a task going that keeps this transfer alive.
  void start(Task<> task);
  bool isCurrent(unsigned work) const { return work == work_; }
  unsigned currentWork() const { return work_; }
  /// All rows of the VM on this device, in slices. Ends early when `visit` or reading fails, or the work is no longer current:
  /// the caller asks isCurrent() first.
  Task<Status> forEachRow(unsigned work, Visitor visit, Tables tables = Tables::all);
  /// The same, of these tables.
  Task<Status> forEachRowOf(unsigned work, TableList tables, Visitor visit);
  /// The same, into `rows`, which must outlive the task.
  Task<Status> readRows(unsigned work, Tables tables, std::vector<AnyRow>& rows);
  /// Frees them a slice at a time: of 100,000 rows at once, nobody else would have a turn for tens of milliseconds.
  void letGo(ImageRows rows);
  /// TableBackEnd::forget() of each.
  void forgetInTables();
  bool isExchanged(const TableInfo& table) const;
  bool hasExchanged() const;
  /// The rows behind `from` that belong to one table and make one slice.
  std::span<const AnyRow> sliceOf(const std::vector<AnyRow>& rows, std::size_t from) const;

  void armDeadline();
  void disarmDeadline();
  Status save();
  /// A final status: saved, told and counted.
  void finish(TransferOper status, std::string error = {});
  /// Tells that what the manager wanted is so, or that it failed.
  void notify();
  /// inconsistentValue, with the state and `remedy`.
  tl::unexpected<Error> refusal(TransferAdmin wanted, const std::string& remedy) const;
  /// For logs: "VM web1 (6ba7...): the transfer of epoch 17 (source)".
  std::string label() const;

  TransferContext& context() const { return *context_; }
  BackEnd& backEnd() const { return context_->backEnd; }
  EventLoop& loop() const { return context_->loop; }

  Vm vm_;
  TransferRow row_;

 private:
  static Task<> freeInSlices(EventLoop& loop, ImageRows rows, std::size_t slice);

  std::shared_ptr<TransferContext> context_;
  unsigned work_ = 0;
  std::optional<EventLoop::TimerId> deadlineTimer_;
  Clock::time_point deadlineAt_;
};

}  // namespace vmmig

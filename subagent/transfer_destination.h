// SPDX-License-Identifier: GPL-2.0-or-later
// The destination's end of a transfer:
//
//   prepared --commit--> committing --> committed --done--> done
//
// and from each of the first three by way of aborting, the device as it was before: aborted (abort), expired (the deadline),
// failed. A committed transfer whose deadline passes is done all the same when its rows show that the VM runs here.
#pragma once

#include "subagent/early_rows.h"
#include "subagent/image_staging.h"
#include "subagent/transfer.h"

namespace vmmig {

class DestinationTransfer final : public Transfer {
 public:
  DestinationTransfer(std::shared_ptr<TransferContext> context, const Uuid& uuid);
  ~DestinationTransfer() override;

  Status permits(TransferAdmin wanted) const override;
  Status permitsClaim() const override { return {}; }

  const std::string* chunk(std::uint32_t number) const override;
  std::optional<std::uint32_t> nextChunk(std::uint32_t after) const override;
  Status checkChunk(std::uint32_t number, const std::string& data) override;
  void takeChunk(std::uint32_t number, const std::string& data) override;

 private:
  using Places = std::vector<ImageRows::Place>;
  /// What becomes of a row that cannot be made; its Error names it. An Error of its own ends the slice.
  using Refused = std::function<Status(ImageRows::Place place, const Error& error)>;

  /// How often rows read back differ from those that were made.
  struct Difference {
    std::uint32_t altered = 0, surplus = 0, gone = 0;
    std::string example;
    bool none() const { return altered == 0 && surplus == 0 && gone == 0; }
    std::string text() const;
  };

  void begin() override;
  void obey(TransferAdmin wanted) override;
  void resume() override;
  void onDeadline() override;
  void dropImage() override;
  void onEnded() override;
  Status permitsCommit() const;
  std::string notWhole() const;
  Status checkRow(const AnyRow& row) const;
  Status judgeChunk(std::uint32_t number, const std::string& data) const;

  void prepare();
  /// Ends a transfer that is prepared, in tasks when rows were made early.
  void giveUp(TransferOper after, std::string error = {});
  void startCommit();
  /// Takes everything back, then: prepared (for a newer claim) or a final status.
  void startUndo(TransferOper after, std::string error = {});
  /// Nobody said whether the VM runs here: its rows tell. If it does not, as startUndo().
  void startConclusion(TransferOper after, std::string error = {});
  void endUndo(std::size_t lost);
  void showImage();
  /// Applies the chunks that waited for an earlier one.
  Task<> takeWaiting(unsigned work);

  // While the VM runs at the source: could what is staged be exchanged? A refusal ends the transfer.
  void rehearseSoon();
  void onRehearsalTimer(unsigned work);
  Task<> rehearse(unsigned work);
  image::Digest digestOfExchanged();

  // Ahead of the commit (transfer_early.cc), and what is left of it in the commit.
  std::string earlyRowsPath() const;
  void startEarly();
  void stopEarly();
  /// Makes what has arrived, unless that is under way.
  void runEarly();
  Task<> makeEarly(unsigned work);
  bool isListening();
  std::unique_ptr<RowFollower> follow(TableBackEnd& table);
  /// What has arrived so far, of all tables.
  Task<> makeWaiting(unsigned work);
  /// A commit that comes before there was time to listen.
  Task<> finishFirstCopy(unsigned work);
  Task<Status> makeEarlyIn(unsigned work, EarlyTable& table);
  void noteUnreadable(const Error& why);
  void holdBack(EarlyTable& table, const Error& why);
  /// Which rows of the VM are here, ours and others: reads all tables that are not read, and listens from then on.
  Task<Status> readPresent(unsigned work);
  /// What has happened to them since. When that is lost: EarlyTable::isRead is false.
  Task<Status> listen(unsigned work, EarlyTable& table);
  Task<Status> bringUpToDate(unsigned work, EarlyTable& table);
  Status removeUnwanted(EarlyTable& table);
  /// Makes those that can be what they should be without being made anew so, and takes them out of `places`.
  void renewStanding(EarlyTable& table, Places& places);
  Status removeOlder(EarlyTable& table, const Places& places);
  Status makeEarlySlice(EarlyTable& table);
  Status makeLastSlice(EarlyTable& table);
  Task<Status> makeRest(unsigned work, EarlyTable& table);
  Task<Status> verifyDoubtful(unsigned work, EarlyTable& table, Difference& difference);
  /// So many that reading all rows costs less than one by one.
  bool isMany(std::size_t count);
  /// After a restart: has the transfer made nothing but early rows? They are leftovers_ then.
  bool recoverEarly();

  // The steps of commit, in this order.
  Task<> commit(unsigned work);
  Task<Status> keepFormer(unsigned work);
  Task<Status> removeStale(unsigned work);
  Task<Status> findStale(unsigned work, TableBackEnd& table, std::vector<AnyRow>& present);
  Task<Status> createRows(unsigned work);
  Task<Status> createRowsOf(unsigned work, const TableInfo& table);
  /// Rows of the tables that are exchanged: the VM's former ones out, the image's in, all or nothing.
  Task<Status> exchangeRows(unsigned work);
  Task<Status> verify(unsigned work);
  Task<Status> verifyByReading(unsigned work, TableBackEnd& table, Difference& difference);
  Task<Status> noteUnread(unsigned work, const TableInfo& table, Difference& difference);
  Status createSlice(const Places& places, const Refused& refused);
  void leaveOut(const std::string& why);
  Places exchangedPlaces();
  Task<> leaveOutRefused(unsigned work, Places& places);
  std::vector<AnyRow> unpackAged(const Places& places);
  Status judge(const Difference& difference) const;
  void readBack(TableBackEnd& table, const AnyRow& row, Difference& difference);
  void noteMissing(ImageRows::Place place, Difference& difference);

  Task<> undo(unsigned work);
  Task<std::size_t> exchangeBack(unsigned work);
  void recoverFormer();
  Task<std::size_t> removeCreated(unsigned work);
  Task<std::size_t> removeLeftovers(unsigned work);
  std::size_t removeAll(std::span<const AnyRow> rows);
  Task<std::size_t> restoreStale(unsigned work);

  Task<> conclude(unsigned work, TransferOper after, std::string error);
  Task<Status> lookForLife(unsigned work, bool& alive);
  /// After a restart in or behind a commit: what is here of the VM is what was created.
  Task<Status> adoptPresent(unsigned work);
  Task<> stayCommitted(unsigned work);

  bool isBestEffort() const { return row_.policy == TransferPolicy::bestEffort; }
  ImageRows& rows() { return staging_->rows(); }
  bool isSeen(const ImageRows::Entry& entry) const { return entry.seenIn == reading_; }

  /// The image while it arrives; from commit on its rows are those that were created here.
  std::unique_ptr<ImageStaging> staging_;
  bool isCreatedKnown_ = true;
  /// None: nothing is made ahead of the commit.
  std::unique_ptr<EarlyRows> early_;
  unsigned earlyWork_ = 0;  // the work in which makeEarly() goes on
  std::optional<EventLoop::TimerId> earlyTimer_;
  Clock::time_point listensFrom_;
  std::vector<std::string> leftovers_;  // image::packKey of rows that were made and are in no image any more
  std::uint32_t reading_ = 0;
  /// Rows of the VM that were in the way, to be restored.
  struct Stale {
    std::vector<AnyRow> rows;
    Clock::time_point readAt;
    /// The next `count` of them as they would be now, without those that would have ended.
    std::vector<AnyRow> take(std::size_t count);
  };
  Stale stale_;
  /// Those of the tables that are exchanged, and whether they have been (after a restart: may have been).
  Stale former_;
  bool isExchangeDone_ = false;

  std::uint32_t refusedChunk_ = 0;  // whose reason vmMigTransferError has
  unsigned takingWork_ = 0;         // the work in which takeWaiting() goes on

  std::optional<EventLoop::TimerId> rehearsalTimer_;
  Clock::time_point firstUnrehearsed_, lastUnrehearsed_;  // when chunks came since the last rehearsal
  std::optional<image::Digest> rehearsed_;                // what went well
  TransferOper afterUndo_ = TransferOper::aborted;
};

}  // namespace vmmig

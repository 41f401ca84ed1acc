// SPDX-License-Identifier: GPL-2.0-or-later
// The destination's end of a transfer:
//
//   prepared --commit--> committing --> committed --done--> done
//
// and from each of the first three by way of aborting, the device as it was before: aborted (abort), expired (the deadline),
// failed. A committed transfer whose deadline passes is done all the same when its rows show that the VM runs here.
#pragma once

#include "subagent/image_staging.h"
#include "subagent/transfer.h"

namespace vmmig {

class DestinationTransfer final : public Transfer {
 public:
  DestinationTransfer(std::shared_ptr<TransferContext> context, const Uuid& uuid);

  Status permits(TransferAdmin wanted) const override;
  Status permitsClaim() const override { return {}; }

  const std::string* chunk(std::uint32_t number) const override;
  std::optional<std::uint32_t> nextChunk(std::uint32_t after) const override;
  Status checkChunk(std::uint32_t number, const std::string& data) const override;
  void takeChunk(std::uint32_t number, const std::string& data) override;

 private:
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
  Status permitsCommit() const;
  Status checkRow(const AnyRow& row) const;

  void prepare();
  void startCommit();
  /// Takes everything back, then: prepared (for a newer claim) or a final status.
  void startUndo(TransferOper after, std::string error = {});
  /// Nobody said whether the VM runs here: its rows tell. If it does not, as startUndo().
  void startConclusion(TransferOper after, std::string error = {});
  void endUndo(std::size_t lost);
  void showImage();

  // The steps of commit, in this order.
  Task<> commit(unsigned work);
  Task<Status> removeStale(unsigned work);
  Task<Status> createRows(unsigned work);
  Task<Status> verify(unsigned work);
  Status createSlice(const std::vector<ImageRows::Map::iterator>& places);
  Status judge(const Difference& difference) const;
  void readBack(TableBackEnd& table, const AnyRow& row, Difference& difference);

  Task<> undo(unsigned work);
  Task<std::size_t> removeCreated(unsigned work);
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
  std::uint32_t reading_ = 0;
  /// Rows of the VM that were in the way, to be restored.
  std::vector<AnyRow> stale_;
  Clock::time_point staleReadAt_;
  TransferOper afterUndo_ = TransferOper::aborted;
};

}  // namespace vmmig

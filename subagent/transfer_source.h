// SPDX-License-Identifier: GPL-2.0-or-later
// The source's end of a transfer:
//
//   tracking --freeze--> freezing --> frozen --release--> releasing --> released
//
// and from each of the first three, traffic unblocked and every row kept: aborted (abort), expired (the deadline), failed.
// A manager that knows the VM to run at the destination can release from those as well.
#pragma once

#include "subagent/image_log.h"
#include "subagent/transfer.h"

namespace vmmig {

class SourceTransfer final : public Transfer {
 public:
  SourceTransfer(std::shared_ptr<TransferContext> context, const Uuid& uuid);
  ~SourceTransfer() override;

  Status permits(TransferAdmin wanted) const override;
  Status permitsClaim() const override;

  const std::string* chunk(std::uint32_t number) const override;
  std::optional<std::uint32_t> nextChunk(std::uint32_t after) const override;
  Status checkChunk(std::uint32_t number, const std::string& data) override;
  void takeChunk(std::uint32_t, const std::string&) override {}

 private:
  struct Followed {
    TableBackEnd* table;
    std::unique_ptr<RowFollower> follower;  // none: the table is read as a whole in the stop
    bool isRead = false;                    // it has a follower, and the log what its changes come on top of
  };
  enum class Which { all, followed };

  void begin() override;
  void obey(TransferAdmin wanted) override;
  void resume() override;
  void onDeadline() override;
  void dropImage() override;

  // While the VM runs, and its last read (transfer_tracking.cc).
  Task<> track(unsigned work);
  Task<> freeze(unsigned work);
  void startFollowing();
  void stopFollowing();
  /// Makes readable what was told, and tells what changes a little later.
  void followSoon(unsigned work, Status told, Clock::time_point began);
  Task<> followOnce(unsigned work);
  /// Brings the log up to what the tables have now.
  Task<Status> update(unsigned work, Which which);
  /// What has changed. When that is lost: Followed::isRead is false.
  Task<Status> tellChanges(unsigned work, Followed& followed);
  /// All rows of the tables of which the log has not what changes come on top of.
  Task<Status> readUnread(unsigned work, Which which);
  Status tell(TableBackEnd& table, const AnyRow& row);
  Task<Status> waitSettled(unsigned work);

  Task<> release(unsigned work);
  Task<Status> deleteRows(unsigned work);
  Task<Status> deleteExchanged(unsigned work);
  /// Not those that belong to a VM that stays as well.
  Visitor collectOwn(std::vector<AnyRow>& rows) const;

  void startRelease();
  /// The VM goes on here.
  void keepRows(TransferOper status, std::string error = {});
  void forgetVm();
  void showImage();

  std::unique_ptr<ImageLog> log_;
  std::vector<Followed> followed_;
  std::optional<EventLoop::TimerId> followTimer_;
};

}  // namespace vmmig

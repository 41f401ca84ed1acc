// SPDX-License-Identifier: GPL-2.0-or-later
// Requests to ctnetlink: short ones over a socket that is kept, dumps, each over a socket of its own, and batches that make or
// remove the rows of a table.
#pragma once

#include <functional>
#include <optional>

#include "subagent/back_end.h"
#include "subagent/linux_conntrack_tuples.h"
#include "subagent/linux_netlink.h"

namespace vmmig {

using TakeMessage = std::function<Status(const nlmsghdr*)>;

/// The socket for short requests, opened when first needed, and anew after an answer was lost on it.
class ConntrackRequests {
 public:
  NetlinkBatch& batch() { return batch_; }
  /// NetlinkBatch::run(). An Error: the answer is lost, and with it what became of each request. The next run has a fresh socket.
  Result<std::vector<int>> run();
  /// NetlinkBatch::ask(), with a fresh socket after an Error.
  Status ask(const NetlinkBatch::TakeAnswer& take);
  /// Asks for entries that one key names; 0, or the kernel's errno when there is none.
  Result<int> get(const nlmsghdr* request, const TakeMessage& take);

 private:
  Result<NetlinkSocket*> socket();
  std::optional<NetlinkSocket> socket_;
  NetlinkBatch batch_;
};

/// Which entries the kernel leaves out of a dump: those of another family or protocol (0: none), those whose status, under the
/// mask, is another (0, 0: none), and those that another address opened, or answers (unset: none). A kernel that does not know a
/// filter (addresses and protocol: before Linux 5.8) tells more, hence whoever reads looks again.
struct DumpFilter {
  int family = 0;
  std::uint8_t protocol = 0;  // the kernel wants a family with it
  std::uint32_t status = 0;
  std::uint32_t statusMask = 0;
  InetAddress originalSource = {};
  InetAddress replySource = {};  // one of them at most
};

/// When all addresses are of one family the kernel need not tell of the other: AF_INET, AF_INET6, or AF_UNSPEC.
int dumpFamily(const Vm& vm);

/// A dump, one recvmsg a call; the kernel goes on with it only when it is read.
class ConntrackDump {
 public:
  /// `what` ends the sentence "the kernel does not tell ...".
  explicit ConntrackDump(std::string what) : what_(std::move(what)) {}
  Status start(const nlmsghdr* request);
  Status start(const DumpFilter& filter);
  bool isStarted() const { return socket_.has_value(); }
  /// Takes each message that came; false when there is no more.
  Result<bool> next(const TakeMessage& take);

 private:
  Result<bool> take(const nlmsghdr* message, const TakeMessage& take) const;
  std::string what_;
  std::optional<NetlinkSocket> socket_;
};

/// Where peers send to reach the VM behind a translation, as their packets come in.
Result<std::vector<InboundTuple>> translatedInboundOf(const Vm& vm);

/// A table whose rows are each made by one request and removed by one: whole batches, of which it is always known what became.
class ConntrackTable : public TableBackEnd {
 public:
  BatchResult remove(const Vm& vm, std::span<const AnyRow> keys) final;

 protected:
  virtual void addCreation(NetlinkBatch& batch, const AnyRow& row) = 0;
  virtual void addRemoval(NetlinkBatch& batch, const AnyRow& key) = 0;
  /// Is there a row as addCreation() makes it?
  virtual Result<bool> standsAsMade(const Vm& vm, const AnyRow& row) = 0;
  /// At most a batch of them.
  virtual void made(std::span<const AnyRow>) {}
  virtual void going(const AnyRow&) {}
  virtual std::string describeRow(const Vm& vm, const AnyRow& row) const = 0;
  virtual Error createError(const Vm& vm, const AnyRow& row, int code) const = 0;

  /// At most NetlinkBatch::capacity of them.
  BatchResult createSome(const Vm& vm, std::span<const AnyRow> rows);
  ConntrackRequests requests_;

 private:
  BatchResult settleLost(const Vm& vm, std::span<const AnyRow> rows, Error error);
  void takeBack(std::span<const AnyRow> rows);
  BatchResult removeSome(const Vm& vm, std::span<const AnyRow> keys);
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Carries the packed image of a transfer from the source to the destination, chunk by chunk and as it grows, with several GETs
// and SETs under way.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "manager/device.h"
#include "manager/image_census.h"
#include "manager/wakeup.h"
#include "mibs/transfer_table.h"

namespace vmmig {

struct CopyTotals {
  std::uint32_t chunks = 0;  // arrived at the destination
  std::uint64_t octets = 0;
};

class ImageCopier {
 public:
  struct Options {
    // More GETs than 8 and more SETs than 4 gain nothing, and at a thousand snmpd stalls (reference figures of Net-SNMP 5.9).
    int maxGets = 8, maxSets = 4;
    std::size_t maxChunkSize = 0;  // the destination's limit in octets; 0: none
    // Between two looks at a source that has nothing new: while the VM runs, and after freeze.
    Clock::duration idlePoll = std::chrono::milliseconds{100};
  };
  using SourceSeen = std::function<void(const TransferRow&)>;

  ImageCopier(EventLoop& loop, Device& source, Device& destination, Uuid vm, std::uint32_t epoch, Options options)
      : loop_(loop), source_(source), destination_(destination), vm_(vm), epoch_(epoch), options_(options) {}

  /// Until the end mark has arrived, or something failed, or stop(). Each look at the source's transfer goes to `seen`. Ends only
  /// when no request is under way any more.
  Task<Status> run(SourceSeen seen);
  /// The source was asked to freeze: look often.
  void hurry();
  void stop();
  const CopyTotals& totals() const { return totals_; }
  /// Of what has been read, by the table's descriptor.
  std::map<std::string, std::uint32_t> rowsByTable() { return census_.rows(); }

 private:
  struct Chunk {
    std::uint32_t number;
    std::string data;
  };
  void pump();
  Task<> fetch(std::uint32_t number);
  Task<> store(Chunk chunk);
  void fail(Error error);
  bool isHalted() const { return stopped_ || error_.has_value(); }

  EventLoop& loop_;
  Device& source_;
  Device& destination_;
  Uuid vm_;
  std::uint32_t epoch_;
  Options options_;
  Wakeup wakeup_;
  std::uint32_t available_ = 0;  // chunks 1..n can be read
  std::uint32_t next_ = 1;
  int gets_ = 0, sets_ = 0;
  std::deque<Chunk> fetched_;
  CopyTotals totals_;
  ImageCensus census_;
  std::optional<Error> error_;
  bool stopped_ = false, hurried_ = false;
};

}  // namespace vmmig

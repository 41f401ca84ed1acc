// SPDX-License-Identifier: GPL-2.0-or-later
// Connections that were created here without their windows, which netlink does not carry: the kernel has to learn them.
//
// It takes the first packet of each end for all that there was. When that is an old segment, sent again because the
// acknowledgement was lost in the stop, the kernel calls the other end's acknowledgement of newer data invalid, and the
// connection dies. So such an entry is made with IP_CT_TCP_FLAG_BE_LIBERAL, which lets what does not fit pass, and is made strict
// soon after a packet of each end has fitted. Whoever reads the row meanwhile sees the flags that it was written with.
#pragma once

#include <map>

#include "common/event_loop.h"
#include "subagent/linux_conntrack_requests.h"

namespace vmmig {

class LinuxWindowLearning {
 public:
  explicit LinuxWindowLearning(EventLoop& loop) : loop_(loop) {}
  LinuxWindowLearning(const LinuxWindowLearning&) = delete;
  LinuxWindowLearning& operator=(const LinuxWindowLearning&) = delete;
  /// Who does not wait for the rest makes them strict at once, rather than leave them lenient for good.
  ~LinuxWindowLearning();

  /// The row as the kernel is to get it.
  static TcpConnRow lenient(TcpConnRow row);
  /// It was created so.
  void begin(const TcpConnRow& row);
  bool knows(const TcpConnRow& key) const { return entries_.contains(keyOf(key)); }
  /// It is gone, or was written anew.
  void forget(const TcpConnRow& key);
  /// Shows the row as it was written.
  void conceal(TcpConnRow& row) const;

 private:
  struct Key {
    std::uint16_t zone;
    Endpoint local, rem;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    TcpOpener opener;
    Bits<TcpFlag> localFlags, remFlags;
    Clock::time_point longest;
  };
  using Entries = std::map<Key, Entry>;
  using Slice = std::vector<Entries::iterator>;

  static Key keyOf(const TcpConnRow& row);
  static TcpConnRow rowOf(const Entries::value_type& entry);
  void arm(Clock::duration delay);
  void work();
  Status look(ConntrackRequests& requests);
  Slice nextSlice();
  static Result<std::vector<bool>> areLearning(ConntrackRequests& requests, const Slice& slice);

  EventLoop& loop_;
  EventLoop::TimerId timer_ = 0;
  bool armed_ = false;
  Entries entries_;
  Key next_{};               // where the next slice begins
  Clock::duration spent_{};  // since the last rest
};

}  // namespace vmmig

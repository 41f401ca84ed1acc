// SPDX-License-Identifier: GPL-2.0-or-later
// A netlink socket to netfilter, and batches of requests over it in which each error finds its request.
#pragma once

#include <libmnl/libmnl.h>

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "common/result.h"

namespace vmmig {

class NetlinkSocket {
 public:
  static Result<NetlinkSocket> open();

  /// Requests of one or more messages.
  Status send(std::span<const char> messages);
  /// One recvmsg: whole messages, valid until the next call.
  Result<std::span<const char>> receive();

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  explicit NetlinkSocket(mnl_socket* socket);
  std::unique_ptr<mnl_socket, Close> socket_;
  std::vector<char> buffer_;
};

/// Room for a request; one with all that a connection can have stays well below.
inline constexpr std::size_t conntrackMessageSize = 1024;

/// Requests to ctnetlink that leave in one sendmsg. The kernel works through all of them, whatever becomes of each.
class NetlinkBatch {
 public:
  static constexpr std::size_t capacity = 128;
  NetlinkBatch();
  bool isFull() const { return offsets_.size() == capacity; }
  std::size_t size() const { return offsets_.size(); }

  /// Starts a message; `type` is of subsystem conntrack when it names no other (NFNL_SUBSYS_* << 8 | type). The caller appends
  /// attributes and calls finish().
  nlmsghdr* begin(int type, int flags, int family);
  void finish(nlmsghdr* message);

  void clear();
  /// Sends and waits: for each message 0 or the kernel's errno. An Error when the kernel cannot be talked to at all. Then empty.
  Result<std::vector<int>> run(NetlinkSocket& socket);
  /// For requests that ask for one thing each: sends, and hands over what comes, with the number of its request, or nothing and
  /// the kernel's errno.
  using TakeAnswer = std::function<void(std::size_t request, const nlmsghdr* answer, int error)>;
  Status ask(NetlinkSocket& socket, const TakeAnswer& take);

 private:
  std::vector<char> buffer_;
  std::vector<std::size_t> offsets_;
  std::size_t end_ = 0;
};

/// A request in `message` (conntrackMessageSize octets), `type` as in NetlinkBatch::begin().
nlmsghdr* beginConntrackMessage(char* message, int type, int flags, int family);

/// errno as a sentence's end: "Operation not permitted (EPERM)".
std::string errnoText(int error);

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_netlink.h"

#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

namespace vmmig {

namespace {

// The kernel fills a dump's message up to 32 KiB when the reader has room for it.
constexpr std::size_t receiveSize = 65536;
constexpr int receiveBufferOctets = 4 << 20;
// ctnetlink answers within the system call; longer than this means that the kernel lost the answer.
constexpr timeval receiveTimeout{10, 0};

}  // namespace

std::string errnoText(int error) {
  const char* name = strerrorname_np(error);
  return std::string{std::strerror(error)} + " (" + (name ? name : std::to_string(error)) + ")";
}

NetlinkSocket::NetlinkSocket(mnl_socket* socket) : socket_(socket), buffer_(receiveSize) {}

Result<NetlinkSocket> NetlinkSocket::open() {
  NetlinkSocket socket{mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)};
  if (!socket.socket_ || mnl_socket_bind(socket.socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    return failure("the kernel gives no netlink socket for netfilter: " + errnoText(errno) + "; is nfnetlink loaded?");
  int fd = mnl_socket_get_fd(socket.socket_.get());
  // Answers without a copy of the request (NETLINK_CAP_ACK), and room for one to each request of a batch.
  int on = 1;
  mnl_socket_setsockopt(socket.socket_.get(), NETLINK_CAP_ACK, &on, sizeof on);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receiveBufferOctets, sizeof receiveBufferOctets) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receiveBufferOctets, sizeof receiveBufferOctets);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &receiveTimeout, sizeof receiveTimeout);
  return socket;
}

Status NetlinkSocket::send(std::span<const char> messages) {
  if (mnl_socket_sendto(socket_.get(), messages.data(), messages.size()) >= 0) return {};
  return failure("cannot send a request to the kernel's connection tracking: " + errnoText(errno));
}

Result<std::span<const char>> NetlinkSocket::receive() {
  ssize_t size;
  do size = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
  while (size < 0 && errno == EINTR);
  if (size < 0) return failure("no answer from the kernel's connection tracking: " + errnoText(errno));
  return std::span<const char>{buffer_.data(), static_cast<std::size_t>(size)};
}

nlmsghdr* beginConntrackMessage(char* message, int type, int flags, int family) {
  auto* header = mnl_nlmsg_put_header(message);
  if (type >> 8 == 0) type |= NFNL_SUBSYS_CTNETLINK << 8;
  header->nlmsg_type = static_cast<std::uint16_t>(type);
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  auto* extra = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  extra->nfgen_family = static_cast<std::uint8_t>(family);
  extra->version = NFNETLINK_V0;
  extra->res_id = 0;
  return header;
}

NetlinkBatch::NetlinkBatch() : buffer_(capacity * conntrackMessageSize) {}

nlmsghdr* NetlinkBatch::begin(int type, int flags, int family) {
  auto* message = beginConntrackMessage(buffer_.data() + end_, type, flags, family);
  message->nlmsg_seq = static_cast<std::uint32_t>(offsets_.size());
  offsets_.push_back(end_);
  return message;
}

void NetlinkBatch::finish(nlmsghdr* message) { end_ += MNL_ALIGN(message->nlmsg_len); }

void NetlinkBatch::clear() {
  offsets_.clear();
  end_ = 0;
}

Result<std::vector<int>> NetlinkBatch::run(NetlinkSocket& socket) {
  std::vector<int> errors(offsets_.size(), 0);
  if (offsets_.empty()) return errors;
  // Errors are told in any case; that the last one is answered says that all before it are done.
  reinterpret_cast<nlmsghdr*>(buffer_.data() + offsets_.back())->nlmsg_flags |= NLM_F_ACK;
  auto sent = socket.send({buffer_.data(), end_});
  clear();
  if (!sent) return failure(sent.error());
  for (bool isComplete = false; !isComplete;) {
    auto answer = socket.receive();
    if (!answer) return failure(answer.error());
    int left = static_cast<int>(answer->size());
    for (auto* m = reinterpret_cast<const nlmsghdr*>(answer->data()); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
      if (m->nlmsg_type != NLMSG_ERROR || m->nlmsg_seq >= errors.size()) continue;
      auto code = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(m))->error;
      errors[m->nlmsg_seq] = code;
      isComplete = isComplete || m->nlmsg_seq + 1 == errors.size();
    }
  }
  return errors;
}

Status NetlinkBatch::ask(NetlinkSocket& socket, const TakeAnswer& take) {
  auto missing = offsets_.size();
  if (missing == 0) return {};
  auto sent = socket.send({buffer_.data(), end_});
  clear();
  if (!sent) return sent;
  while (missing > 0) {
    auto answer = socket.receive();
    if (!answer) return failure(answer.error());
    int left = static_cast<int>(answer->size());
    for (auto* m = reinterpret_cast<const nlmsghdr*>(answer->data()); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
      bool isError = m->nlmsg_type == NLMSG_ERROR;
      take(m->nlmsg_seq, isError ? nullptr : m, isError ? -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(m))->error : 0);
      --missing;
    }
  }
  return {};
}

}  // namespace vmmig

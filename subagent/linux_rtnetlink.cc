// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_rtnetlink.h"

#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

constexpr std::size_t requestSize = 16384;
constexpr std::size_t receiveSize = 65536;
// rtnetlink answers within the system call; longer than this means that the kernel lost the answer.
constexpr timeval receiveTimeout{10, 0};
// A dump during which the kernel's table changed has to be made again; who changes it all the time cannot have it exact.
constexpr int dumpAttempts = 5;

/// What the kernel says beyond the errno (NLMSGERR_ATTR_MSG).
std::string extendedText(const nlmsghdr& message) {
  const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message));
  if (!(message.nlmsg_flags & NLM_F_ACK_TLVS)) return {};
  // NLM_F_CAPPED: of the request only its header is repeated.
  auto header = sizeof(nlmsgerr) + (message.nlmsg_flags & NLM_F_CAPPED ? 0 : error->msg.nlmsg_len - sizeof(nlmsghdr));
  std::string text;
  forEachAttribute(message, header, [&text](const nlattr& attribute) {
    if (mnl_attr_get_type(&attribute) == NLMSGERR_ATTR_MSG && mnl_attr_validate(&attribute, MNL_TYPE_NUL_STRING) >= 0)
      text = mnl_attr_get_str(&attribute);
  });
  return text;
}

Status statusOf(const nlmsghdr& message) {
  auto code = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message))->error;
  if (code == 0) return {};
  auto text = extendedText(message);
  bool isFull = code == E2BIG || code == ENOSPC || code == ENOMEM || code == ENOBUFS;
  return failure(isFull ? SnmpStatus::resourceUnavailable : SnmpStatus::genErr,
                 text.empty() ? errnoText(code) : text + ": " + errnoText(code));
}

}  // namespace

RtRequest::RtRequest(int type, int flags) : buffer_(requestSize) {
  auto* header = mnl_nlmsg_put_header(buffer_.data());
  header->nlmsg_type = static_cast<std::uint16_t>(type);
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

void RtRequest::put(int type, const void* data, std::size_t size) {
  auto fits = mnl_attr_put_check(message(), buffer_.size(), static_cast<std::uint16_t>(type), size, data);
  isOverfull_ = isOverfull_ || !fits;
}

nlattr* RtRequest::nest(int type) {
  auto* started = mnl_attr_nest_start_check(message(), buffer_.size(), static_cast<std::uint16_t>(type));
  isOverfull_ = isOverfull_ || !started;
  return started;
}

void RtRequest::end(nlattr* nest) {
  if (nest) mnl_attr_nest_end(message(), nest);
}

RtNetlink::RtNetlink(mnl_socket* socket) : socket_(socket), buffer_(receiveSize) {}

Result<RtNetlink> RtNetlink::open() {
  RtNetlink socket{mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)};
  if (!socket.socket_ || mnl_socket_bind(socket.socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    return failure("the kernel gives no netlink socket for links and bridges: " + errnoText(errno));
  int on = 1;
  for (int option : {NETLINK_CAP_ACK, NETLINK_EXT_ACK}) mnl_socket_setsockopt(socket.socket_.get(), option, &on, sizeof on);
  setsockopt(mnl_socket_get_fd(socket.socket_.get()), SOL_SOCKET, SO_RCVTIMEO, &receiveTimeout, sizeof receiveTimeout);
  return socket;
}

Status RtNetlink::run(RtRequest& request) {
  request.message()->nlmsg_flags |= NLM_F_ACK;
  return talk(
      request, [](const nlmsghdr&) {}, false);
}

Status RtNetlink::get(RtRequest& request, const Visitor& visit) { return talk(request, visit, true); }

Status RtNetlink::dump(RtRequest& request, const Visitor& visit) {
  request.message()->nlmsg_flags |= NLM_F_DUMP;
  Status status;
  for (int attempt = 0; attempt < dumpAttempts; ++attempt) {
    bool isInterrupted = false;
    std::vector<std::vector<char>> messages;
    status = talk(
        request,
        [&](const nlmsghdr& message) {
          isInterrupted = isInterrupted || message.nlmsg_flags & NLM_F_DUMP_INTR;
          const auto* begin = reinterpret_cast<const char*>(&message);
          messages.emplace_back(begin, begin + message.nlmsg_len);
        },
        true);
    if (!status) return status;
    if (isInterrupted && attempt + 1 < dumpAttempts) continue;
    for (const auto& message : messages) visit(*reinterpret_cast<const nlmsghdr*>(message.data()));
    break;
  }
  return status;
}

Status RtNetlink::talk(RtRequest& request, const Visitor& visit, bool isAnswered) {
  if (request.isOverfull()) return failure(SnmpStatus::resourceUnavailable, "too much for one request to the kernel");
  auto* message = request.message();
  message->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0)
    return failure("cannot send a request to the kernel: " + errnoText(errno));
  while (true) {
    auto size = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failure("no answer from the kernel: " + errnoText(errno));
    int left = static_cast<int>(size);
    for (auto* m = reinterpret_cast<const nlmsghdr*>(buffer_.data()); mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
      if (m->nlmsg_seq != sequence_) continue;  // the rest of an answer that was given up
      if (m->nlmsg_type == NLMSG_DONE) return {};
      if (m->nlmsg_type == NLMSG_ERROR) return statusOf(*m);
      visit(*m);
      if (isAnswered && !(m->nlmsg_flags & NLM_F_MULTI)) return {};
    }
  }
}

void forEachAttribute(std::span<const char> memory, const AttributeVisitor& visit) {
  auto left = static_cast<int>(memory.size());
  for (const auto* at = reinterpret_cast<const nlattr*>(memory.data()); mnl_attr_ok(at, left);
       left -= MNL_ALIGN(at->nla_len), at = mnl_attr_next(at))
    visit(*at);
}

void forEachAttribute(const nlmsghdr& message, std::size_t headerSize, const AttributeVisitor& visit) {
  const auto* payload = static_cast<const char*>(mnl_nlmsg_get_payload(&message));
  auto size = mnl_nlmsg_get_payload_len(&message), skipped = static_cast<std::size_t>(MNL_ALIGN(headerSize));
  if (size > skipped) forEachAttribute(std::span{payload + skipped, size - skipped}, visit);
}

void forEachAttribute(const nlattr& nest, const AttributeVisitor& visit) {
  forEachAttribute(std::span{static_cast<const char*>(mnl_attr_get_payload(&nest)), mnl_attr_get_payload_len(&nest)}, visit);
}

namespace {

void takeKind(const nlattr& info, Link& link) {
  forEachAttribute(info, [&link](const nlattr& attribute) {
    const auto* data = static_cast<const char*>(mnl_attr_get_payload(&attribute));
    auto type = mnl_attr_get_type(&attribute);
    if (type == IFLA_INFO_KIND) link.kind = mnl_attr_get_str(&attribute);
    if (type == IFLA_INFO_DATA) link.kindData.assign(data, data + mnl_attr_get_payload_len(&attribute));
  });
}

Link linkOf(const nlmsghdr& message) {
  Link link;
  link.index = static_cast<unsigned>(static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message))->ifi_index);
  forEachAttribute(message, sizeof(ifinfomsg), [&link](const nlattr& attribute) {
    switch (mnl_attr_get_type(&attribute)) {
      case IFLA_IFNAME: link.name = mnl_attr_get_str(&attribute); break;
      case IFLA_MASTER: link.master = attributeValue<std::uint32_t>(attribute); break;
      case IFLA_LINKINFO: takeKind(attribute, link); break;
      default: break;
    }
  });
  return link;
}

Result<Link> getLink(RtNetlink& socket, RtRequest& request, const std::string& what) {
  Link link;
  auto status = socket.get(request, [&link](const nlmsghdr& message) { link = linkOf(message); });
  if (!status) return failure("interface " + what + ": " + status.error().text);
  return link;
}

}  // namespace

Result<Link> findLink(RtNetlink& socket, const std::string& name) {
  // The kernel takes no more, and would cut it to another's name.
  if (name.empty() || name.size() >= IFNAMSIZ) return failure("interface '" + name + "': no interface can have this name");
  RtRequest request{RTM_GETLINK, 0};
  request.header<ifinfomsg>();
  request.putText(IFLA_IFNAME, name);
  return getLink(socket, request, name);
}

Result<Link> findLink(RtNetlink& socket, unsigned index) {
  RtRequest request{RTM_GETLINK, 0};
  request.header<ifinfomsg>().ifi_index = static_cast<int>(index);
  return getLink(socket, request, std::to_string(index));
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// A netlink socket to the kernel's links, bridges and queueing disciplines (rtnetlink): requests with an answer, and dumps.
#pragma once

#include <libmnl/libmnl.h>

#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"

namespace vmmig {

/// A message under construction: what the family puts in front, then attributes.
class RtRequest {
 public:
  /// type: RTM_...; flags: NLM_F_..., to which NLM_F_REQUEST is added.
  RtRequest(int type, int flags);

  /// Once, before any attribute: ifinfomsg, ndmsg, br_port_msg, tcmsg... all zero.
  template <class Header>
  Header& header() {
    return *static_cast<Header*>(mnl_nlmsg_put_extra_header(message(), sizeof(Header)));
  }
  void put(int type, const void* data, std::size_t size);
  template <class T>
  void put(int type, const T& value) {
    put(type, &value, sizeof value);
  }
  void putText(int type, const std::string& text) { put(type, text.c_str(), text.size() + 1); }
  /// Attributes that are put from here to end() are inside this one.
  nlattr* nest(int type);
  void end(nlattr* nest);

  nlmsghdr* message() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  /// Something did not fit.
  bool isOverfull() const { return isOverfull_; }

 private:
  std::vector<char> buffer_;
  bool isOverfull_ = false;
};

class RtNetlink {
 public:
  static Result<RtNetlink> open();

  /// Until the kernel has done it. An Error has the kernel's own words; resourceUnavailable when something is full.
  Status run(RtRequest& request);
  /// Shows each message of the answer to a request with NLM_F_DUMP.
  using Visitor = std::function<void(const nlmsghdr& message)>;
  Status dump(RtRequest& request, const Visitor& visit);
  /// Shows the one message that answers a request.
  Status get(RtRequest& request, const Visitor& visit);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  explicit RtNetlink(mnl_socket* socket);
  Status talk(RtRequest& request, const Visitor& visit, bool isAnswered);
  std::unique_ptr<mnl_socket, Close> socket_;
  std::vector<char> buffer_;
  std::uint32_t sequence_ = 0;
};

/// Shows the attributes behind a message's header of `headerSize` octets, those inside an attribute, or those in plain memory.
using AttributeVisitor = std::function<void(const nlattr& attribute)>;
void forEachAttribute(const nlmsghdr& message, std::size_t headerSize, const AttributeVisitor& visit);
void forEachAttribute(const nlattr& nest, const AttributeVisitor& visit);
void forEachAttribute(std::span<const char> memory, const AttributeVisitor& visit);
/// An attribute's content; zero when it is shorter than T.
template <class T>
T attributeValue(const nlattr& attribute) {
  T value{};
  if (mnl_attr_get_payload_len(&attribute) >= sizeof value) std::memcpy(&value, mnl_attr_get_payload(&attribute), sizeof value);
  return value;
}

/// A network interface.
struct Link {
  unsigned index = 0;
  std::string name;
  std::string kind;            // IFLA_INFO_KIND: "bridge", "veth"; empty for hardware
  unsigned master = 0;         // the bridge that it is a port of
  std::vector<char> kindData;  // IFLA_INFO_DATA: the kind's own attributes
};

/// Errors: there is none of this name (or index), or the kernel cannot be asked.
Result<Link> findLink(RtNetlink& socket, const std::string& name);
Result<Link> findLink(RtNetlink& socket, unsigned index);

}  // namespace vmmig

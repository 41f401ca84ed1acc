// SPDX-License-Identifier: GPL-2.0-or-later
// The ports of the bridges in this network namespace, by rtnetlink, and when they change.
#pragma once

#include <libmnl/libmnl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/result.h"

namespace vmmig {

struct BridgePort {
  unsigned index = 0;
  std::string name;
  std::string bridge;
  /// The VLAN of frames without a tag; 0 when the bridge has no VLANs, or the port none for them.
  std::uint16_t pvid = 0;
};

struct Bridges {
  std::vector<std::string> names;
  std::vector<BridgePort> ports;

  bool has(const std::string& bridge) const;
  const BridgePort* port(const std::string& name) const;
};

Result<Bridges> readBridges();

/// Of a link as the kernel tells it with RTEXT_FILTER_BRVLAN; 0 when it has none.
std::uint16_t pvidFrom(const nlmsghdr* message);

/// Calls back, some time after it happened, when links have come, gone or changed; once for many changes.
class LinkWatch {
 public:
  LinkWatch(EventLoop& loop, std::function<void()> changed);
  ~LinkWatch();
  LinkWatch(const LinkWatch&) = delete;
  LinkWatch& operator=(const LinkWatch&) = delete;
  bool isOpen() const { return socket_ != nullptr; }

 private:
  void drain();

  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  EventLoop& loop_;
  std::function<void()> changed_;
  std::unique_ptr<mnl_socket, Close> socket_;
};

}  // namespace vmmig

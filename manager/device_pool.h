// SPDX-License-Identifier: GPL-2.0-or-later
// One session for each agent of the inventory, opened when it is first needed and shared by all migrations.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "manager/device.h"
#include "manager/inventory.h"

namespace vmmig {

class DevicePool {
 public:
  /// `base` fills in what the inventory leaves open.
  DevicePool(EventLoop& loop, const Inventory& inventory, SessionOptions base)
      : loop_(loop), inventory_(inventory), base_(std::move(base)) {}
  virtual ~DevicePool() = default;

  /// A name of the inventory, or (the command line's freedom) a peer as in snmpcmd(1).
  virtual Result<std::shared_ptr<Device>> device(const std::string& name);
  virtual Result<std::shared_ptr<Device>> host(const std::string& name);

  /// A host that is not in the inventory; a session to where it was before is not used again.
  void introduce(const std::string& host, SessionOptions agent);

  /// How an agent is reached: as its section says (a host's or a device's own first), or by `name` itself.
  SessionOptions options(const std::string& name, bool isHost) const;
  /// A session of its own. A name that is neither here nor an address is an error at once.
  Result<std::shared_ptr<Device>> open(const std::string& name, bool isHost) const;

 private:
  Status checkName(const std::string& name, bool isHost) const;

  EventLoop& loop_;
  const Inventory& inventory_;
  SessionOptions base_;
  std::map<std::string, SessionOptions> introduced_;
  std::map<std::string, std::shared_ptr<Device>> devices_, hosts_;
};

}  // namespace vmmig

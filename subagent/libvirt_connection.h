// SPDX-License-Identifier: GPL-2.0-or-later
// The connection to libvirtd: what it tells of domains, and the few things asked of it. Made again when it breaks.
// Everything is called back in the EventLoop's thread; nothing here blocks it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/result.h"
#include "common/uuid.h"
#include "subagent/libvirt_domain.h"
#include "subagent/libvirt_loop.h"

namespace vmmig {

class LibvirtConnection {
 public:
  struct Report {
    Uuid uuid;
    std::string name;
    bool isHere = true;  // as an active domain; without, the rest says nothing
    bool isRunning = false;
    DomainJob job = DomainJob::none;
    std::string xml;
  };
  /// What libvirtd tells by itself.
  struct Listener {
    virtual ~Listener() = default;
    virtual void onConnected(std::vector<Report> domains) = 0;
    virtual void onDisconnected(const std::string& why) = 0;
    virtual void onLifecycle(const Uuid& vm, const std::string& name, DomainLifecycle event) = 0;
    /// Of QEMU's own: STOP, RESUME and MIGRATION, with the status of the latter; `time` is QEMU's.
    virtual void onMonitorEvent(const Uuid& vm, const std::string& event, const std::string& status, MicrosecondsUtc time) = 0;
  };

  LibvirtConnection(EventLoop& loop, const std::string& uri, Listener& listener);
  LibvirtConnection(const LibvirtConnection&) = delete;
  LibvirtConnection& operator=(const LibvirtConnection&) = delete;
  /// Waits a moment for what was asked of libvirtd.
  ~LibvirtConnection();

  /// No answer when libvirtd gives none.
  void look(const Uuid& vm, bool isIncoming, std::function<void(Report)> then);
  /// Gives the VM's QEMU the object that calls the service `id` on this bus, in place of one that it had from us.
  void attachGate(const Uuid& vm, const std::string& busAddress, const std::string& id, std::function<void(Status)> then);
  void detachGate(const Uuid& vm);

 private:
  class Line;
  LibvirtLoop loop_;
  std::shared_ptr<Line> line_;
};

}  // namespace vmmig

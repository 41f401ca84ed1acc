// SPDX-License-Identifier: GPL-2.0-or-later
// What holds the VMs that libvirt runs here: the bus, the gate on it, and the object in each VM's QEMU that calls the gate.
// A QEMU that came in has the object from its command line, where libvirt's hook put it; any other gets it by a monitor command.
#pragma once

#include <map>
#include <memory>

#include "mibs/check_table.h"
#include "subagent/libvirt_connection.h"
#include "subagent/vmstate_bus.h"
#include "subagent/vmstate_gate.h"

namespace vmmig {

class LibvirtGates {
 public:
  /// The rest of the phase source, as far as gates need it.
  struct Owner {
    virtual ~Owner() = default;
    /// QEMU waits for allow() or refuse().
    virtual void onSave(const Uuid& vm) = 0;
    /// May its QEMU be changed now? Not in a migration.
    virtual bool mayAttach(const Uuid& vm) const = 0;
    virtual std::string labelOf(const Uuid& vm) const = 0;
  };

  LibvirtGates(EventLoop& loop, LibvirtConnection& connection, const std::string& busPath, Owner& owner);
  LibvirtGates(const LibvirtGates&) = delete;
  LibvirtGates& operator=(const LibvirtGates&) = delete;
  /// QEMUs that are not on their way forget us, so that they can migrate without.
  ~LibvirtGates();

  void follow(const Uuid& vm);
  void forget(const Uuid& vm);
  /// Its QEMU has, or lacks, the object from the start.
  void cameIn(const Uuid& vm, bool hasObject);
  /// Gives the VM's QEMU its object if it has none, now that it may.
  void attach(const Uuid& vm);

  /// Will its QEMU ask before it goes on? If not, trouble() says why not.
  bool canHold(const Uuid& vm) const;
  std::string trouble(const Uuid& vm) const;
  bool isAsked(const Uuid& vm) const;
  void allow(const Uuid& vm);
  void refuse(const Uuid& vm, const std::string& why);
  void addChecks(std::vector<CheckRow>& rows) const;

 private:
  enum class Object { none, asked, attached };
  struct Qemu {
    Object object = Object::none;
    std::string trouble;  // why the last attempt to attach it failed
  };

  void onBusUp();
  void onBusDown();
  void serve();
  void attachAll();
  void onAttached(const Uuid& vm, unsigned generation, const Status& status);
  void tryAgain();
  CheckRow checkBus() const;
  CheckRow checkGates() const;
  CheckRow checkHook() const;

  EventLoop& loop_;
  LibvirtConnection& connection_;
  Owner& owner_;
  std::map<Uuid, Qemu> qemus_;
  unsigned generation_ = 0;    // of the bus: what was attached to one before is attached to nothing
  std::string withoutObject_;  // the last VM that came in so; empty when the last one had it
  EventLoop::TimerId again_ = 0;
  VmstateBus bus_;
  std::unique_ptr<VmstateGate> gate_;  // null without a bus
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// The phase source `libvirt`: tells the phases of the domains of one libvirtd, and holds them in the Save() of their gates.
// Where there is no gate, libvirt goes on by itself a few ms after the stop: then the stop is told without a hold, and why.
#pragma once

#include "subagent/libvirt_gates.h"
#include "subagent/phase_source.h"

namespace vmmig {

class LibvirtSource final : public PhaseSource, private LibvirtConnection::Listener, private LibvirtGates::Owner {
 public:
  LibvirtSource(const PhaseSourceOptions& options, EventLoop& loop, PhaseManager& phases, const std::string& hostName);
  LibvirtSource(const LibvirtSource&) = delete;
  LibvirtSource& operator=(const LibvirtSource&) = delete;
  ~LibvirtSource() override;

  void letGo(const Uuid& vm) override;
  void cancelMigration(const Uuid& vm) override;
  bool follows(const Uuid& vm) const override;
  std::vector<CheckRow> checks() override;

 private:
  struct Vm {
    std::string name;
    std::string macAddresses;
    LibvirtDomain domain;
    bool isDestination = false;   // of the last migration
    bool isLookedAt = false;      // name and addresses are known
    LibvirtDomain::Steps untold;  // until they are
    unsigned events = 0;          // so that an answer that an event has overtaken is not believed
    bool isJobAsked = false;
    std::optional<EventLoop::TimerId> grace;  // of a Save() that nothing explains yet
  };
  using Vms = std::map<Uuid, Vm>;

  void onConnected(std::vector<LibvirtConnection::Report> domains) override;
  void onDisconnected(const std::string& why) override;
  void onLifecycle(const Uuid& vm, const std::string& name, DomainLifecycle event) override;
  void onMonitorEvent(const Uuid& vm, const std::string& event, const std::string& status, MicrosecondsUtc time) override;
  void onSave(const Uuid& vm) override;
  bool mayAttach(const Uuid& vm) const override;
  std::string labelOf(const Uuid& vm) const override;

  Vm& add(const Uuid& uuid, const std::string& name);
  void meet(const LibvirtConnection::Report& report);
  void look(const Uuid& uuid);
  void onLook(const LibvirtConnection::Report& report, unsigned eventsBefore);
  void learn(Vm& vm, const LibvirtConnection::Report& report);
  void probe();
  /// Tells the phases, and does what follows from where the VM is now.
  void follow(const Uuid& uuid, LibvirtDomain::Steps steps, MicrosecondsUtc time = {});
  void tell(const Uuid& uuid, Vm& vm, const LibvirtDomain::Step& step, MicrosecondsUtc time);
  void answerSave(const Uuid& uuid, Vm& vm);
  void stopGrace(Vm& vm);

  PhaseSourceOptions options_;
  EventLoop& loop_;
  PhaseManager& phases_;
  std::string hostName_;
  std::string trouble_ = "libvirtd has not answered yet";  // of the connection; empty when there is none
  Vms vms_;
  EventLoop::TimerId probe_ = 0;
  LibvirtConnection connection_;
  std::unique_ptr<LibvirtGates> gates_;
};

std::unique_ptr<PhaseSource> makeLibvirtSource(const PhaseSourceOptions& options, EventLoop& loop, PhaseManager& phases,
                                               const std::string& hostName);

}  // namespace vmmig

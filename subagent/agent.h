// SPDX-License-Identifier: GPL-2.0-or-later
// vmmigd without its process: the parts of the agent that its roles need, connected.
#pragma once

#include <memory>
#include <vector>

#include "common/event_loop.h"
#include "subagent/agentx_agent.h"
#include "subagent/agentx_notifier.h"
#include "subagent/back_end.h"
#include "subagent/check_store.h"
#include "subagent/snapshot_store.h"
#include "subagent/device_table_store.h"
#include "subagent/options.h"
#include "subagent/phase_manager.h"
#include "subagent/scalar_store.h"
#include "subagent/state_file.h"
#include "subagent/transfer_engine.h"
#include "subagent/vm_store.h"

namespace vmmig {

class Agent {
 public:
  /// Throws what keeps it from starting, as a sentence.
  Agent(EventLoop& loop, const Options& options);
  ~Agent();

 private:
  VmContext vmContext();
  void configureVms(const Options& options);
  std::vector<RowStore*> startDevice(const Options& options);
  RowStore& startHypervisor(const Options& options);
  std::vector<CheckRow> checks() const;
  DeviceScalars scalars() const;
  bool notifies(const AnyRow& row) const;
  void saveVmsSoon();

  EventLoop& loop_;
  bool areNamesKeys_;
  StateFile stateFile_;
  VmRegistry registry_;
  ScalarStore scalarStore_;
  AgentxNotifier notifier_;
  // Role device; null without it.
  std::unique_ptr<BackEnd> backEnd_;
  std::unique_ptr<TransferEngine> transfers_;
  std::vector<std::unique_ptr<DeviceTableStore>> deviceStores_;
  std::vector<std::unique_ptr<SnapshotStore>> bridgeStores_;  // of BRIDGE-MIB; with the back end linux
  CheckStore checkStore_;
  VmStore vmStore_;
  VmAddressStore addressStore_;
  // Role hypervisor; null without it.
  std::unique_ptr<PhaseManager> phases_;
  std::unique_ptr<PhaseSource> phaseSource_;  // null with manual

  std::unique_ptr<RequestHandler> handler_;
  std::unique_ptr<AgentxAgent> agentx_;
  bool savePending_ = false;
};

}  // namespace vmmig

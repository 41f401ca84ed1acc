// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/agent.h"

#include <sys/utsname.h>

#include <iterator>
#include <stdexcept>

#include "common/log.h"
#include "config.h"
#include "mibs/image_table.h"
#include "mibs/standard_tables.h"
#include "mibs/tcp_conn_table.h"
#include "subagent/capacity_watch.h"
#include "subagent/linux_back_end.h"
#include "subagent/linux_bridge_mib.h"
#include "subagent/memory_back_end.h"
#include "subagent/name_map.h"

namespace vmmig {

namespace {

constexpr TransferLimits transferLimits;

std::string describeSystem() {
  utsname system{};
  ::uname(&system);
  return std::string{"vmmigd " PACKAGE_VERSION ", "} + system.sysname + " " + system.release + " " + system.machine;
}

std::unique_ptr<BackEnd> makeDevice(const Options& options, EventLoop& loop) {
  if (options.backEnd == BackEndKind::memory) return std::make_unique<MemoryBackEnd>();
  return makeLinuxBackEnd({.loop = &loop, .resources = options.resources, .stateDirectory = options.stateDirectory});
}

std::unique_ptr<BackEnd> makeBackEnd(const Options& options, EventLoop& loop) {
  auto device = makeDevice(options, loop);
  if (options.resources.names.empty()) return device;
  auto map = NameMap::make(options.resources.names);
  if (!map) throw std::runtime_error(map.error().text);
  return std::make_unique<MappedBackEnd>(std::move(device), std::move(*map));
}

}  // namespace

Agent::Agent(EventLoop& loop, const Options& options)
    : loop_(loop),
      areNamesKeys_(options.resources.hasPerVm()),
      stateFile_(options.stateDirectory + "/vmmigd.json"),
      scalarStore_([this] { return scalars(); }),
      notifier_(loop, [this](const AnyRow& row) { return notifies(row); }),
      checkStore_([this] { return checks(); }),
      vmStore_(registry_, vmContext()),
      addressStore_(registry_, vmContext()) {
  std::vector<RowStore*> stores{&scalarStore_, &checkStore_};
  if (options.roles.contains(Role::device)) {
    auto device = startDevice(options);
    stores.insert(stores.end(), device.begin(), device.end());
  }
  if (options.roles.contains(Role::hypervisor)) stores.push_back(&startHypervisor(options));
  handler_ = std::make_unique<RequestHandler>(std::move(stores));
  agentx_ = std::make_unique<AgentxAgent>(loop_, *handler_, options.agentxSocket);
}

Agent::~Agent() = default;

VmContext Agent::vmContext() {
  return {[this](const Uuid& vm) { return transfers_->isBusy(vm); }, [this](const Uuid& vm) { return backEnd_->isBlocked(vm); },
          [this](const Vm& vm) {
            for (auto& store : deviceStores_)
              if (&store->table() == &TableOf<TcpConnRow>::info) return store->count(vm);
            return std::uint32_t{0};
          },
          [this] { saveVmsSoon(); }, areNamesKeys_};
}

std::vector<RowStore*> Agent::startDevice(const Options& options) {
  auto exceeded = [this] {
    log::warning("this device is full with " + std::to_string(backEnd_->maxRows()) + " rows, and refuses more");
    notifier_.send(mib::Notification::capacityExceeded, AnyRow{scalars()});
  };
  backEnd_ = std::make_unique<CapacityWatch>(makeBackEnd(options, loop_), exceeded);
  transfers_ = std::make_unique<TransferEngine>(loop_, registry_, *backEnd_, notifier_, stateFile_, transferLimits);
  configureVms(options);
  transfers_->recover();
  std::vector<RowStore*> stores{&vmStore_, &addressStore_, &transfers_->transferStore(), &transfers_->imageStore()};
  if (options.backEnd == BackEndKind::linux_) {
    bridgeStores_.push_back(std::make_unique<SnapshotStore>(TableOf<BasePortRow>::info, readBridgePorts));
    bridgeStores_.push_back(std::make_unique<SnapshotStore>(TableOf<TpFdbRow>::info, readBridgeForwarding));
  }
  for (const auto& store : bridgeStores_) stores.push_back(store.get());
  for (auto* table : backEnd_->tables()) {
    deviceStores_.push_back(std::make_unique<DeviceTableStore>(loop_, registry_, *table));
    stores.push_back(deviceStores_.back().get());
  }
  return stores;
}

RowStore& Agent::startHypervisor(const Options& options) {
  phases_ = std::make_unique<PhaseManager>(loop_, notifier_, options.hostName);
  phaseSource_ = makePhaseSource(options.phaseSource, loop_, *phases_, options.hostName);
  phases_->setSource(phaseSource_.get());
  return phases_->store();
}

/// The configuration's VMs are permanent: managers may change them until the next start, but not remove them.
void Agent::configureVms(const Options& options) {
  for (const auto& vm : options.vms) {
    VmRow row;
    row.uuid = vm.uuid;
    row.name.value = vm.name;
    row.storageType = StorageType::permanent;
    registry_.put(std::move(row));
    for (const auto& address : vm.addresses) {
      const auto* owner = registry_.ownerOf(address);
      if (owner && *owner != vm.uuid)
        throw std::runtime_error("address " + toString(address) + " is configured for two VMs: " + registry_.get(*owner).label() +
                                 " and " + registry_.get(vm.uuid).label());
      VmAddressRow addressRow;
      addressRow.uuid = vm.uuid;
      addressRow.address = address;
      addressRow.storageType = StorageType::permanent;
      registry_.put(std::move(addressRow));
    }
  }
}

std::vector<CheckRow> Agent::checks() const {
  auto rows = backEnd_ ? backEnd_->checks() : std::vector<CheckRow>{};
  if (!phaseSource_) return rows;
  auto more = phaseSource_->checks();
  rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return rows;
}

DeviceScalars Agent::scalars() const {
  DeviceScalars scalars;
  scalars.descr.value = describeSystem();
  if (backEnd_) {
    scalars.backEnd.value = backEnd_->name();
    scalars.capabilities = backEnd_->capabilities();
    scalars.capabilities.set(Capability::image);
    scalars.maxRows = backEnd_->maxRows();
    scalars.maxChunkSize = maxChunkSize;
    scalars.maxTransfers = transferLimits.maxTransfers;
    auto transfers = transfers_->counters();
    scalars.transfers = transfers.running;
    scalars.transfersFinished = transfers.finished;
    scalars.transfersFailed = transfers.failed;
  }
  if (backEnd_ || phaseSource_) {
    auto summary = summaryOf(checks());
    scalars.health = summary.health;
    scalars.healthText = summary.text;
  }
  if (phases_) {
    scalars.capabilities.set(Capability::phase);
    scalars.capabilities.set(Capability::hold);
  }
  scalars.clock = nowUtc();
  scalars.vms = static_cast<std::uint32_t>(registry_.vms().size());
  scalars.agentXReconnects.value = agentx_ ? agentx_->reconnects() : 0;
  return scalars;
}

bool Agent::notifies(const AnyRow& row) const {
  if (!scalarStore_.notificationsEnabled()) return false;
  const auto* vm = row.table().isScalars() ? nullptr : registry_.find(vmOf(row));
  return !vm || vm->notificationsEnable;
}

/// Once for all changes of a PDU.
void Agent::saveVmsSoon() {
  if (std::exchange(savePending_, true)) return;
  loop_.post([this] {
    savePending_ = false;
    stateFile_.putVms(registry_);
    if (auto saved = stateFile_.save(); !saved) log::error(saved.error().text);
  });
}

}  // namespace vmmig

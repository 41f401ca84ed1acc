// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/qmp_source.h"

#include <algorithm>
#include <list>

#include "common/log.h"
#include "subagent/phase_manager.h"
#include "subagent/qmp_checks.h"
#include "subagent/qmp_client.h"
#include "subagent/qmp_sockets.h"
#include "subagent/transfer_text.h"

namespace vmmig {

namespace {

using namespace std::chrono_literals;
using Stage = QmpMachine::Stage;

/// How long the end of vmmigd may wait for QEMU.
constexpr auto farewell = 1s;

class QmpSource final : public PhaseSource, private QmpClient::Host {
 public:
  QmpSource(const PhaseSourceOptions& options, EventLoop& loop, PhaseManager& phases, std::string hostName)
      : options_(options),
        loop_(loop),
        phases_(phases),
        hostName_(std::move(hostName)),
        sockets_(loop, options.qmpSockets, [this](const std::string& path, UniqueFd socket) {
          clients_.emplace_back(loop_, std::move(socket), path, static_cast<QmpClient::Host&>(*this));
        }) {}
  ~QmpSource() override;

  void letGo(const Uuid& vm) override;
  void cancelMigration(const Uuid& vm) override;
  bool follows(const Uuid& vm) const override;
  std::vector<CheckRow> checks() override { return qmpChecks(sockets_, clients_); }

 private:
  void told(const QmpClient& client, const QmpTell& tell) override;
  void holdLost(const QmpClient& client) override;
  void ended(const QmpClient& client) override;
  bool isAnothersBusiness(const QmpClient& client, const QmpTell& tell) const;
  std::string whyCancelled(const Uuid& vm) const;
  void reap();

  const PhaseSourceOptions options_;
  EventLoop& loop_;
  PhaseManager& phases_;
  std::string hostName_;
  std::list<QmpClient> clients_;
  std::set<const QmpClient*> ended_;
  std::optional<EventLoop::TimerId> reaper_;
  QmpSockets sockets_;
};

/// No VM is left standing, and none that migrates while nobody is there is held. What is held is decided as if it had expired.
QmpSource::~QmpSource() {
  auto deadline = Clock::now() + farewell;
  for (auto& client : clients_) {
    if (client.machine().stage() == Stage::held) {
      auto row = phases_.row(client.machine().identity().uuid());
      if (row && row->holdPolicy == HoldPolicy::bestEffort)
        client.letGo();
      else
        client.cancel("vmmigd was stopped while it held the VM");
    }
    client.dismiss();
  }
  for (auto& client : clients_)
    if (client.wasReady()) client.finish(deadline);
  if (reaper_) loop_.cancel(*reaper_);
}

/// Of two QEMUs with this UUID, the one that holds it; the others have nothing to let go.
void QmpSource::letGo(const Uuid& vm) {
  for (auto& client : clients_)
    if (client.isVm(vm) && client.machine().stage() == Stage::held) client.letGo();
}

void QmpSource::cancelMigration(const Uuid& vm) {
  for (auto& client : clients_)
    if (client.isVm(vm) && client.machine().stage() == Stage::held) client.cancel(whyCancelled(vm));
}

std::string QmpSource::whyCancelled(const Uuid& vm) const {
  auto row = phases_.row(vm);
  bool isExpired = row && row->holdStatus == HoldStatus::expired;
  return isExpired ? "no manager released the hold before its deadline, and the policy is require" : "cancelled by a manager";
}

bool QmpSource::follows(const Uuid& vm) const {
  return std::any_of(clients_.begin(), clients_.end(), [&](const QmpClient& client) { return client.isVm(vm); });
}

/// A migration within this host has two QEMUs and one row: until the VM runs in the new one, its row is that of the old one.
bool QmpSource::isAnothersBusiness(const QmpClient& client, const QmpTell& tell) const {
  return tell.comes && tell.phase != Phase::resumed && std::any_of(clients_.begin(), clients_.end(), [&](const QmpClient& other) {
           return &other != &client && other.isVm(client.machine().identity().uuid()) && other.machine().isLeaving();
         });
}

void QmpSource::told(const QmpClient& client, const QmpTell& tell) {
  const auto& identity = client.machine().identity();
  if (isAnothersBusiness(client, tell))
    return log::notice(identity.label() + " at " + client.path() + ": " + labelOf(tell.phase) +
                       ", which is not told, because the VM leaves another QEMU of this host");
  PhaseRow row;
  row.uuid = identity.uuid();
  row.vmName = shortened(identity.name());
  row.phase = tell.phase;
  (tell.comes ? row.destinationHost : row.sourceHost).value = hostName_;
  row.time = tell.time;
  row.macAddresses.value = identity.macAddresses();
  row.holdPolicy = options_.policy;
  row.error = shortened(tell.error);
  if (tell.isHeld) row.holdDeadline.value = static_cast<std::uint32_t>(options_.hold.count());
  phases_.report(std::move(row));
}

void QmpSource::holdLost(const QmpClient& client) { phases_.endHold(client.machine().identity().uuid(), HoldStatus::released); }

void QmpSource::ended(const QmpClient& client) {
  ended_.insert(&client);
  if (!reaper_) reaper_ = loop_.after({}, [this] { reap(); });
}

void QmpSource::reap() {
  reaper_.reset();
  for (auto each = clients_.begin(); each != clients_.end();) {
    auto client = each++;
    if (ended_.erase(&*client) == 0) continue;
    auto path = client->path();
    auto wasReady = client->wasReady();
    clients_.erase(client);
    sockets_.closed(path, wasReady);
  }
}

}  // namespace

std::unique_ptr<PhaseSource> makeQmpSource(const PhaseSourceOptions& options, EventLoop& loop, PhaseManager& phases,
                                           const std::string& hostName) {
  return std::make_unique<QmpSource>(options, loop, phases, hostName);
}

}  // namespace vmmig

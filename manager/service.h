// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig serve`: migrates whatever VM a host of the inventory tells of, any number at once, and ends what a predecessor left.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "manager/device_pool.h"
#include "manager/migration_runner.h"
#include "manager/phases.h"

namespace vmmig {

class Service {
 public:
  Service(EventLoop& loop, const Inventory& inventory, DevicePool& pool, Journal& journal)
      : loop_(loop), inventory_(inventory), pool_(pool), journal_(journal) {}

  /// Until stop(), and until no VM is between its stop and its release any more: what waits for a hypervisor is left to a
  /// successor.
  Task<> run();
  void stop();
  /// A vmMigPhaseChanged from this address. Who it is decides the inventory; when that is not clear, the hosts are asked.
  void notified(const std::string& sourceAddress, const PhaseRow& row);
  /// For the service manager: "2 migrations, 1 being recovered".
  std::string status() const;

 private:
  Task<> followHost(std::string host);
  Task<Status> readHost(std::string host);
  void phase(const std::string& host, const PhaseRow& row);
  void begin(const std::string& host, const PhaseRow& row);
  Result<MigrationRunner::Setup> setupFor(JournalPlan plan);
  Task<> migrate(MigrationRunner::Setup setup, std::int64_t continues);
  void start(MigrationRunner::Setup setup, std::int64_t continues);

  void recoverAll();
  void recoverLeft(const Uuid& vm, const PhaseRow& row);
  Task<> recover(JournalMigration old, bool onlyCommitted);
  struct Standing {
    std::optional<PhaseRow> phase;  // the furthest that a host tells of this migration
    bool committed = false;         // at every destination
  };
  Task<Result<Standing>> standingOf(JournalMigration old);
  Task<Result<bool>> isCommitted(JournalMigration old);
  bool canStop() const;

  EventLoop& loop_;
  const Inventory& inventory_;
  DevicePool& pool_;
  Journal& journal_;
  std::map<std::string, std::map<Uuid, migration::SeenPhase>> seen_;  // by host
  std::map<std::string, Wakeup> polls_;                               // by host
  std::map<Uuid, std::unique_ptr<MigrationRunner>> running_;
  std::set<Uuid> recovering_;
  Wakeup changed_;
  bool stopping_ = false;
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig serve`: migrates whatever VM a host of the inventory tells of, any number at once, and ends what a predecessor left.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "manager/device_pool.h"
#include "manager/itinerary.h"
#include "manager/locate.h"
#include "manager/migration_runner.h"
#include "manager/phases.h"
#include "manager/unlisted_hosts.h"

namespace vmmig {

class Service {
 public:
  Service(EventLoop& loop, const Inventory& inventory, DevicePool& pool, Journal& journal);

  /// Until stop(), and until no VM is between its stop and its release any more: what waits for a hypervisor is left to a
  /// successor.
  Task<> run();
  void stop();
  /// A vmMigPhaseChanged from this address. Who it is decides the inventory; when that is not clear, the hosts are asked. Who is
  /// not in the inventory is asked at this address.
  void notified(const std::string& sourceAddress, const PhaseRow& row);
  /// For the service manager: "2 migrations, 1 being recovered".
  std::string status() const;

 private:
  Task<> followHost(std::string host);
  Task<Status> readHost(std::string host);
  void phase(const std::string& host, const PhaseRow& told);

  // Hosts without a section in the inventory (service_unlisted.cc).
  void hearUnlisted(const InetAddress& from, const PhaseRow& row);
  void followUnlisted(const std::string& name, const std::string& address);
  bool isFollowed(const std::string& host) const;
  void forget(const std::string& name);
  void forgetDoubles();
  std::string hintFor(const std::string& host) const;
  bool isAnyUnlisted(const Itinerary& itinerary) const;
  Task<Status> checkSource(Uuid vm, std::string host);

  // What begins a migration (service_begin.cc).
  void consider(const Uuid& vm);
  std::vector<HostSays> toldOf(const Uuid& vm) const;
  std::optional<HostSays> heldRow(const Uuid& vm) const;
  Itinerary itineraryOf(const Uuid& vm) const;
  Task<> clarify(Uuid vm);
  void askHosts();
  std::vector<std::string> silentSince(Clock::time_point when, bool withDead) const;
  void begin(const Uuid& vm, const Itinerary& itinerary);
  Task<> locate(Uuid vm, Itinerary itinerary);
  void beginBetween(const Uuid& vm, const Itinerary& itinerary, std::vector<migration::LegPlan> legs);
  void refuse(const Uuid& vm, const std::string& why);
  Task<> endHold(HostSays held, TransferPolicy policy);

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

  struct Told {
    PhaseRow row;  // the last that was taken, as it came: which names are known may change
    bool isThere = true;
  };

  EventLoop& loop_;
  const Inventory& inventory_;
  DevicePool& pool_;
  Journal& journal_;
  Locator locator_;
  UnlistedHosts unlisted_;
  std::set<std::string> hostNames_;                      // of the inventory, and of others whose agent has answered
  std::map<std::string, std::map<Uuid, Told>> told_;     // by host
  std::map<std::string, Wakeup> polls_;                  // by host
  std::map<std::string, Clock::time_point> lastAnswer_;  // by host: when the last request that it answered was made
  std::set<std::string> dead_;                           // hosts that did not answer at last
  std::set<Uuid> clarifying_;                            // while the hosts, or the switches, are asked
  std::map<Uuid, std::string> unclear_;                  // what is not followed, and the sentence that was said
  std::map<Uuid, std::unique_ptr<MigrationRunner>> running_;
  std::set<Uuid> recovering_;
  Wakeup changed_;
  bool stopping_ = false;
};

}  // namespace vmmig

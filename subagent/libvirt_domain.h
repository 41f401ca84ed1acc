// SPDX-License-Identifier: GPL-2.0-or-later
// One domain of libvirt's: which phases follow from what its QEMU's monitor and libvirt tell of it. No I/O: events in, phases
// out.
//
// STOP alone does not say why the VM stands, nor MIGRATION why its memory is read: `virsh save` is a migration to QEMU as well.
// Only one that leaves the host comes through `pre-switchover`, which libvirt always asks for; or libvirt is asked for the job.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mibs/phase_table.h"

namespace vmmig {

/// Of the job that libvirt has under way with a domain.
enum class DomainJob { none, migrationOut, migrationIn, other };
/// virDomainEventType and its details, as far as they matter.
enum class DomainLifecycle { started, startedMigrated, suspendedPaused, stopped, stoppedMigrated };

class LibvirtDomain {
 public:
  struct Step {
    Phase phase;
    std::string error;
    bool operator==(const Step&) const = default;
  };
  using Steps = std::vector<Step>;
  enum class Role { resident, outgoing, incoming, gone };
  /// What becomes of a hold. Kept until the migration is over, since Save() may come after it.
  enum class Verdict { none, goOn, goBack };
  enum class SaveAnswer {
    now,     // no migration, or one that may go on
    refuse,  // the migration is to end
    hold,    // until a verdict
    unsure,  // what would tell the reason may still be under way
  };

  /// A domain that was there before us.
  Steps found(bool isRunning, DomainJob job);
  /// QEMU's events STOP, RESUME, and MIGRATION with its MigrationStatus.
  Steps onStop();
  Steps onResume();
  Steps onMigration(std::string_view status);
  Steps onLifecycle(DomainLifecycle event);
  /// libvirt's answer when asksForJob().
  Steps onJob(DomainJob job);
  /// What libvirt says of the domain when it is asked; for events that were missed. `isHere`: it knows the domain.
  Steps onProbe(bool isHere, bool isRunning, DomainJob job);
  /// QEMU calls Save(): that the VM stands is certain then.
  Steps onSave();
  SaveAnswer saveAnswer() const;
  void decide(Verdict verdict) { verdict_ = verdict; }

  Role role() const { return role_; }
  /// Its memory is being read, and it is not known yet what for.
  bool asksForJob() const { return isRead_ && role_ == Role::resident; }
  bool isMigrating() const { return role_ == Role::outgoing || role_ == Role::incoming; }
  /// Nobody can take the VM back any more: its memory is on both hosts.
  bool isPostcopy() const { return isPostcopy_; }
  bool isStopped() const { return told_ == Phase::stopped; }

 private:
  void depart(Steps& steps);
  void stand(Steps& steps);
  Steps endOutgoing(const std::string& why);
  Steps arrive(std::string remark);
  void rest(Role role);

  Role role_ = Role::resident;
  Verdict verdict_ = Verdict::none;
  Phase told_ = Phase::cancelled;  // the last one of a migration; any that is over without one
  bool isRead_ = false;            // QEMU reads its memory: to send, to save
  bool stands_ = false;
  bool hasStopped_ = false;  // since it is read
  bool hasSwitchedOver_ = false;
  bool isPostcopy_ = false;
  std::string ended_;  // the MigrationStatus that was the last: completed, failed, cancelled
};

/// Of the domain's interfaces, 6 octets each, from its XML as libvirt writes it; those that a row can hold.
std::string macAddressesOf(std::string_view xml);
/// Has its QEMU the object that calls the service `id`, from its command line?
bool hasVmstateObject(std::string_view xml, std::string_view id);

}  // namespace vmmig

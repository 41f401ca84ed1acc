// SPDX-License-Identifier: GPL-2.0-or-later
// `vmmig doctor`: examines a device from the network up to its back end; each finding says what is so and, where it is not well,
// what to do. doctor.cc has the order of the checks, doctor_*.cc the checks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "manager/device.h"
#include "manager/reach.h"

namespace vmmig::doctor {

enum class Level { ok, warning, fault };
std::string_view name(Level level);

struct Finding {
  std::string check;  // "reachability", "security", "rights"...
  Level level = Level::ok;
  std::string text;
  std::string remedy = {};  // empty when ok
};

/// Which part the inventory gives it; unknown for an agent that stands in none.
enum class Role { unknown, device, host };

/// What is examined.
struct Subject {
  std::string name;
  Role role = Role::unknown;
  std::string peer;  // as in snmpcmd(1)
  std::shared_ptr<Device> agent;
  std::uint16_t informPort = 162;  // where this manager listens; 0: nowhere
};

class Examination {
 public:
  Examination(EventLoop& loop, Subject subject) : loop_(loop), subject_(std::move(subject)) {}

  /// Every check whose ground is there: without a way to the agent there is nothing to ask it.
  Task<> run();
  /// What was not found out by now is not waited for.
  void timeIsUp();

  // The parts of it, for tests.
  Task<> checkReachability();
  void checkSecurity();
  /// Reads vmMigDevice, and says why it cannot.
  Task<> checkAgent();
  Task<> checkWriting();
  void checkCapabilities();
  void checkCapacity();
  Task<> checkClock();
  Task<> checkItself();  // vmMigCheckTable
  Task<> checkSnmpd();
  Task<> checkInforms();
  Task<> checkMessageSize();

  const Subject& subject() const { return subject_; }
  const std::vector<Finding>& findings() const { return findings_; }
  /// What the agent is; none when it could not be asked.
  const std::optional<DeviceScalars>& scalars() const { return scalars_; }
  bool isReached() const { return isReached_; }

 private:
  void add(std::string check, Level level, std::string text, std::string remedy = {});
  void ok(std::string check, std::string text) { add(std::move(check), Level::ok, std::move(text)); }
  void warn(std::string check, std::string text, std::string remedy) {
    add(std::move(check), Level::warning, std::move(text), std::move(remedy));
  }
  void fault(std::string check, std::string text, std::string remedy) {
    add(std::move(check), Level::fault, std::move(text), std::move(remedy));
  }
  SnmpSession& session() { return subject_.agent->session(); }
  Task<Reach> tryTransport(Endpoint endpoint, bool isOurs);
  void explainTrouble(const std::string& error);
  Task<> explainMissing();
  std::string accessLines() const;

  EventLoop& loop_;
  Subject subject_;
  std::vector<Finding> findings_;
  std::optional<DeviceScalars> scalars_;
  std::string localAddress_;  // octets, as the agent sees us
  bool isReached_ = true;     // until it is known to be otherwise
  bool isReadable_ = true;
  bool isOver_ = false;
};

/// Runs it, for so long at most.
Task<> examineWithin(EventLoop& loop, std::shared_ptr<Examination> examination, Clock::duration limit);

/// What of a VM would stay behind on its way from one device to another.
std::vector<Finding> comparePair(const std::string& source, const DeviceScalars& from, const std::string& destination,
                                 const DeviceScalars& to);

}  // namespace vmmig::doctor

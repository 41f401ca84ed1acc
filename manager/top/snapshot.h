// SPDX-License-Identifier: GPL-2.0-or-later
// What `vmmig top` knows at one moment: each agent as it last answered, decoded. Nothing here asks anybody.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "mibs/device_scalars.h"
#include "mibs/phase_table.h"
#include "mibs/transfer_table.h"

namespace vmmig::top {

enum class Reach {
  asking,  // it has not answered yet, and may
  answers,
  noAgent,  // its snmpd answers, and has no VM-MIGRATION-MIB
  silent,
};

struct Agent {
  std::string name;
  bool isHost = false;
  Reach reach = Reach::asking;
  std::string error = {};             // silent: why
  Clock::time_point askedAt = {};     // the round that is under way, or the last
  Clock::time_point answeredAt = {};  // what follows was read then; never: the epoch
  Clock::duration answerTime = {};    // of that round
  DeviceScalars scalars = {};
  std::vector<TransferRow> transfers = {};
  std::vector<PhaseRow> phases = {};
  std::map<Uuid, std::string> names = {};  // of VMs with a transfer
};

struct Snapshot {
  Clock::time_point now;
  std::uint64_t utcMicroseconds = 0;
  std::vector<Agent> agents;
};

}  // namespace vmmig::top

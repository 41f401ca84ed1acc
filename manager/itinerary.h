// SPDX-License-Identifier: GPL-2.0-or-later
// From which host to which a VM moves, from what all hosts tell of it: with QEMU and libvirt the source does not know the
// destination, nor the destination the source, and only the manager hears both. It does no I/O.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "mibs/phase_table.h"

namespace vmmig {

/// What one host of the inventory tells of a VM.
struct HostSays {
  std::string host;
  PhaseRow row;
};

struct Itinerary {
  std::string source, destination;  // names of the inventory; empty: not known yet
  std::string problem = {};         // what contradicts itself, and does not become clear by waiting
  bool isOfStranger = false;        // the problem is a host that is not known, and may become it
  bool isJoined = false;            // no host names both, so that a further one may contradict

  bool isKnown() const { return problem.empty() && !source.empty() && !destination.empty(); }
};

/// Phases that are of the host to which the VM goes.
bool isOfDestination(Phase phase);

/// The row with the teller's own side named as the inventory does (`hosts`): a host may call itself otherwise (its uname), and a
/// hook may name the other side alone.
PhaseRow namedAsInventory(const std::string& teller, PhaseRow row, const std::set<std::string>& hosts);

/// `told` holds rows of one VM, as namedAsInventory() makes them; those that are history are passed over.
Itinerary itineraryOf(const std::vector<HostSays>& told, const std::set<std::string>& hosts);

/// Why an itinerary is not known, in a sentence.
std::string whyUnknown(const Itinerary& itinerary);

}  // namespace vmmig

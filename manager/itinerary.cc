// SPDX-License-Identifier: GPL-2.0-or-later
#include "manager/itinerary.h"

#include <algorithm>

#include "manager/phases.h"

namespace vmmig {

namespace {

/// What a host that names both ends, or one of them, says; an end that the inventory does not know is not said.
struct Claim {
  std::string teller, source, destination;
  bool isWhole() const { return !source.empty() && !destination.empty(); }
};

std::vector<Claim> claimsOf(const std::vector<HostSays>& told, const std::set<std::string>& hosts) {
  std::vector<Claim> claims;
  for (const auto& [host, row] : told) {
    if (!isUnderWay(row)) continue;
    auto known = [&](const std::string& name) { return hosts.contains(name) ? name : std::string{}; };
    claims.push_back({host, known(row.sourceHost.value), known(row.destinationHost.value)});
  }
  return claims;
}

std::set<std::string> endsOf(const std::vector<Claim>& claims, std::string Claim::*end) {
  std::set<std::string> ends;
  for (const auto& claim : claims)
    if (!(claim.*end).empty()) ends.insert(claim.*end);
  return ends;
}

std::string listed(const std::set<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : " and ") + name;
  return text;
}

std::string strangerIn(const std::vector<HostSays>& told, const std::set<std::string>& hosts) {
  for (const auto& [host, row] : told)
    for (const auto* name : {&row.sourceHost.value, &row.destinationHost.value})
      if (isUnderWay(row) && !name->empty() && !hosts.contains(*name))
        return "host " + *name + " is not in the inventory: add [host." + *name + "] (host " + host + " names it)";
  return {};
}

}  // namespace

bool isOfDestination(Phase phase) { return phase == Phase::prepared || phase == Phase::resumed; }

PhaseRow namedAsInventory(const std::string& teller, PhaseRow row, const std::set<std::string>& hosts) {
  auto& source = row.sourceHost.value;
  auto& destination = row.destinationHost.value;
  if (source == teller || destination == teller) return row;
  auto isOther = [&](const std::string& name) { return hosts.contains(name); };
  bool isDestinations = isOfDestination(row.phase);
  auto& byPhase = isDestinations ? destination : source;
  auto& opposite = isDestinations ? source : destination;
  bool isOneNamed = source.empty() != destination.empty();
  if (!isOneNamed) {
    auto& own = isOther(byPhase) ? opposite : byPhase;
    if (!isOther(own)) own = teller;
    return row;
  }
  // Who names one end alone names itself, unless that is another host.
  auto& named = source.empty() ? destination : source;
  if (!isOther(named))
    named = teller;
  else if (&named == &opposite)
    byPhase = teller;
  return row;
}

Itinerary itineraryOf(const std::vector<HostSays>& told, const std::set<std::string>& hosts) {
  auto claims = claimsOf(told, hosts);
  auto sources = endsOf(claims, &Claim::source);
  if (sources.size() > 1)
    return {{},
            {},
            "hosts " + listed(sources) + " are both said to be its source: end what is over there (vmmig phase HOST cancelled)"};
  // A destination that somebody names together with the source is meant; others may be prepared for something else.
  std::vector<Claim> whole;
  std::copy_if(claims.begin(), claims.end(), std::back_inserter(whole), [](const Claim& claim) { return claim.isWhole(); });
  auto destinations = endsOf(whole.empty() ? claims : whole, &Claim::destination);
  Itinerary itinerary{.source = sources.empty() ? "" : *sources.begin(), .destination = {}};
  itinerary.isJoined = whole.empty();
  if (destinations.size() == 1) itinerary.destination = *destinations.begin();
  // Who is only prepared may wait for long.
  if (sources.empty()) return itinerary;
  if (destinations.size() > 1)
    itinerary.problem = "hosts " + listed(destinations) + " are both prepared for it, and its source, host " + itinerary.source +
                        ", does not say to which it goes: end what is over there (vmmig phase HOST failed)";
  else if (itinerary.source == itinerary.destination)
    itinerary.problem = "host " + itinerary.source + " is said to be both its source and its destination";
  else if (itinerary.destination.empty()) {
    itinerary.problem = strangerIn(told, hosts);
    itinerary.isOfStranger = !itinerary.problem.empty();
  }
  return itinerary;
}

std::string whyUnknown(const Itinerary& itinerary) {
  if (!itinerary.problem.empty()) return itinerary.problem;
  if (itinerary.source.empty()) return "no host says that it is its source";
  return "host " + itinerary.source + " is its source, and no host says that it is prepared for it";
}

}  // namespace vmmig

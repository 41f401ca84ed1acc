// SPDX-License-Identifier: GPL-2.0-or-later
// Sets and maps of nftables and their elements: read as JSON, written as text.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "mibs/column.h"
#include "subagent/linux_nft_match.h"
#include "subagent/resources.h"

namespace vmmig {

class Nft;

struct NftSet {
  std::string path;  // "inet filter authenticated"
  NftTypes keys;
  NftTypes values = {};      // of a map
  bool hasRanges = false;    // its flag `interval`
  bool hasTimeouts = false;  // its flag `timeout`
  bool hasCounters = false;
  std::uint64_t size = 0;            // 0: none is given
  std::uint32_t lifetime = forEver;  // what an element is given that says nothing

  bool isMap() const { return !values.empty(); }
  bool hasAddresses() const;
};

struct NftElement {
  std::string match;                 // "10.1.0.5 . 443"
  std::string data;                  // a map's value
  std::uint32_t timeout = forEver;   // seconds that remain
  std::uint32_t lifetime = forEver;  // seconds that it has in all
  std::string comment;
  std::uint64_t packets = 0;
  std::uint64_t octets = 0;
};

struct NftSetListing {
  NftSet set;
  std::vector<NftElement> elements;
};

/// Error noSuchName when it does not exist. `path`: "inet filter authenticated".
Result<NftSetListing> listSet(Nft& nft, const std::string& path);
/// Without its elements, however many it has.
Result<NftSet> describeSet(Nft& nft, const std::string& path);

/// describeSet() for one row after another: many rows ask for few sets. What is known of one, also that it does not exist, is
/// kept for a moment.
class NftSets {
 public:
  explicit NftSets(Nft& nft) : nft_(nft) {}
  Result<NftSet> describe(const std::string& path, Clock::time_point now = Clock::now());

  /// Nothing from before counts in its scope, and nothing from in there afterwards: what is staged may change sets.
  class Anew {
   public:
    explicit Anew(NftSets& sets) : sets_(sets) { sets_.known_.clear(); }
    ~Anew() { sets_.known_.clear(); }
    Anew(const Anew&) = delete;
    Anew& operator=(const Anew&) = delete;

   private:
    NftSets& sets_;
  };

 private:
  struct Known {
    Result<NftSet> set;
    Clock::time_point end;
  };
  Nft& nft_;
  std::map<std::string, Known> known_;  // by path, in which a VM's own set has the name of the VM
};

/// From an object of a listing, as `nft -nn -j` prints it; nothing when that is no set or map.
Result<std::optional<NftSetListing>> setFrom(const nlohmann::json& object);

/// Commands, or inconsistentValue or wrongValue with the reason why the set cannot hold the element.
Result<std::string> createElement(const NftSet& set, const NftElement& element);
Result<std::string> deleteElement(const NftSet& set, const std::string& match);

}  // namespace vmmig

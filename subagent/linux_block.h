// SPDX-License-Identifier: GPL-2.0-or-later
// Stops a VM's traffic ahead of connection tracking, and on a switch ahead of its bridges, by nftables tables that belong to this
// process (`flags owner`): the kernel removes them when the process ends, however it ends, so no VM stays blocked.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "subagent/linux_conntrack_events.h"
#include "subagent/linux_conntrack_tuples.h"

struct nft_ctx;

namespace vmmig {

/// CAP_NET_ADMIN in this process's user namespace.
bool hasNetAdmin();

class LinuxBlock {
 public:
  using Translated = std::function<Result<std::vector<InboundTuple>>(const Vm&)>;
  using WaitForPackets = std::function<bool()>;
  /// `translated` tells how packets from outside reach the VM behind a translation, by reading all entries; `events` tell what
  /// comes behind that; `waitForPackets` waits, in a thread of its own, for those that are under way. They outlive the block.
  LinuxBlock(ConntrackEvents& events, Translated translated, WaitForPackets waitForPackets)
      : events_(events), translated_(std::move(translated)), waitForPackets_(std::move(waitForPackets)) {}

  /// Makes the table when it does not stand yet, and the one for bridges when there is a bridge.
  Status ensure();
  bool stands() const { return context_ && !lacksBridges_; }

  /// Lists what is translated now, and follows it, so that block() need not.
  void prepare(const Vm& vm);
  /// A packet that is under way changes nothing any more once isSettled().
  Status block(const Vm& vm);
  bool isSettled(const Uuid& vm);
  void unblock(const Uuid& vm);
  bool isBlocked(const Uuid& vm) const { return blocked_.contains(vm); }
  /// Is it a MAC (6 octets) or an address of a VM that is blocked?
  bool covers(const std::string& mac, const InetAddress& address) const;

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };
  /// Set (with its table and family) and element, as nft text.
  using Element = std::pair<std::string, std::string>;

  Status run(const std::string& commands);
  Status change(const char* verb, const std::vector<Element>& elements);
  Status addTranslated(const Vm& vm);
  Result<std::vector<InboundTuple>> translatedOf(const Vm& vm);
  Status ensureBridges();
  void addBridged(const Vm& vm, std::vector<Element>& elements) const;
  bool isNeeded(const Element& element) const;
  /// When an element cannot be taken out: lets the table die and makes another for the VMs that stay blocked.
  void rebuild();

  /// The translated connections of a VM that is about to be blocked.
  class Prepared final : public ConntrackEvents::Listener {
   public:
    Prepared(ConntrackEvents& events, const Vm& vm) : events_(events), vm_(vm) {}
    ~Prepared() override { events_.remove(*this); }
    Status begin(const Translated& translated);
    /// Nothing when some may be missing.
    std::optional<std::vector<InboundTuple>> tuples();

   private:
    void touched(const ConntrackEntry& entry, Touch touch) override;
    void lost(const std::string&) override { isLost_ = true; }
    ConntrackEvents& events_;
    Vm vm_;
    std::set<InboundTuple> tuples_;  // those that have gone are still among them
    bool isLost_ = false;
  };

  ConntrackEvents& events_;
  Translated translated_;
  WaitForPackets waitForPackets_;
  std::map<Uuid, std::unique_ptr<Prepared>> prepared_;
  // The wait for packets under way; it says whether it could be waited.
  std::map<Uuid, std::future<bool>> settling_;
  std::unique_ptr<nft_ctx, Free> context_;  // owns the table
  bool isBridging_ = false;                 // the table for bridges stands
  bool lacksBridges_ = false;               // it is needed, and cannot be made
  std::map<Uuid, std::vector<Element>> blocked_;
};

}  // namespace vmmig

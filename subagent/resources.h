// SPDX-License-Identifier: GPL-2.0-or-later
// What an operator's configuration names of a device: which nftables objects, bridges and ports stand behind the tables of
// VM-MIGRATION-MIB, and under which names. vmmigd.conf(5) has the lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "mibs/acl_table.h"
#include "mibs/counter_table.h"
#include "mibs/policy_table.h"

namespace vmmig {

/// What stands for {vm}: the VM's name, with an underscore for each octet that nftables does not take.
std::string nftIdentifier(std::string_view name);

/// An nftables object: "inet filter authenticated". `name` can hold {vm}, for which the VM's name stands.
struct NftName {
  std::string family;
  std::string table;
  std::string name;

  bool isPerVm() const { return name.find("{vm}") != std::string::npos; }
  /// "inet filter authenticated", with {vm} replaced.
  std::string text(std::string_view vm) const;
  /// `name` with {vm} replaced.
  std::string nameFor(std::string_view vm) const;
};

/// acl = NAME,FAMILY TABLE SET,permit|deny|other
struct AclList {
  std::string name;
  NftName set;  // a set or a map
  AclAction action = AclAction::permit;
};

/// counter = NAME,halfOpen|counter|quota|element,FAMILY TABLE OBJECT. Named counters and quotas, and the sets of half-open
/// connections, are a VM's own: their OBJECT holds {vm}.
struct CounterSource {
  std::string name;
  CounterKind kind = CounterKind::counter;
  NftName object;
};

/// policy = NAME,acl,FAMILY TABLE CHAIN,MAP[ MAP]: CHAIN holds {vm}; MAPs are verdict maps of the same table, from address to chain.
/// policy = NAME,qos: the VM's port.
struct PolicySource {
  std::string name;
  PolicyKind kind = PolicyKind::acl;
  NftName chain = {};
  std::vector<std::string> maps = {};
};

/// dhcp-snooping = BRIDGE,PORT[ PORT...][,guard6]: the trusted ports, behind which the DHCP servers are. guard6: global IPv6
/// addresses need a binding as well, so that hosts must have theirs from DHCPv6.
struct DhcpSnooping {
  std::string bridge;
  std::vector<std::string> trustedPorts;
  bool guard6 = false;
};

/// map = KIND,LOCAL,COMMON: what is LOCAL here is COMMON in the rows of the MIB. A port's names may each hold one `*`, which stands
/// for the same text in both.
struct NameRule {
  Names names = Names::none;
  std::string local;
  std::string common;
};

struct Resources {
  std::vector<AclList> acls;
  std::vector<CounterSource> counters;
  std::vector<PolicySource> policies;
  std::vector<DhcpSnooping> dhcpSnooping;
  std::vector<std::string> multicastBridges;  // multicast = BRIDGE
  std::vector<NameRule> names;

  /// Are objects of the device called by the names of VMs?
  bool hasPerVm() const;
  /// Is anything of the kernel among them?
  bool nameTheKernels() const {
    return !(acls.empty() && counters.empty() && policies.empty() && dhcpSnooping.empty() && multicastBridges.empty());
  }
};

/// Each reads the value of one line and adds it. An error is a sentence that says what is wrong and what the line must be.
Status addAcl(Resources& resources, const std::string& line);
Status addCounter(Resources& resources, const std::string& line);
Status addPolicy(Resources& resources, const std::string& line);
Status addDhcpSnooping(Resources& resources, const std::string& line);
Status addMulticast(Resources& resources, const std::string& line);
Status addNameRule(Resources& resources, const std::string& line);

}  // namespace vmmig

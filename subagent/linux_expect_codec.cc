// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_expect_codec.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>

#include "subagent/linux_netlink.h"
#include "subagent/linux_sysctl.h"

namespace vmmig {

namespace {

bool isZero(const InetAddress& address) {
  auto octets = address.bytes();
  return std::all_of(octets.begin(), octets.end(), [](char octet) { return octet == 0; });
}

/// All bits of the address, or none.
InetAddress mask(const InetAddress& address, bool all) {
  auto result = address;
  result.octets.fill(all ? 0xff : 0);
  return result;
}

bool isWholeOrNothing(const InetAddress& mask) {
  auto octets = mask.bytes();
  return isZero(mask) || std::all_of(octets.begin(), octets.end(), [](char octet) { return octet == '\xff'; });
}

std::string describe(const ExpectRow& row) {
  return "expected connection (protocol " + std::to_string(row.protocol) + ") " + toString(row.sourceAddress) + " to " +
         toString(row.destAddress) + " port " + std::to_string(row.destPort);
}

void takeNat(ExpectRow& row, const nlattr* nest) {
  if (!nest) return;
  Attributes nat{nest};
  auto tuple = tupleFrom(Attributes{nat[CTA_EXPECT_NAT_TUPLE]}, row.protocol);
  row.natAddress = tuple.source.address;
  row.natPort = tuple.source.port;
  row.natReply = nat.u32(CTA_EXPECT_NAT_DIR) != 0;
}

/// Which helper the expected connection gets is not told; what is told is the master's. SIP's signalling has its master's, and
/// what is of a class of its own (SIP's and H.323's media) has none, but the kernel takes the class only with it, where it does
/// no harm. To FTP's data it would: a file that contains a command would be rewritten on its way.
bool isHelped(const ExpectRow& row) { return row.expectClass != 0 || row.helper.value.starts_with("sip"); }

}  // namespace

Tuple tupleOf(const ExpectRow& row) { return {{row.sourceAddress, row.sourcePort}, {row.destAddress, row.destPort}}; }

Tuple masterOf(const ExpectRow& row) {
  return {{row.masterSourceAddress, row.masterSourcePort}, {row.masterDestAddress, row.masterDestPort}};
}

bool names(const ExpectRow& row, const Vm& vm) {
  return vm.owns(row.sourceAddress) || vm.owns(row.destAddress) || vm.owns(row.masterSourceAddress) ||
         vm.owns(row.masterDestAddress) || vm.owns(row.natAddress);
}

ToldExpectation expectationFromMessage(const nlmsghdr* message) {
  Attributes entry{message}, tupleNest{entry[CTA_EXPECT_TUPLE]}, masterNest{entry[CTA_EXPECT_MASTER]};
  ToldExpectation result{{}, entry.u32(CTA_EXPECT_ID)};
  auto& row = result.row;
  row.protocol = protocolOf(tupleNest);
  auto tuple = tupleFrom(tupleNest, row.protocol), maskTuple = tupleFrom(Attributes{entry[CTA_EXPECT_MASK]}, row.protocol);
  row.sourceAddress = tuple.source.address;
  row.sourcePort = tuple.source.port & maskTuple.source.port;
  row.destAddress = tuple.destination.address;
  row.destPort = tuple.destination.port;
  row.masterProtocol = protocolOf(masterNest);
  auto master = tupleFrom(masterNest, row.masterProtocol);
  row.masterSourceAddress = master.source.address;
  row.masterSourcePort = master.source.port;
  row.masterDestAddress = master.destination.address;
  row.masterDestPort = master.destination.port;
  row.timeout = entry.u32(CTA_EXPECT_TIMEOUT);
  row.flags.mask = entry.u32(CTA_EXPECT_FLAGS) & (NF_CT_EXPECT_PERMANENT | NF_CT_EXPECT_INACTIVE | NF_CT_EXPECT_USERSPACE);
  row.expectClass = entry.u32(CTA_EXPECT_CLASS);
  row.helper.value = entry.text(CTA_EXPECT_HELP_NAME);
  row.function.value = entry.text(CTA_EXPECT_FN);
  takeNat(row, entry[CTA_EXPECT_NAT]);
  if (!isWholeOrNothing(maskTuple.source.address))
    result.fault = Error{SnmpStatus::genErr,
                         describe(row) + " is for a whole prefix of sources, which vmMigExpectSourceAddress cannot tell"};
  if (isZero(maskTuple.source.address)) row.sourceAddress = mask(row.sourceAddress, false);
  return result;
}

void putKey(nlmsghdr* message, const ExpectRow& key) {
  putTuple(message, CTA_EXPECT_TUPLE, key.protocol, tupleOf(key));
  if (key.zone) put16(message, CTA_EXPECT_ZONE, key.zone);
}

void putExpectation(nlmsghdr* message, const ExpectRow& row) {
  putKey(message, row);
  std::uint16_t any = 0, exactly = 0xffff;
  putTuple(message, CTA_EXPECT_MASK, row.protocol,
           {{mask(row.sourceAddress, !isZero(row.sourceAddress)), row.sourcePort ? exactly : any},
            {mask(row.destAddress, true), exactly}});
  putTuple(message, CTA_EXPECT_MASTER, row.masterProtocol, masterOf(row));
  put32(message, CTA_EXPECT_FLAGS, row.flags.mask);
  if (isHelped(row)) putText(message, CTA_EXPECT_HELP_NAME, row.helper.value);
  if (row.expectClass) put32(message, CTA_EXPECT_CLASS, row.expectClass);
  if (!row.function.value.empty()) putText(message, CTA_EXPECT_FN, row.function.value);
  if (!row.natAddress.isSet()) return;
  Nest nat{message, CTA_EXPECT_NAT};
  put32(message, CTA_EXPECT_NAT_DIR, row.natReply ? 1 : 0);
  putTuple(message, CTA_EXPECT_NAT_TUPLE, row.protocol, {{row.natAddress, row.natPort}, {mask(row.natAddress, false), 0}});
}

void putLife(nlmsghdr* message, const ExpectRow& row) {
  putExpectation(message, row);
  put32(message, CTA_EXPECT_TIMEOUT, row.timeout);
}

Status checkKernelHolds(const ExpectRow& row) {
  auto refuse = [](std::string text) { return failure(SnmpStatus::inconsistentValue, std::move(text)); };
  if (!hasPorts(row.protocol) && (row.sourcePort || row.destPort))
    return failure(SnmpStatus::inconsistentName, "vmMigExpectSourcePort and vmMigExpectDestPort must be 0: protocol " +
                                                     std::to_string(row.protocol) + " has no ports");
  if (row.masterSourceAddress.type != row.destAddress.type)
    return refuse("vmMigExpectMasterSourceAddressType must be that of the expected connection");
  if (row.flags.has(ExpectFlag::userspace))
    return refuse("vmMigExpectFlags: the kernel sets userspace itself, and lets nobody else");
  if (row.natAddress.isSet() && isZero(row.natAddress) && row.natPort == 0)
    return refuse("vmMigExpectNatAddress and vmMigExpectNatPort are both 0, which stands for no translation: leave them unset");
  if (row.natReply && !row.natAddress.isSet())
    return refuse(
        "vmMigExpectNatReply tells the direction of a translation: set vmMigExpectNatAddress as well, or leave it false");
  // The kernel counts it in ticks of a long.
  if (row.timeout > longestConntrackTimeout())
    return failure(SnmpStatus::wrongValue,
                   "vmMigExpectTimeout: this kernel holds at most " + std::to_string(longestConntrackTimeout()) + " seconds");
  if (row.helper.value.find('\0') != std::string::npos || row.function.value.find('\0') != std::string::npos)
    return failure(SnmpStatus::wrongValue, "vmMigExpectHelper or vmMigExpectFunction has a NUL in it");
  return {};
}

std::string describe(const Vm& vm, const ExpectRow& row) { return describe(row) + " of VM " + vm.label(); }

Error creationError(const Vm& vm, const ExpectRow& row, int code) {
  auto what = describe(vm, row);
  switch (code) {
    case EEXIST:
    case EBUSY:
      return {
          SnmpStatus::inconsistentName,
          what + " is expected already, or another that fits the same packets is: delete that one first (conntrack -L expect)"};
    case ENOENT:
      return {SnmpStatus::inconsistentName, "the master of " + what + ", " + describe(row.masterProtocol, masterOf(row)) +
                                                ", is not tracked here: create its row first"};
    case EOPNOTSUPP:
      return {SnmpStatus::inconsistentValue, "vmMigExpectHelper: the master of " + what +
                                                 " has no helper, or the kernel knows no helper \"" + row.helper.value +
                                                 "\": load its module nf_conntrack_" + row.helper.value};
    case EINVAL:
      return {SnmpStatus::inconsistentValue,
              "vmMigExpectFunction, vmMigExpectClass or vmMigExpectFlags of " + what + " is not known to this kernel's helper"};
    case EMFILE:
      return {SnmpStatus::resourceUnavailable,
              "no room for " + what + ": its helper expects no more, or net.netfilter.nf_conntrack_expect_max is reached"};
    case EPERM: return {SnmpStatus::resourceUnavailable, "may not create " + what + ": vmmigd needs CAP_NET_ADMIN"};
    default: return {SnmpStatus::inconsistentValue, "the kernel refuses " + what + ": " + errnoText(code)};
  }
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigExpectTable: connections that a device expects because of what a VM's connection said (FTP's data connection, SIP's media):
// struct nf_conntrack_expect (include/net/netfilter/nf_conntrack_expect.h). A row is told by the first packet that it waits for.
#pragma once

#include "mibs/row.h"

namespace vmmig {

/// NF_CT_EXPECT_* (include/uapi/linux/netfilter/nf_conntrack_common.h).
enum class ExpectFlag { permanent = 0, inactive = 1, userspace = 2 };
template <>
struct Labels<ExpectFlag> {
  static constexpr Label labels[] = {{0, "permanent"}, {1, "inactive"}, {2, "userspace"}};
};

struct ExpectRow {
  Uuid uuid;
  std::uint16_t zone = 0;
  std::uint8_t protocol = 6;
  InetAddress sourceAddress;
  std::uint16_t sourcePort = 0;  // 0: any
  InetAddress destAddress;
  std::uint16_t destPort = 0;

  // The connection that announced it, by its original tuple.
  std::uint8_t masterProtocol = 6;
  InetAddress masterSourceAddress;
  std::uint16_t masterSourcePort = 0;
  InetAddress masterDestAddress;
  std::uint16_t masterDestPort = 0;

  std::uint32_t timeout = 0;  // seconds of life that remain
  Bits<ExpectFlag> flags;
  std::uint32_t expectClass = 0;
  Text<15> helper;
  // How its connection will be translated; unset: not at all.
  bool natReply = false;  // the direction that is translated is that of the reply
  InetAddress natAddress;
  std::uint16_t natPort = 0;
  Text<31> function;  // the kernel's function that sets the connection up: "nat-follow-master", "sip"...

  StorageType storageType = StorageType::volatile_;
  RowStatus rowStatus = RowStatus::active;
};

inline constexpr std::array expectColumns{
    indexColumn<&ExpectRow::uuid>(0, "vmMigVmUuid"),
    naming(Names::zone, indexColumn<&ExpectRow::zone>(1, "vmMigExpectZone")),
    indexColumn<&ExpectRow::protocol>(2, "vmMigExpectProtocol"),
    addressTypeColumn<&ExpectRow::sourceAddress>(3, "vmMigExpectSourceAddressType", Access::notAccessible, Carry::exact),
    addressColumn<&ExpectRow::sourceAddress>(4, "vmMigExpectSourceAddress", Access::notAccessible, Carry::exact),
    indexColumn<&ExpectRow::sourcePort>(5, "vmMigExpectSourcePort"),
    addressTypeColumn<&ExpectRow::destAddress>(6, "vmMigExpectDestAddressType", Access::notAccessible, Carry::exact),
    addressColumn<&ExpectRow::destAddress>(7, "vmMigExpectDestAddress", Access::notAccessible, Carry::exact),
    indexColumn<&ExpectRow::destPort>(8, "vmMigExpectDestPort"),
    column<&ExpectRow::masterProtocol>(9, "vmMigExpectMasterProtocol", Access::readCreate, Carry::exact),
    addressTypeColumn<&ExpectRow::masterSourceAddress>(10, "vmMigExpectMasterSourceAddressType", Access::readCreate, Carry::exact),
    addressColumn<&ExpectRow::masterSourceAddress>(11, "vmMigExpectMasterSourceAddress", Access::readCreate, Carry::exact),
    column<&ExpectRow::masterSourcePort>(12, "vmMigExpectMasterSourcePort", Access::readCreate, Carry::exact),
    addressTypeColumn<&ExpectRow::masterDestAddress>(13, "vmMigExpectMasterDestAddressType", Access::readCreate, Carry::exact),
    addressColumn<&ExpectRow::masterDestAddress>(14, "vmMigExpectMasterDestAddress", Access::readCreate, Carry::exact),
    column<&ExpectRow::masterDestPort>(15, "vmMigExpectMasterDestPort", Access::readCreate, Carry::exact),
    column<&ExpectRow::timeout>(16, "vmMigExpectTimeout", Access::readCreate, Carry::clock),
    column<&ExpectRow::flags>(17, "vmMigExpectFlags", Access::readCreate, Carry::exact),
    column<&ExpectRow::expectClass>(18, "vmMigExpectClass", Access::readCreate, Carry::exact),
    column<&ExpectRow::helper>(19, "vmMigExpectHelper", Access::readCreate, Carry::exact),
    column<&ExpectRow::natReply>(20, "vmMigExpectNatReply", Access::readCreate, Carry::exact),
    addressTypeColumn<&ExpectRow::natAddress>(21, "vmMigExpectNatAddressType", Access::readCreate, Carry::exact),
    addressColumn<&ExpectRow::natAddress>(22, "vmMigExpectNatAddress", Access::readCreate, Carry::exact),
    column<&ExpectRow::natPort>(23, "vmMigExpectNatPort", Access::readCreate, Carry::exact),
    column<&ExpectRow::function>(24, "vmMigExpectFunction", Access::readCreate, Carry::exact),
    column<&ExpectRow::storageType>(25, "vmMigExpectStorageType", Access::readCreate, Carry::local),
    column<&ExpectRow::rowStatus>(26, "vmMigExpectRowStatus", Access::readCreate, Carry::local),
};

Status checkExpect(const void* row, std::span<const InetAddress> addresses);

template <>
struct TableOf<ExpectRow> {
  static constexpr TableInfo info =
      describeTable<ExpectRow>(14, "vmMigExpectTable", "vmMigExpectEntry", expectColumns, 9, true, checkExpect);
};

}  // namespace vmmig

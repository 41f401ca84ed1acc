// SPDX-License-Identifier: GPL-2.0-or-later
// The tables of standard modules from which the manager learns behind which switch's port a station is; vmmigd serves those of
// BRIDGE-MIB, which Net-SNMP has not. Only the columns that are used; strings and numbers are taken as other vendors' agents send
// them.
#pragma once

#include "mibs/row.h"

namespace vmmig {

namespace standard {
inline constexpr std::uint32_t mib2[] = {1, 3, 6, 1, 2, 1};
inline constexpr std::uint32_t interfaces[] = {1, 3, 6, 1, 2, 1, 2};  // IF-MIB, RFC 2863
inline constexpr std::uint32_t ifMibObjects[] = {1, 3, 6, 1, 2, 1, 31, 1};
inline constexpr std::uint32_t dot1dBase[] = {1, 3, 6, 1, 2, 1, 17, 1};  // BRIDGE-MIB, RFC 4188
inline constexpr std::uint32_t dot1dTp[] = {1, 3, 6, 1, 2, 1, 17, 4};
inline constexpr std::uint32_t dot1qTp[] = {1, 3, 6, 1, 2, 1, 17, 7, 1, 2};  // Q-BRIDGE-MIB, RFC 4363
inline constexpr std::uint32_t lldpObjects[] = {1, 0, 8802, 1, 1, 2, 1};     // LLDP-MIB, IEEE 802.1AB
inline constexpr std::uint32_t lldpLocalSystemData[] = {1, 0, 8802, 1, 1, 2, 1, 3};
inline constexpr std::uint32_t lldpRemoteSystemsData[] = {1, 0, 8802, 1, 1, 2, 1, 4};
}  // namespace standard

using AnyOctets = Octets<0, 255>;
using MacAddress = Octets<6, 6>;

struct SystemScalars {
  AnyOctets sysName;
};
inline constexpr std::array systemColumns{
    column<&SystemScalars::sysName>(5, "sysName", Access::readOnly, Carry::local),
};
template <>
struct TableOf<SystemScalars> {
  static constexpr TableInfo info = under(standard::mib2, describeTable<SystemScalars>(1, "system", "", systemColumns, 0, false));
};

struct IfRow {
  std::uint32_t index = 0;
  AnyOctets physAddress;
};
inline constexpr std::array ifColumns{
    indexColumn<&IfRow::index>(0, "ifIndex"),
    column<&IfRow::physAddress>(6, "ifPhysAddress", Access::readOnly, Carry::local),
};
template <>
struct TableOf<IfRow> {
  static constexpr TableInfo info =
      under(standard::interfaces, describeTable<IfRow>(2, "ifTable", "ifEntry", ifColumns, 1, false));
};

struct IfXRow {
  std::uint32_t index = 0;
  AnyOctets name;
};
inline constexpr std::array ifXColumns{
    indexColumn<&IfXRow::index>(0, "ifIndex"),
    column<&IfXRow::name>(1, "ifName", Access::readOnly, Carry::local),
};
template <>
struct TableOf<IfXRow> {
  static constexpr TableInfo info =
      under(standard::ifMibObjects, describeTable<IfXRow>(1, "ifXTable", "ifXEntry", ifXColumns, 1, false));
};

struct BasePortRow {
  std::uint32_t port = 0;
  std::uint32_t ifIndex = 0;
};
inline constexpr std::array basePortColumns{
    indexColumn<&BasePortRow::port>(0, "dot1dBasePort"),
    integerColumn<&BasePortRow::port>(1, "dot1dBasePort", Access::readOnly, Carry::local),
    integerColumn<&BasePortRow::ifIndex>(2, "dot1dBasePortIfIndex", Access::readOnly, Carry::local),
};
template <>
struct TableOf<BasePortRow> {
  static constexpr TableInfo info = under(
      standard::dot1dBase, describeTable<BasePortRow>(4, "dot1dBasePortTable", "dot1dBasePortEntry", basePortColumns, 1, false));
};

/// dot1dTpFdbStatus.
enum FdbStatus : std::int32_t { fdbOther = 1, fdbInvalid = 2, fdbLearned = 3, fdbSelf = 4, fdbMgmt = 5 };

struct TpFdbRow {
  MacAddress address{std::string(6, '\0')};
  std::int32_t port = 0;  // 0: none; the bridge itself
  std::int32_t status = fdbLearned;
};
inline constexpr std::array tpFdbColumns{
    indexColumn<&TpFdbRow::address>(0, "dot1dTpFdbAddress"),
    column<&TpFdbRow::address>(1, "dot1dTpFdbAddress", Access::readOnly, Carry::local),
    column<&TpFdbRow::port>(2, "dot1dTpFdbPort", Access::readOnly, Carry::local),
    column<&TpFdbRow::status>(3, "dot1dTpFdbStatus", Access::readOnly, Carry::local),
};
template <>
struct TableOf<TpFdbRow> {
  static constexpr TableInfo info =
      under(standard::dot1dTp, describeTable<TpFdbRow>(3, "dot1dTpFdbTable", "dot1dTpFdbEntry", tpFdbColumns, 1, false));
};

struct QTpFdbRow {
  std::uint32_t fdbId = 0;
  MacAddress address{std::string(6, '\0')};
  std::int32_t port = 0;
  std::int32_t status = fdbLearned;
};
inline constexpr std::array qTpFdbColumns{
    indexColumn<&QTpFdbRow::fdbId>(0, "dot1qFdbId"),
    indexColumn<&QTpFdbRow::address>(0, "dot1qTpFdbAddress"),
    column<&QTpFdbRow::port>(2, "dot1qTpFdbPort", Access::readOnly, Carry::local),
    column<&QTpFdbRow::status>(3, "dot1qTpFdbStatus", Access::readOnly, Carry::local),
};
template <>
struct TableOf<QTpFdbRow> {
  static constexpr TableInfo info =
      under(standard::dot1qTp, describeTable<QTpFdbRow>(2, "dot1qTpFdbTable", "dot1qTpFdbEntry", qTpFdbColumns, 2, false));
};

/// LldpChassisIdSubtype and LldpPortIdSubtype differ in the numbers.
inline constexpr std::int32_t chassisIdMacAddress = 4;
inline constexpr std::int32_t portIdMacAddress = 3;
inline constexpr std::int32_t portIdInterfaceName = 5;

struct LldpLocalScalars {
  std::int32_t chassisIdSubtype = 0;
  AnyOctets chassisId;
};
inline constexpr std::array lldpLocalColumns{
    column<&LldpLocalScalars::chassisIdSubtype>(1, "lldpLocChassisIdSubtype", Access::readOnly, Carry::local),
    column<&LldpLocalScalars::chassisId>(2, "lldpLocChassisId", Access::readOnly, Carry::local),
};
template <>
struct TableOf<LldpLocalScalars> {
  static constexpr TableInfo info =
      under(standard::lldpObjects, describeTable<LldpLocalScalars>(3, "lldpLocalSystemData", "", lldpLocalColumns, 0, false));
};

struct LldpLocPortRow {
  std::uint32_t number = 0;
  std::int32_t idSubtype = 0;
  AnyOctets id;
  AnyOctets descr;
};
inline constexpr std::array lldpLocPortColumns{
    indexColumn<&LldpLocPortRow::number>(0, "lldpLocPortNum"),
    column<&LldpLocPortRow::idSubtype>(2, "lldpLocPortIdSubtype", Access::readOnly, Carry::local),
    column<&LldpLocPortRow::id>(3, "lldpLocPortId", Access::readOnly, Carry::local),
    column<&LldpLocPortRow::descr>(4, "lldpLocPortDesc", Access::readOnly, Carry::local),
};
template <>
struct TableOf<LldpLocPortRow> {
  static constexpr TableInfo info =
      under(standard::lldpLocalSystemData,
            describeTable<LldpLocPortRow>(7, "lldpLocPortTable", "lldpLocPortEntry", lldpLocPortColumns, 1, false));
};

struct LldpRemRow {
  std::uint32_t timeMark = 0;
  std::uint32_t localPort = 0;
  std::uint32_t index = 0;
  std::int32_t chassisIdSubtype = 0;
  AnyOctets chassisId;
  AnyOctets sysName;
};
inline constexpr std::array lldpRemColumns{
    indexColumn<&LldpRemRow::timeMark>(0, "lldpRemTimeMark"),
    indexColumn<&LldpRemRow::localPort>(0, "lldpRemLocalPortNum"),
    indexColumn<&LldpRemRow::index>(0, "lldpRemIndex"),
    column<&LldpRemRow::chassisIdSubtype>(4, "lldpRemChassisIdSubtype", Access::readOnly, Carry::local),
    column<&LldpRemRow::chassisId>(5, "lldpRemChassisId", Access::readOnly, Carry::local),
    column<&LldpRemRow::sysName>(9, "lldpRemSysName", Access::readOnly, Carry::local),
};
template <>
struct TableOf<LldpRemRow> {
  static constexpr TableInfo info = under(standard::lldpRemoteSystemsData,
                                          describeTable<LldpRemRow>(1, "lldpRemTable", "lldpRemEntry", lldpRemColumns, 3, false));
};

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Rows of every table: as instances of an OID, as copies, and how an OID leads to its column.
#include "mibs/row.h"

#include <gtest/gtest.h>

#include "mibs/acl_table.h"
#include "mibs/check_table.h"
#include "mibs/counter_table.h"
#include "mibs/dhcp_binding_table.h"
#include "mibs/tcp_conn_table.h"
#include "tests/unit/random_row.h"

namespace vmmig {
namespace {

class EveryTable : public testing::TestWithParam<const TableInfo*> {
 protected:
  const TableInfo& table() const { return *GetParam(); }
  test::RandomRows random{1};
};

TEST_P(EveryTable, AnIndexLeadsBackToItsRow) {
  for (int i = 0; i < 100; ++i) {
    auto row = random.row(table());
    auto found = rowFromIndex(table(), row.index());
    ASSERT_TRUE(found);
    EXPECT_EQ(found->index(), row.index());
    for (const auto& column : table().index()) EXPECT_EQ(found->get(column), row.get(column));
    for (const auto& column : table().values()) EXPECT_EQ(found->get(column), AnyRow{table()}.get(column));
    EXPECT_LE(mib::oidOf(table(), table().columns.back(), row.index()).size(), maxOidLength);
  }
}

TEST_P(EveryTable, AnIndexThatIsTooShortOrTooLongIsNone) {
  for (int i = 0; i < 20; ++i) {
    auto index = random.row(table()).index();
    for (std::size_t size = 0; size < index.size(); ++size)
      EXPECT_FALSE(rowFromIndex(table(), OidSpan{index}.first(size))) << toString(OidSpan{index}.first(size));
    EXPECT_FALSE(rowFromIndex(table(), index + 0U));
    EXPECT_FALSE(rowFromIndex(table(), index + 1U));
  }
}

TEST_P(EveryTable, AnIndexIsItsOwnOnlySpelling) {
  // Whatever one sub-identifier is changed to: the index is refused, or names another row.
  for (int i = 0; i < 20; ++i) {
    auto row = random.row(table());
    auto index = row.index();
    for (std::size_t at = 0; at < index.size(); ++at)
      for (std::uint32_t wrong : {0U, 1U, 2U, 3U, 4U, 5U, 16U, 17U, 255U, 256U, 4095U, 65536U, 0xffffffffU}) {
        auto changed = index;
        changed[at] = wrong;
        if (auto found = rowFromIndex(table(), changed)) EXPECT_EQ(found->index(), changed);
      }
  }
}

TEST_P(EveryTable, AnOctetOver255IsNoIndex) {
  if (table().isScalars()) return;
  auto index = random.row(table()).index();
  index[1] = 256;  // in the UUID, or in a text behind its length
  EXPECT_FALSE(rowFromIndex(table(), index));
}

TEST_P(EveryTable, CopiesAreEqualAndIndependent) {
  auto row = random.row(table());
  AnyRow copy = row;
  for (auto carry : {Carry::exact, Carry::clock, Carry::local}) EXPECT_TRUE(copy.equals(row, carry));
  for (const auto& column : table().values()) {
    AnyRow changed = row;
    while (changed.get(column) == row.get(column)) changed.set(column, random.value(*column.syntax));
    EXPECT_FALSE(changed.equals(row, column.carry)) << column.name;
    EXPECT_TRUE(copy.equals(row, column.carry));
    AnyRow moved = std::move(changed);
    changed = row;
    EXPECT_TRUE(changed.equals(row, column.carry));
    EXPECT_FALSE(moved.equals(row, column.carry));
  }
}

TEST_P(EveryTable, ItsColumnsAreFoundByOidNumberAndName) {
  auto row = random.row(table());
  for (const auto& column : table().columns) {
    EXPECT_EQ(table().column(column.name), &column);
    if (column.subid == 0) continue;
    EXPECT_EQ(table().column(column.subid), &column);
    auto index = row.index();
    auto oid = mib::oidOf(table(), column, index);
    auto name = mib::resolve(oid);
    EXPECT_EQ(name.table, &table());
    EXPECT_EQ(name.column, &column);
    EXPECT_TRUE(std::equal(name.instance.begin(), name.instance.end(), index.begin(), index.end()));
  }
  EXPECT_EQ(table().column(0U), nullptr);
  EXPECT_EQ(table().column(9999U), nullptr);
  EXPECT_EQ(table().column("sysDescr"), nullptr);
}

TEST_P(EveryTable, HasWhatTheHandlerCountsOn) {
  EXPECT_EQ(mib::table(table().subid), &table());
  EXPECT_EQ(mib::table(table().name), &table());
  if (table().isScalars()) return;
  if (&table() != &TableOf<CheckRow>::info) {
    EXPECT_EQ(table().index().front().syntax, &Codec<Uuid>::syntax) << "the VM comes first in every INDEX";
    EXPECT_NE(vmOf(random.row(table())), Uuid{});
  }
  std::uint32_t last = 0;
  for (const auto& column : table().columns) {
    if (column.subid == 0) continue;
    EXPECT_GT(column.subid, last) << column.name << " is out of order";
    last = column.subid;
  }
}

INSTANTIATE_TEST_SUITE_P(Mib, EveryTable, testing::ValuesIn(mib::tables().begin(), mib::tables().end()),
                         [](const auto& info) { return std::string{info.param->name}; });

TEST(Resolve, NamesNoMoreThanTheOidDoes) {
  auto objects = mib::objects();
  EXPECT_EQ(mib::resolve(mib::root()).table, nullptr);
  EXPECT_EQ(mib::resolve(objects).table, nullptr);
  EXPECT_EQ(mib::resolve(objects + 99U).table, nullptr);
  EXPECT_NE(mib::resolve(objects + 4U).table, nullptr);
  EXPECT_EQ(mib::resolve(objects + 4U).column, nullptr);
  EXPECT_EQ(mib::resolve(objects + Oid{4, 1}).column, nullptr);
  EXPECT_EQ(mib::resolve(objects + Oid{4, 2, 8}).column, nullptr) << "an entry is .1";
  EXPECT_EQ(mib::resolve(objects + Oid{4, 1, 0}).column, nullptr) << "the VM's UUID is no column of this table";
  EXPECT_NE(mib::resolve(objects + Oid{4, 1, 8}).column, nullptr);
  EXPECT_NE(mib::resolve(objects + Oid{1, 3}).column, nullptr) << "scalars have no entry";
  EXPECT_TRUE(mib::resolve(objects + Oid{1, 3}).instance.empty());
}

TEST(TcpConnIndex, IsTheOneOfTheModule) {
  TcpConnRow row;
  row.uuid = *parseUuid("00010203-0405-0607-0809-0a0b0c0d0eff");
  row.zone = 7;
  row.localAddress = *parseInetAddress("10.0.0.5");
  row.localPort = 443;
  row.remAddress = *parseInetAddress("192.0.2.1");
  row.remPort = 50000;
  EXPECT_EQ(toString(AnyRow{row}.index()), "0.1.2.3.4.5.6.7.8.9.10.11.12.13.14.255.7.1.4.10.0.0.5.443.1.4.192.0.2.1.50000");
  EXPECT_EQ(vmOf(row), row.uuid);
}

TEST(VmOf, ARowOfTheDeviceItselfIsNoVms) {
  CheckRow row;
  row.name.value = "sixteen octets..";
  EXPECT_EQ(vmOf(row), Uuid{});
}

const Uuid someVm = *parseUuid("00010203-0405-0607-0809-0a0b0c0d0eff");
const std::string someVmOid = "0.1.2.3.4.5.6.7.8.9.10.11.12.13.14.255.";

TEST(TextIndex, HasItsLengthInFront) {
  AclRow acl;
  acl.uuid = someVm;
  acl.list.value = "web";
  acl.entry.value = "a. b";
  EXPECT_EQ(toString(AnyRow{acl}.index()), someVmOid + "3.119.101.98.4.97.46.32.98");
  CounterRow counter;
  counter.uuid = someVm;
  counter.name.value = "syn";
  EXPECT_EQ(toString(AnyRow{counter}.index()), someVmOid + "3.115.121.110.0");
}

TEST(TextIndex, ThatIsTooShortTooLongOrNoUtf8IsNone) {
  auto prefix = parseOid(someVmOid + "1").value();
  prefix.pop_back();
  auto row = [&](const Oid& text) { return rowFromIndex(TableOf<AclRow>::info, prefix + text); };
  EXPECT_TRUE(row({1, 'w', 1, 'x'}));
  EXPECT_FALSE(row({0, 1, 'x'})) << "a list has a name";
  EXPECT_FALSE(row({1, 'w', 0})) << "an entry, too";
  EXPECT_FALSE(row({1, 0xff, 1, 'x'}));
  EXPECT_FALSE(row({1, 'w', 2, 'x'}));
  Oid longest{33};
  for (int i = 0; i < 33; ++i) longest.push_back('w');
  EXPECT_FALSE(row(longest + Oid{1, 'x'}));
  EXPECT_FALSE(row({0xffffffff, 'w', 1, 'x'}));
}

TEST(OctetsIndex, OfAFixedSizeHasNoLengthInFront) {
  DhcpBindingRow binding;
  binding.uuid = someVm;
  binding.vlan.value = 7;
  binding.macAddress.value = "\x02\x01\x02\x03\x04\x05";
  binding.address = *parseInetAddress("10.0.0.5");
  EXPECT_EQ(toString(AnyRow{binding}.index()), someVmOid + "7.2.1.2.3.4.5.1.4.10.0.0.5");
}

TEST(HalvesOf64Bits, AreTwoColumnsOfOneMember) {
  CounterRow counter;
  counter.octets = 0x1'0000'0002;
  AnyRow row = counter;
  const auto& low = *row.table().column("vmMigCounterOctets");
  const auto& high = *row.table().column("vmMigCounterOctetsHigh");
  EXPECT_EQ(row.get(low), smi::Value::gauge(2));
  EXPECT_EQ(row.get(high), smi::Value::gauge(1));
  EXPECT_EQ(row.set(low, smi::Value::gauge(0xffffffff)), SnmpStatus::noError);
  EXPECT_EQ(row.as<CounterRow>().octets, 0x1'ffff'ffff);
  EXPECT_EQ(row.set(high, smi::Value::gauge(0x80000000)), SnmpStatus::noError);
  EXPECT_EQ(row.as<CounterRow>().octets, 0x8000'0000'ffff'ffff);
  EXPECT_EQ(row.as<CounterRow>().packets, 0U);
}

}  // namespace
}  // namespace vmmig

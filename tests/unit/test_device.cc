// SPDX-License-Identifier: GPL-2.0-or-later
// Device against an agent in memory: whole tables, errors that name what is at fault, rows that vanish, batches and their limits.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "manager/device.h"
#include "mibs/counter_table.h"
#include "mibs/expect_table.h"
#include "mibs/image_table.h"
#include "mibs/policy_table.h"
#include "mibs/tcp_conn_table.h"
#include "mibs/transfer_table.h"
#include "mibs/vm_table.h"
#include "tests/unit/fake_session.h"

namespace vmmig {
namespace {

const Uuid web = *parseUuid("6ba7b810-9dad-41d1-80b4-00c04fd430c8");
const Uuid other = *parseUuid("00000000-0000-4000-8000-000000000001");

TcpConnRow connection(int number, Uuid vm = web) {
  TcpConnRow row;
  row.uuid = vm;
  row.localAddress = *parseInetAddress("10.0.0.5");
  row.localPort = 80;
  row.remAddress = *parseInetAddress("192.0.2.7");
  row.remPort = static_cast<std::uint16_t>(number);
  row.seqNumber = static_cast<std::uint32_t>(number) * 1000;
  row.status.set(TcpConnStatus::assured);
  return row;
}

std::vector<AnyRow> connections(int count) {
  std::vector<AnyRow> rows;
  for (int i = 0; i < count; ++i) rows.emplace_back(connection(1000 + i));
  return rows;
}

class DeviceTest : public ::testing::Test {
 protected:
  EventLoop loop;
  test::FakeSession* agent = nullptr;
  Device device{"fw-b", [this] {
                  auto session = std::make_unique<test::FakeSession>(loop);
                  agent = session.get();
                  return session;
                }()};

  Result<std::vector<AnyRow>> readAll(std::optional<Uuid> vm = std::nullopt) {
    return test::await(loop, device.readAll(TableOf<TcpConnRow>::info, vm));
  }
};

TEST_F(DeviceTest, ReadsEveryColumnOfEveryRowInOrder) {
  for (const auto& row : connections(500)) agent->put(row);
  auto rows = readAll();
  ASSERT_TRUE(rows) << rows.error().text;
  ASSERT_EQ(rows->size(), 500u);
  for (int i = 0; i < 500; ++i)
    for (const auto& column : tcpConnColumns)
      EXPECT_TRUE(column.equal((*rows)[static_cast<std::size_t>(i)].data(), AnyRow{connection(1000 + i)}.data()));
  EXPECT_GT(agent->mostUnderWay, 1);
  EXPECT_LE(agent->mostUnderWay, 8);
}

TEST_F(DeviceTest, ReadsOneVmWithoutItsNeighbours) {
  agent->put(connection(1, other));
  agent->put(connection(2, web));
  agent->put(connection(3, web));
  auto rows = readAll(web);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ(vmOf(rows->front()), web);
  EXPECT_EQ(readAll(other)->size(), 1u);
  EXPECT_EQ(readAll()->size(), 3u);
}

TEST_F(DeviceTest, GetsOfRowsWithLongIndexesFitIntoAnAgentXPdu) {
  for (int i = 0; i < 100; ++i) {
    auto row = connection(i);
    row.localAddress = *parseInetAddress("fd00::5");
    row.remAddress = *parseInetAddress("2001:db8::1");
    agent->put(row);
  }
  ASSERT_EQ(readAll()->size(), 100u);
  EXPECT_GT(agent->largestGet, 30'000u);
  EXPECT_LT(agent->largestGet, 65'536u);
}

TEST_F(DeviceTest, AnEmptyTableHasNoRows) {
  auto rows = readAll();
  ASSERT_TRUE(rows);
  EXPECT_TRUE(rows->empty());
}

TEST_F(DeviceTest, ARowThatVanishesDuringTheWalkIsLeftOutWhole) {
  for (const auto& row : connections(50)) agent->put(row);
  // The walk that finds the rows is the first request; the GETs come later.
  agent->before = [this](int number) {
    if (number == 3) agent->remove(connection(1049));
  };
  auto rows = readAll();
  ASSERT_TRUE(rows) << rows.error().text;
  EXPECT_EQ(rows->size(), 49u);
}

TEST_F(DeviceTest, AnAgentThatCutsItsAnswersShortIsAskedMoreOften) {
  for (const auto& row : connections(100)) agent->put(row);
  agent->mostVarbinds = 40;  // one row is 34
  auto rows = readAll();
  ASSERT_TRUE(rows) << rows.error().text;
  EXPECT_EQ(rows->size(), 100u);
}

TEST_F(DeviceTest, AnAgentForWhichOneRowIsTooBigIsAnError) {
  for (const auto& row : connections(3)) agent->put(row);
  agent->mostVarbinds = 10;
  auto rows = readAll();
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().status, SnmpStatus::tooBig);
  EXPECT_TRUE(rows.error().text.starts_with("fw-b: tooBig")) << rows.error().text;
}

TEST_F(DeviceTest, ALostConnectionDuringAWalkNamesTheDevice) {
  for (const auto& row : connections(50)) agent->put(row);
  agent->transport = [](int number) {
    return number == 5 ? std::optional<Error>{{SnmpStatus::genErr, "fake: the connection was lost"}} : std::nullopt;
  };
  auto rows = readAll();
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().text, "fw-b: fake: the connection was lost");
}

TEST_F(DeviceTest, AnAgentWhoseOidsDoNotIncreaseDoesNotHoldUsForEver) {
  agent->put(connection(1));
  struct Looping : test::FakeSession {
    using FakeSession::FakeSession;
    Task<Result<Response>> getBulk(std::vector<Oid> names, int, Haste) override {
      Response response;
      const auto& info = TableOf<TcpConnRow>::info;
      auto column = mib::oidOf(info, *info.column("vmMigTcpConnStorageType"), AnyRow{connection(1)}.index());
      for (int i = 0; i < 3; ++i) response.varbinds.push_back({column, Codec<StorageType>::toValue(StorageType::volatile_)});
      static_cast<void>(names);
      co_return response;
    }
  };
  Device looping{"fw-c", std::make_unique<Looping>(loop)};
  auto rows = test::await(loop, looping.readAll(TableOf<TcpConnRow>::info, std::nullopt));
  ASSERT_FALSE(rows);
  EXPECT_NE(rows.error().text.find("do not increase"), std::string::npos) << rows.error().text;
}

TEST_F(DeviceTest, AValueThatTheSyntaxForbidsIsAnErrorThatNamesColumnAndValue) {
  auto row = connection(1);
  agent->put(row);
  const auto& info = TableOf<TcpConnRow>::info;
  agent->objects[mib::oidOf(info, *info.column("vmMigTcpConnState"), AnyRow{row}.index())] = smi::Value::integer(99);
  auto rows = readAll();
  ASSERT_FALSE(rows);
  EXPECT_NE(rows.error().text.find("vmMigTcpConnState"), std::string::npos);
  EXPECT_NE(rows.error().text.find("99"), std::string::npos);
}

TEST_F(DeviceTest, ReadsOneRowOrNone) {
  agent->put(connection(7));
  auto found = test::await(loop, device.read(connection(7)));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->as<TcpConnRow>().seqNumber, 7000u);
  auto missing = test::await(loop, device.read(connection(8)));
  ASSERT_TRUE(missing);
  EXPECT_FALSE(*missing);
}

TEST_F(DeviceTest, ReadsTheScalarsAndTheirCounters) {
  DeviceScalars scalars;
  scalars.descr.value = "vmmigd";
  scalars.transfersFinished.value = 41;
  agent->put(scalars);
  auto found = test::await(loop, device.read(AnyRow{TableOf<DeviceScalars>::info}));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->as<DeviceScalars>().transfersFinished.value, 41u);
}

TEST_F(DeviceTest, CreatesWithWhatDiffersFromAFreshRowAndWhatHasNoDefault) {
  auto status = test::await(loop, device.create({connection(1)}));
  ASSERT_TRUE(status) << status.error().text;
  ASSERT_EQ(agent->sets.size(), 1u);
  std::set<std::string_view> names;
  for (const auto& varbind : agent->sets[0]) names.insert(mib::resolve(varbind.name).column->name);
  EXPECT_EQ(names, (std::set<std::string_view>{"vmMigTcpConnRowStatus", "vmMigTcpConnState", "vmMigTcpConnSeqNumber",
                                               "vmMigTcpConnStatus"}));
}

TEST_F(DeviceTest, WhatWasCreatedReadsBackEqual) {
  auto rows = connections(300);
  ASSERT_TRUE(test::await(loop, device.create(rows)));
  auto read = readAll();
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_TRUE((*read)[i].equals(rows[i], Carry::exact));
}

TEST_F(DeviceTest, SetsStaySmallAndFewAreUnderWay) {
  ASSERT_TRUE(test::await(loop, device.create(connections(300))));
  EXPECT_LE(agent->mostUnderWay, 4);
  for (const auto& set : agent->sets) {
    std::set<Oid> rows;
    std::size_t octets = 0;
    for (const auto& varbind : set) {
      auto instance = mib::resolve(varbind.name).instance;
      rows.insert(Oid{instance.begin(), instance.end()});
      octets += 16 + 4 * varbind.name.size() + varbind.value.octets.size();
    }
    EXPECT_LE(rows.size(), 16u);
    EXPECT_LT(octets, 65536u);
  }
}

TEST_F(DeviceTest, ARowThatExistsIsReplacedAndItsNeighboursAreCreated) {
  auto old = connection(1001);
  old.mark = 5;
  old.seqNumber = 1;
  agent->put(old);
  ASSERT_TRUE(test::await(loop, device.create(connections(3))));
  auto rows = readAll();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[1].as<TcpConnRow>().seqNumber, 1001000u);
  EXPECT_EQ((*rows)[1].as<TcpConnRow>().mark, 0u);
}

TEST_F(DeviceTest, AnInconsistentValueThatIsNoExistingRowIsReportedAndNotTriedForEver) {
  agent->refuse = [](const smi::VarBind& varbind) {
    return mib::resolve(varbind.name).column->name == "vmMigTcpConnState" ? SnmpStatus::inconsistentValue : SnmpStatus::noError;
  };
  auto status = test::await(loop, device.create({connection(1)}));
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().text.starts_with("fw-b: inconsistentValue for vmMigTcpConnState of VM " + toString(web)))
      << status.error().text;
  EXPECT_EQ(agent->sets.size(), 1u);
}

TEST_F(DeviceTest, AFailedSetStopsThoseThatFollow) {
  agent->refuse = [](const smi::VarBind&) { return SnmpStatus::resourceUnavailable; };
  auto status = test::await(loop, device.create(connections(300)));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().status, SnmpStatus::resourceUnavailable);
  EXPECT_LE(agent->sets.size(), 4u);
  EXPECT_EQ(agent->count<TcpConnRow>(), 0u);
}

/// Rows that need each other, in the worst order.
std::vector<AnyRow> tangled() {
  ExpectRow expect;
  expect.uuid = web;
  expect.sourceAddress = expect.destAddress = *parseInetAddress("10.0.0.5");
  CounterRow counter;
  counter.uuid = web;
  counter.name.value = "web";
  std::vector<AnyRow> rows{expect, connection(1)};
  for (std::uint32_t piece = 40; piece > 0; --piece) {
    PolicyRow policy;
    policy.uuid = web;
    policy.name.value = "acl";
    policy.piece = {piece};
    policy.pieces = {40};
    policy.text.value = std::string(500, 'x');
    rows.emplace_back(policy);
  }
  rows.emplace_back(counter);
  return rows;
}

/// The tables (and pieces) in the order in which SETs named them first.
std::vector<std::string> orderOf(const std::vector<std::vector<smi::VarBind>>& sets) {
  std::vector<std::string> order;
  for (const auto& set : sets)
    for (const auto& varbind : set) {
      auto name = mib::resolve(varbind.name);
      std::string is{name.table->name};
      if (name.table == &TableOf<PolicyRow>::info) is += std::to_string(name.instance.back());
      if (order.empty() || order.back() != is) order.push_back(is);
    }
  return order;
}

TEST_F(DeviceTest, RowsAreMadeBehindWhatTheyNeedAndThePiecesOfAPolicyOneAfterTheOther) {
  std::vector<std::string> wanted{"vmMigCounterTable"};
  for (int piece = 1; piece <= 40; ++piece) wanted.push_back("vmMigPolicyTable" + std::to_string(piece));
  wanted.insert(wanted.end(), {"vmMigTcpConnTable", "vmMigExpectTable"});
  ASSERT_TRUE(test::await(loop, device.createInOrder(tangled())));
  EXPECT_GT(agent->sets.size(), 5u) << "so many octets fit into no PDU";
  EXPECT_EQ(orderOf(agent->sets), wanted);
  EXPECT_EQ(agent->mostUnderWay, 1) << "SETs that are under way together may pass each other";
  agent->sets.clear();
  ASSERT_TRUE(test::await(loop, device.destroyInOrder(tangled())));
  std::reverse(wanted.begin(), wanted.end());
  EXPECT_EQ(orderOf(agent->sets), wanted);
}

TEST_F(DeviceTest, ARefusedRowIsNamedAsAPersonKnowsIt) {
  agent->refuse = [](const smi::VarBind& varbind) {
    return mib::resolve(varbind.name).column->name == "vmMigPolicyText" ? SnmpStatus::wrongValue : SnmpStatus::noError;
  };
  auto status = test::await(loop, device.createInOrder(tangled()));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().text, "fw-b: wrongValue for vmMigPolicyText of VM 6ba7b810-9dad-41d1-80b4-00c04fd430c8 (row acl 1)");
}

TEST_F(DeviceTest, DestroysRowsAlsoThoseThatAreGone) {
  for (const auto& row : connections(40)) agent->put(row);
  auto doomed = connections(45);
  ASSERT_TRUE(test::await(loop, device.destroy(doomed)));
  EXPECT_EQ(agent->count<TcpConnRow>(), 0u);
}

TEST_F(DeviceTest, WhateverConcernsAVmHasItsHasteAndNothingElse) {
  for (const auto& row : connections(3)) agent->put(row);
  auto haste = std::make_shared<bool>(true);
  device.hasten(web, haste);
  auto isHasty = [&](Uuid vm) {
    agent->isHasty.clear();
    std::vector<AnyRow> rows{connection(7, vm)};
    EXPECT_TRUE(test::await(loop, device.create(rows)));
    EXPECT_TRUE(test::await(loop, device.create(rows))) << "replaced";
    EXPECT_TRUE(test::await(loop, device.write(rows.front(), {"vmMigTcpConnTimeout"})));
    EXPECT_TRUE(test::await(loop, device.read(rows.front())));
    EXPECT_TRUE(readAll(vm));
    EXPECT_TRUE(test::await(loop, device.destroy(rows)));
    auto hasty = std::count(agent->isHasty.begin(), agent->isHasty.end(), true);
    EXPECT_TRUE(hasty == 0 || static_cast<std::size_t>(hasty) == agent->isHasty.size()) << "all of them, or none";
    return hasty > 0;
  };
  EXPECT_TRUE(isHasty(web));
  EXPECT_FALSE(isHasty(other));
  *haste = false;
  EXPECT_FALSE(isHasty(web)) << "its VM runs again";
  *haste = true;
  haste.reset();
  EXPECT_FALSE(isHasty(web)) << "its migration is gone";
}

TEST_F(DeviceTest, WritesTheNamedColumnsInOnePdu) {
  TransferRow row;
  row.uuid = web;
  row.epoch.value = 9;
  row.adminStatus = TransferAdmin::freeze;
  ASSERT_TRUE(test::await(loop, device.write(row, {"vmMigTransferEpoch", "vmMigTransferAdminStatus"})));
  ASSERT_EQ(agent->sets.size(), 1u);
  ASSERT_EQ(agent->sets[0].size(), 2u);
  EXPECT_EQ(agent->sets[0][1].value, smi::Value::integer(2));
}

TEST_F(DeviceTest, ChunksAreReadOneByOneWithoutAskingTwice) {
  ImageRow chunk;
  chunk.uuid = web;
  for (std::uint32_t number = 1; number <= 3; ++number) {
    chunk.number.value = number;
    chunk.data.value = std::string(40'000, static_cast<char>(number));
    agent->put(chunk);
  }
  auto rows = test::await(loop, device.readAll(TableOf<ImageRow>::info, web));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[2].as<ImageRow>().data.value.size(), 40'000u);
  EXPECT_EQ(agent->requests, 4);
}

TEST_F(DeviceTest, ProgressCountsUpToAllRows) {
  for (const auto& row : connections(100)) agent->put(row);
  std::size_t seen = 0;
  device.onProgress([&](std::size_t rows) { seen = std::max(seen, rows); });
  ASSERT_TRUE(readAll());
  EXPECT_EQ(seen, 100u);
}

}  // namespace
}  // namespace vmmig

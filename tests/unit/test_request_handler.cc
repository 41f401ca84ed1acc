// SPDX-License-Identifier: GPL-2.0-or-later
// GET and GETNEXT of the generic handler over stores in memory.
#include "subagent/request_handler.h"

#include <gtest/gtest.h>

#include "mibs/device_scalars.h"
#include "mibs/image_table.h"
#include "mibs/transfer_table.h"
#include "mibs/vm_address_table.h"
#include "mibs/vm_table.h"
#include "tests/unit/memory_store.h"

namespace vmmig {
namespace {

using smi::Type;
using smi::Value;
using smi::VarBind;

VmRow vmRow(std::uint8_t last, std::string name) {
  VmRow row;
  row.uuid = uuidOf(last);
  row.name.value = std::move(name);
  return row;
}

Oid suffix(std::string_view text) { return mib::objects() + parseOid(text).value(); }

class RequestHandlerTest : public testing::Test {
 protected:
  RequestHandlerTest() {
    scalars_.put(DeviceScalars{});
    vms_.put(vmRow(1, "one"));
    vms_.put(vmRow(2, "two"));
    VmAddressRow address;
    address.uuid = uuidOf(1);
    address.address = *parseInetAddress("10.0.0.5");
    address.vlan = {7};
    addresses_.put(address);
  }

  Value get(const Oid& name) {
    auto answers = handler_.get({name});
    return answers ? answers->front().value : Value{};
  }
  VarBind next(SearchRange range) {
    auto answers = handler_.getNext({std::move(range)});
    return answers ? answers->front() : VarBind{};
  }
  Oid nextName(Oid start) { return next({std::move(start)}).name; }

  MemoryStore scalars_{TableOf<DeviceScalars>::info};
  MemoryStore vms_{TableOf<VmRow>::info};
  MemoryStore addresses_{TableOf<VmAddressRow>::info};
  MemoryStore images_{TableOf<ImageRow>::info};
  // Not in the order of the tables, and without vmMigTcpConnTable.
  RequestHandler handler_{{&images_, &vms_, &scalars_, &addresses_}};
};

const std::string u1 = ".0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1";
const std::string u2 = ".0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2";
const std::string a1 = u1 + ".1.4.10.0.0.5";

/// Everything that the fixture's rows show, in the order of a walk.
std::vector<VarBind> everything() {
  const auto text = [](std::string value) { return Value::string(std::move(value)); };
  const std::vector<std::pair<std::string, Value>> all = {{"1.1.0", text("")},
                                                          {"1.2.0", text("")},
                                                          {"1.3.0", text(std::string(2, '\0'))},
                                                          {"1.4.0", Value::integer(1)},
                                                          {"1.5.0", text("")},
                                                          {"1.6.0", Value::gauge(0)},
                                                          {"1.7.0", Value::gauge(0)},
                                                          {"1.8.0", Value::gauge(0)},
                                                          {"1.9.0", Value::gauge(3600)},
                                                          {"1.10.0", Value::gauge(0)},
                                                          {"1.11.0", Value::gauge(0)},
                                                          {"1.12.0", Value::counter(0)},
                                                          {"1.13.0", Value::counter(0)},
                                                          {"1.14.0", Value::counter(0)},
                                                          {"1.15.0", Value::integer(1)},
                                                          {"1.16.0", Value::counter64(0)},
                                                          {"2.1.2" + u1, text("one")},
                                                          {"2.1.2" + u2, text("two")},
                                                          {"2.1.3" + u1, text("")},
                                                          {"2.1.3" + u2, text("")},
                                                          {"2.1.4" + u1, Value::integer(1)},
                                                          {"2.1.4" + u2, Value::integer(1)},
                                                          {"2.1.5" + u1, Value::integer(2)},
                                                          {"2.1.5" + u2, Value::integer(2)},
                                                          {"2.1.6" + u1, Value::gauge(0)},
                                                          {"2.1.6" + u2, Value::gauge(0)},
                                                          {"2.1.7" + u1, Value::integer(1)},
                                                          {"2.1.7" + u2, Value::integer(1)},
                                                          {"2.1.8" + u1, Value::integer(2)},
                                                          {"2.1.8" + u2, Value::integer(2)},
                                                          {"2.1.9" + u1, Value::integer(1)},
                                                          {"2.1.9" + u2, Value::integer(1)},
                                                          {"3.1.3" + a1, text("")},
                                                          {"3.1.4" + a1, Value::gauge(7)},
                                                          {"3.1.5" + a1, Value::integer(2)},
                                                          {"3.1.6" + a1, Value::integer(1)}};
  std::vector<VarBind> result;
  for (const auto& [name, value] : all) result.push_back({suffix(name), value});
  return result;
}

TEST_F(RequestHandlerTest, GetAnswersEachInstance) {
  for (const auto& each : everything()) EXPECT_EQ(get(each.name), each.value) << toString(each.name);
}

TEST_F(RequestHandlerTest, GetNextLeadsFromEachInstanceToTheNext) {
  auto name = mib::objects();
  for (const auto& each : everything()) {
    auto answer = next({name});
    EXPECT_EQ(answer, each) << "behind " << toString(name) << ": " << toString(answer.name);
    name = each.name;
  }
  EXPECT_EQ(next({name}), (VarBind{name, {Type::endOfMibView, 0, {}, {}}}));
}

TEST_F(RequestHandlerTest, GetTellsNoSuchObjectFromNoSuchInstance) {
  for (const auto* object : {"1.99.0", "2", "2.1", "2.1.1", "2.1.99.1", "2.2.3.1", "4.1.8.1", "99.1.1", "3.1.1.1", "3.1.2.1"})
    EXPECT_EQ(get(suffix(object)).type, Type::noSuchObject) << object;
  EXPECT_EQ(get(suffix("2.1.1" + u1)).type, Type::noSuchObject) << "not-accessible";
  EXPECT_EQ(get(mib::root()).type, Type::noSuchObject);
  for (const auto& instance :
       {"1.1" + std::string{}, "1.1.1" + std::string{}, "1.1.0.0" + std::string{}, std::string{"2.1.2"}, "2.1.2" + u1 + ".0",
        std::string{"2.1.2.0.0"}, "2.1.2.0" + u1, "3.1.4" + u1, "3.1.4" + u1 + ".2.4.10.0.0.5"})
    EXPECT_EQ(get(suffix(instance)).type, Type::noSuchInstance) << instance;
}

TEST_F(RequestHandlerTest, AnIndexSubIdentifierAbove255IsNoInstance) {
  EXPECT_EQ(get(suffix("2.1.2.256.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1")).type, Type::noSuchInstance);
}

// The cases of OpenBSD libagentx's tests of GETNEXT.
TEST_F(RequestHandlerTest, GetNextFromBelowOurObjectsIsTheFirst) {
  EXPECT_EQ(nextName({1, 3}), suffix("1.1.0"));
  EXPECT_EQ(nextName({}), suffix("1.1.0"));
}

TEST_F(RequestHandlerTest, GetNextOfAnObjectIsItsFirstInstance) {
  EXPECT_EQ(nextName(suffix("1.2")), suffix("1.2.0"));
  EXPECT_EQ(nextName(suffix("2.1.2")), suffix("2.1.2" + u1));
  EXPECT_EQ(nextName(suffix("2")), suffix("2.1.2" + u1));
  EXPECT_EQ(nextName(suffix("2.1")), suffix("2.1.2" + u1));
}

TEST_F(RequestHandlerTest, GetNextOfAnIncompleteInstanceIsTheFirstBehindIt) {
  EXPECT_EQ(nextName(suffix("2.1.2.0.0")), suffix("2.1.2" + u1));
  EXPECT_EQ(nextName(suffix("2.1.2.0.1")), suffix("2.1.3" + u1));
}

TEST_F(RequestHandlerTest, GetNextOfAnInstanceWithMoreBehindIsTheNextRow) {
  EXPECT_EQ(nextName(suffix("2.1.2" + u1 + ".0")), suffix("2.1.2" + u2));
  EXPECT_EQ(nextName(suffix("1.1.0.0")), suffix("1.2.0"));
}

TEST_F(RequestHandlerTest, GetNextJumpsOverWhatIsNotAccessibleAndWhatWeLack) {
  EXPECT_EQ(nextName(suffix("2.1.1" + u1)), suffix("2.1.2" + u1));
  EXPECT_EQ(nextName(suffix("2.1.5.4294967295")), suffix("2.1.6" + u1));
  EXPECT_EQ(nextName(suffix("3.1.6" + a1)), suffix("3.1.6" + a1)) << "vmMigTcpConnTable has no store, vmMigImageTable no row";
  EXPECT_EQ(next({suffix("3.1.6" + a1)}).value.type, Type::endOfMibView);
}

TEST_F(RequestHandlerTest, GetNextBehindOurObjectsIsTheEnd) {
  EXPECT_EQ(next({mib::root() + 2u}).value.type, Type::endOfMibView);
  EXPECT_EQ(next({suffix("99")}).value.type, Type::endOfMibView);
}

TEST_F(RequestHandlerTest, AnIncludedStartIsItsOwnAnswerWhereItExists) {
  EXPECT_EQ(next({suffix("2.1.2" + u1), true}).name, suffix("2.1.2" + u1));
  EXPECT_EQ(next({suffix("1.3.0"), true}).name, suffix("1.3.0"));
  EXPECT_EQ(next({suffix("2.1.2.0.1"), true}).name, suffix("2.1.3" + u1));
  EXPECT_EQ(next({suffix("2.1.2"), true}).name, suffix("2.1.2" + u1));
}

TEST_F(RequestHandlerTest, AnAnswerIsBeforeTheEndOfItsRange) {
  auto start = suffix("2.1.2" + u1);
  EXPECT_EQ(next({start, false, suffix("2.1.2" + u2)}).value.type, Type::endOfMibView);
  EXPECT_EQ(next({start, true, suffix("2.1.2" + u2)}).name, start);
  EXPECT_EQ(next({start, false, suffix("2.1.2" + u2 + ".0")}).name, suffix("2.1.2" + u2));
  EXPECT_EQ(next({suffix("2.1.2" + u2), false, suffix("2.1.3")}).value.type, Type::endOfMibView);
  EXPECT_EQ(next({suffix("2.1.2" + u2), false, suffix("2.1.3")}).name, suffix("2.1.2" + u2));
  EXPECT_EQ(next({suffix("1.16.0"), false, suffix("2.1.2")}).value.type, Type::endOfMibView);
}

TEST_F(RequestHandlerTest, EachRangeHasItsOwnAnswer) {
  auto answers = handler_.getNext({{suffix("1.1")}, {suffix("99")}, {suffix("2.1.2" + u1)}});
  ASSERT_TRUE(answers);
  ASSERT_EQ(answers->size(), 3u);
  EXPECT_EQ((*answers)[0].name, suffix("1.1.0"));
  EXPECT_EQ((*answers)[1].value.type, Type::endOfMibView);
  EXPECT_EQ((*answers)[2].name, suffix("2.1.2" + u2));
}

TEST_F(RequestHandlerTest, OneRowIsReadOnceInARequest) {
  std::vector<Oid> names;
  for (std::uint32_t column = 2; column <= 9; ++column) names.push_back(suffix("2.1." + std::to_string(column) + u1));
  ASSERT_TRUE(handler_.get(names));
  EXPECT_EQ(vms_.reads, 1);
  vms_.reads = 0;
  std::vector<SearchRange> ranges;
  for (const auto& name : names) ranges.push_back({name});
  ASSERT_TRUE(handler_.getNext(ranges));
  EXPECT_EQ(vms_.reads, 1);
}

TEST_F(RequestHandlerTest, ABrokenStoreIsGenErrOfTheVarbindThatAsksIt) {
  addresses_.broken = true;
  auto answers = handler_.get({suffix("2.1.2" + u1), suffix("3.1.4" + a1)});
  ASSERT_FALSE(answers);
  EXPECT_EQ(answers.error(), (RequestError{SnmpStatus::genErr, 2}));
  auto next = handler_.getNext({{suffix("2.1.9" + u2)}});
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error(), (RequestError{SnmpStatus::genErr, 1}));
}

TEST_F(RequestHandlerTest, AnAnswerThatAnAgentXPduCannotHoldIsTooBig) {
  ImageRow chunk;
  chunk.uuid = uuidOf(1);
  chunk.epoch = {1};
  chunk.number = {1};
  chunk.data.value.assign(32 * 1024, 'x');
  images_.put(chunk);
  auto name = suffix("12.1.3" + u1 + ".1.1");
  EXPECT_TRUE(handler_.get({name}));
  auto twice = handler_.get({name, name});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error(), (RequestError{SnmpStatus::tooBig, 0}));
  auto start = suffix("12");
  EXPECT_FALSE(handler_.getNext({{start}, {start}}));
  EXPECT_TRUE(handler_.getNext({{start}}));
}

TEST_F(RequestHandlerTest, ManySmallAnswersAreTooBigAsWell) {
  // 4 octets a sub-identifier: a name of 27 takes 116, an integer 8.
  std::vector<Oid> names(600, suffix("2.1.4" + u1));
  auto answers = handler_.get(names);
  ASSERT_FALSE(answers);
  EXPECT_EQ(answers.error().status, SnmpStatus::tooBig);
}

}  // namespace
}  // namespace vmmig

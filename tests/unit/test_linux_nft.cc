// SPDX-License-Identifier: GPL-2.0-or-later
// Commands to nftables and what becomes of them, in the kernel: faults find their rows, what refers to something steps aside for
// it, and nothing that a row says becomes a command of its own.

#include "subagent/linux_nft.h"

#include <cerrno>
#include <nlohmann/json.hpp>

#include "subagent/linux_nft_elements.h"
#include "tests/unit/linux_table_lab.h"

namespace vmmig {
namespace {

using Step = NftTransaction::Step;

class NftLab : public LinuxTableLab {
 protected:
  NftLab() {
    load(R"(
table inet fw {
  counter hits { packets 5 bytes 100 }
  counter mapped { packets 6 bytes 200 }
  set full { type ipv4_addr; size 2; }
  set plain { type ipv4_addr; }
  set ranges { type ipv4_addr; flags interval; }
  map counted { type ipv4_addr : counter; elements = { 10.0.0.5 : "mapped" } }
  chain vm { ip saddr 10.0.0.5 counter name hits accept; }
  chain forward { type filter hook forward priority 0; counter name ip saddr map @counted; }
})");
  }
};

TEST_F(NftLab, AFaultSaysItsLineAndTheRestIsNotDoneEither) {
  auto before = ruleset();
  auto fault = nft_.run("add element inet fw plain { 10.0.0.1 }\nadd element inet fw nowhere { 10.0.0.2 }\n");
  ASSERT_TRUE(fault);
  EXPECT_TRUE(fault->is(ENOENT)) << fault->text;
  EXPECT_EQ(fault->line, 1u);
  EXPECT_EQ(ruleset(), before);
}

TEST_F(NftLab, TheKernelsFaultSaysItsLineToo) {
  load("add element inet fw plain { 10.0.0.2 }");
  auto before = ruleset();
  auto fault = nft_.run("create element inet fw full { 10.0.0.1 }\ncreate element inet fw plain { 10.0.0.2 }\n");
  ASSERT_TRUE(fault);
  EXPECT_TRUE(fault->is(EEXIST)) << fault->text;
  EXPECT_EQ(fault->line, 1u);
  EXPECT_EQ(ruleset(), before);
}

TEST_F(NftLab, EachFaultIsTold) {
  auto faults = nft_.runAll(
      "delete element inet fw plain { 10.0.0.1 }\nadd element inet fw plain { 10.0.0.2 }\ndelete element inet fw plain { "
      "10.0.0.3 }\n");
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_EQ(faults[0].line, 0u);
  EXPECT_EQ(faults[1].line, 2u);
}

TEST_F(NftLab, ASyntaxErrorOfOneLineIsToldWithoutThePlace) {
  auto fault = nft_.run("add nonsense");
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->text.rfind("syntax error", 0), 0u) << fault->text;
}

TEST_F(NftLab, AfterAFaultTheNextCommandsRun) {
  ASSERT_TRUE(nft_.run("nonsense"));
  EXPECT_FALSE(nft_.run("add element inet fw plain { 10.0.0.1 }"));
  EXPECT_NE(listed("set inet fw plain").find("10.0.0.1"), std::string::npos);
}

TEST_F(NftLab, ACheckChangesNothingAndFindsWhatTheKernelAloneKnows) {
  auto before = ruleset();
  EXPECT_FALSE(nft_.run("add element inet fw plain { 10.0.0.1 }", Nft::Mode::check));
  auto full = nft_.run("add element inet fw full { 10.0.0.1, 10.0.0.2, 10.0.0.3 }", Nft::Mode::check);
  ASSERT_TRUE(full);
  EXPECT_TRUE(full->is(ENFILE)) << full->text;
  auto busy = nft_.run("delete counter inet fw hits", Nft::Mode::check);
  ASSERT_TRUE(busy);
  EXPECT_TRUE(busy->is(EBUSY)) << busy->text;
  EXPECT_EQ(ruleset(), before);
  EXPECT_FALSE(nft_.run("add element inet fw plain { 10.0.0.1 }")) << "and the next run is real again";
  EXPECT_NE(ruleset(), before);
}

TEST_F(NftLab, WhatDoesNotExistIsToldApartFromWhatCannotBeRead) {
  EXPECT_EQ(nft_.list("list set inet fw nowhere").error().status, SnmpStatus::noSuchName);
  EXPECT_EQ(nft_.list("list set inet elsewhere plain").error().status, SnmpStatus::noSuchName);
  EXPECT_EQ(nft_.list("list set inet").error().status, SnmpStatus::genErr);
  EXPECT_EQ(nft_.listText("list nonsense").error().status, SnmpStatus::genErr);
}

TEST_F(NftLab, AListingIsJsonAndLeavesTextAsItWas) {
  auto listed = nft_.list("list counter inet fw hits");
  ASSERT_TRUE(listed) << listed.error().text;
  EXPECT_EQ(listed->at(1)["counter"]["packets"], 5);
  EXPECT_EQ(nft_.listText("list counter inet fw hits").value(),
            "table inet fw {\n\tcounter hits {\n\t\tpackets 5 bytes 100\n\t}\n}\n");
}

TEST_F(NftLab, WordsInQuotesCannotEndThem) {
  EXPECT_EQ(nftQuoted("a; b # c { }"), "\"a; b # c { }\"");
  for (std::string_view bad : {"a\" }; flush ruleset; #", "a\nflush ruleset", "a\rb", "\x7f"})
    EXPECT_FALSE(nftQuoted(bad)) << bad;
  EXPECT_FALSE(nftQuoted(std::string_view{"a\0b", 3}));
}

// --- transactions -----------------------------------------------------------------------------------------------------

TEST_F(NftLab, CommandsRunInTheOrderOfTheirSteps) {
  NftTransaction transaction;
  transaction.add(Step::addElements, "add element inet fw jumps { 10.0.0.7 : jump vm7 }");
  transaction.add(Step::addRules, "add rule inet fw vm7 quota name q7 drop");
  transaction.add(Step::addRules, "add rule inet fw vm7 tcp flags syn add @half7 { ip saddr . tcp sport }");
  transaction.add(Step::addChains, "add chain inet fw vm7");
  transaction.add(Step::addObjects, "add map inet fw jumps { type ipv4_addr : verdict; }");
  transaction.add(Step::addObjects, "add set inet fw half7 { type ipv4_addr . inet_service; size 5; flags dynamic,timeout; }");
  transaction.add(Step::addObjects, "add quota inet fw q7 { over 100 bytes used 7 bytes }");
  auto before = ruleset();
  auto refusal = transaction.run(nft_);
  ASSERT_FALSE(refusal) << refusal->error.text;

  NftTransaction back;
  back.add(Step::dropObjects, "delete map inet fw jumps");
  back.add(Step::dropObjects, "delete set inet fw half7");
  back.add(Step::dropObjects, "delete quota inet fw q7");
  back.add(Step::dropChains, "delete chain inet fw vm7");
  back.add(Step::dropRules, "flush chain inet fw vm7");
  back.add(Step::dropElements, "delete element inet fw jumps { 10.0.0.7 }");
  refusal = back.run(nft_);
  ASSERT_FALSE(refusal) << refusal->error.text;
  EXPECT_EQ(ruleset(), before);
}

TEST_F(NftLab, ARefusalNamesTheRowAndTheReason) {
  load("add element inet fw plain { 10.0.0.2 }");
  NftTransaction transaction;
  transaction.add(Step::addElements, "create element inet fw plain { 10.0.0.1 }", 7, "entry 1");
  transaction.add(Step::addElements, "create element inet fw plain { 10.0.0.2 }", 8, "entry 2");
  transaction.add(Step::addObjects, "add counter inet fw more", 9, "counter more");
  auto before = ruleset();
  for (auto mode : {Nft::Mode::check, Nft::Mode::run}) {
    auto refusal = transaction.run(nft_, mode);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->created, 8u);
    EXPECT_EQ(refusal->error.status, SnmpStatus::inconsistentName);
    EXPECT_EQ(refusal->error.text, "entry 2: it exists already (create element inet fw plain { 10.0.0.2 })");
    EXPECT_EQ(ruleset(), before);
  }
}

TEST_F(NftLab, AFullSetIsToldInItsOwnWords) {
  NftTransaction transaction;
  for (auto last : {"1", "2", "3"})
    transaction.add(Step::addElements, std::string{"create element inet fw full { 10.0.0."} + last + " }", 3, "entry");
  auto refusal = transaction.run(nft_);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->error.status, SnmpStatus::resourceUnavailable);
  EXPECT_NE(refusal->error.text.find("the set is full"), std::string::npos) << refusal->error.text;
}

TEST_F(NftLab, ElementsThatAreGoneAlreadyAreNoFault) {
  load("add element inet fw plain { 10.0.0.1, 10.0.0.3 }\nadd element inet fw ranges { 10.0.0.1, 10.0.0.3 }");
  NftTransaction transaction;
  for (std::string set : {"plain", "ranges"})
    for (std::string last : {"1", "2", "3", "4"})
      transaction.add(Step::dropElements, "delete element inet fw " + set + " { 10.0.0." + last + " }");
  transaction.add(Step::addElements, "create element inet fw plain { 10.0.0.4 }");
  auto refusal = transaction.run(nft_);
  ASSERT_FALSE(refusal) << refusal->error.text;
  EXPECT_EQ(listed("set inet fw plain").find("10.0.0.1"), std::string::npos);
  EXPECT_NE(listed("set inet fw plain").find("10.0.0.4"), std::string::npos);
  EXPECT_EQ(listed("set inet fw ranges").find("10.0.0."), std::string::npos);
}

TEST_F(NftLab, WhatIsBusyAsksForAnotherWayAndOnlyThen) {
  int asked = 0;
  auto another = [&asked](NftTransaction& transaction) -> Status {
    ++asked;
    transaction.add(Step::dropRules, "flush chain inet fw vm");
    transaction.add(Step::dropObjects, "delete counter inet fw hits");
    return {};
  };
  NftTransaction transaction;
  transaction.addUnlessBusy(Step::dropObjects, "delete counter inet fw hits", another);
  transaction.add(Step::addObjects, "add counter inet fw hits { packets 50 bytes 60 }");
  auto refusal = transaction.run(nft_);
  ASSERT_FALSE(refusal) << refusal->error.text;
  EXPECT_EQ(asked, 1);
  EXPECT_NE(listed("counter inet fw hits").find("packets 50 bytes 60"), std::string::npos);
  refusal = transaction.run(nft_);
  ASSERT_FALSE(refusal) << refusal->error.text;
  EXPECT_EQ(asked, 1) << "no rule refers to it any more";
}

TEST_F(NftLab, WhereThereIsNoOtherWayNothingIsDone) {
  auto before = ruleset();
  NftTransaction transaction;
  transaction.addUnlessBusy(
      Step::dropObjects, "delete counter inet fw hits", [](NftTransaction&) -> Status { return failure("no way"); },
      "counter hits");
  transaction.add(Step::addElements, "add element inet fw plain { 10.0.0.1 }");
  auto refusal = transaction.run(nft_);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->error.text, "no way");
  EXPECT_EQ(ruleset(), before);
}

TEST_F(NftLab, APairIsLeftOutWhenThereIsNothingToDrop) {
  load("add element inet fw plain { 10.0.0.1 }");
  NftTransaction transaction;
  for (std::string last : {"1", "2"})
    transaction.addPair(Step::dropReferrers, "delete element inet fw plain { 10.0.0." + last + " }", Step::addReferrers,
                        "add element inet fw plain { 10.0.1." + last + " }");
  auto refusal = transaction.run(nft_);
  ASSERT_FALSE(refusal) << refusal->error.text;
  EXPECT_NE(listed("set inet fw plain").find("10.0.1.1"), std::string::npos);
  EXPECT_EQ(listed("set inet fw plain").find("10.0.1.2"), std::string::npos);
}

TEST_F(NftLab, ACommandOfSeveralLinesIsRefused) {
  auto before = ruleset();
  NftTransaction transaction;
  transaction.add(Step::addElements, "add element inet fw plain { 10.0.0.1 }\nflush ruleset", 4, "entry");
  auto refusal = transaction.run(nft_);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->created, 4u);
  EXPECT_EQ(ruleset(), before);
}

// --- texts ------------------------------------------------------------------------------------------------------------

struct Text {
  const char* types;
  const char* text;
  const char* command;  // null: it is refused
};

TEST(NftCommandText, HasOneFormForEachValue) {
  for (const auto& [types, text, command] : std::initializer_list<Text>{
           {"ipv4_addr", "10.0.0.5", "10.0.0.5"},
           {"ipv4_addr", "10.0.0.05", nullptr},
           {"ipv4_addr", "fd00::5", nullptr},
           {"ipv4_addr", "10.0.0.5 ", nullptr},
           {"ipv4_addr", "host.example", nullptr},
           {"ipv4_addr", "@plain", nullptr},
           {"ipv4_addr", "$x", nullptr},
           {"ipv4_addr", "*", nullptr},
           {"ipv4_addr", "", nullptr},
           {"ipv4_addr", "10.0.0.5, 10.0.0.6", nullptr},
           {"ipv4_addr", "10.0.0.5 } ; flush ruleset", nullptr},
           {"ipv4_addr", "10.0.0.5\nflush ruleset", nullptr},
           {"ipv4_addr", "10.0.0.0/24", "10.0.0.0/24"},
           {"ipv4_addr", "10.0.0.5/24", nullptr},
           {"ipv4_addr", "10.0.0.0/32", nullptr},
           {"ipv4_addr", "10.0.0.0/24/24", nullptr},
           {"ipv4_addr", "10.0.0.5-10.0.0.9", "10.0.0.5-10.0.0.9"},
           {"ipv4_addr", "10.0.0.5-10.0.0.5", nullptr},
           {"ipv4_addr", "10.0.0.5-", nullptr},
           {"ipv4_addr", "10.0.0.4-10.0.0.5", nullptr},
           {"ipv4_addr", "10.0.0.5-10.0.0.6", "10.0.0.5-10.0.0.6"},
           {"ipv6_addr", "fd00::-fd00::ffff", nullptr},
           {"ipv6_addr", "fd00::5", "fd00::5"},
           {"ipv6_addr", "FD00::5", nullptr},
           {"ipv6_addr", "fd00:0::5", nullptr},
           {"ipv6_addr", "fd00::/64", "fd00::/64"},
           {"ipv4_addr . inet_service", "10.0.0.5 . 443", "10.0.0.5 . 443"},
           {"ipv4_addr . inet_service", "10.0.0.5 . 80-90", "10.0.0.5 . 80-90"},
           {"ipv4_addr . inet_service", "10.0.0.5 . https", nullptr},
           {"ipv4_addr . inet_service", "10.0.0.5 . 0443", nullptr},
           {"ipv4_addr . inet_service", "10.0.0.5 . -1", nullptr},
           {"ipv4_addr . inet_service", "10.0.0.5 . 99999999999999999999", nullptr},
           {"ipv4_addr . inet_service", "10.0.0.5 .443", nullptr},
           {"ipv4_addr . inet_service", "10.0.0.5", nullptr},
           {"ipv4_addr . inet_service", "10.0.0.5 . 443 . 5", nullptr},
           {"inet_proto", "6", "6"},
           {"inet_proto", "tcp", nullptr},
           {"mark", "0x0000002a", "0x0000002a"},
           {"mark", "42", nullptr},
           {"ether_addr", "02:00:5e:00:53:01", "02:00:5e:00:53:01"},
           {"ether_addr", "2:0:5e:0:53:1", nullptr},
           {"classid", "1:2a", "1:2a"},
           {"ifname", "eth0.100", "\"eth0.100\""},
           {"ifname", "counter", "\"counter\""},
           {"ifname", "eth0\"; flush ruleset; \"", nullptr},
           {"ifname", "a-name-that-is-too-long", nullptr},
           {"counter", "hits", "\"hits\""},
           {"counter", "hi\"ts", nullptr},
           {"verdict", "accept", "accept"},
           {"verdict", "jump vm", "jump vm"},
           {"verdict", "jump vm; flush ruleset", nullptr},
           {"verdict", "jump vm }", nullptr},
           {"verdict", "jump", nullptr},
           {"verdict", "queue", nullptr},
       }) {
    auto result = nftCommandText(text, parseNftTypes(types).value(), true);
    EXPECT_EQ(result.has_value(), command != nullptr) << types << ": " << text;
    if (result && command) EXPECT_EQ(*result, command);
    if (!result) EXPECT_EQ(result.error().status, SnmpStatus::inconsistentValue);
  }
}

TEST(NftCommandText, HasRangesOnlyWhereTheSetHasThem) {
  for (std::string text : {"10.0.0.0/24", "10.0.0.5-10.0.0.6"}) {
    auto result = nftCommandText(text, {"ipv4_addr"}, false);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().text.find("interval"), std::string::npos);
  }
}

TEST(NftTypesText, IsWords) {
  EXPECT_EQ(toString(parseNftTypes("ipv4_addr . inet_service").value()), "ipv4_addr . inet_service");
  for (const char* bad : {"", "ipv4_addr .", "ipv4_addr; flags", "ipv4 addr", "ipv4_addr}", "IPV4"})
    EXPECT_FALSE(parseNftTypes(bad)) << bad;
}

struct ReadBack {
  const char* declaration;
  std::vector<const char*> matches;
};

TEST_F(NftLab, WhatIsWrittenReadsTheSame) {
  const std::vector<ReadBack> sets{
      {"type ipv4_addr;", {"10.0.0.5"}},
      {"type ipv6_addr;", {"fd00::5", "::ffff:1.2.3.4"}},
      {"type ipv4_addr . inet_service;", {"10.0.0.5 . 443"}},
      {"type inet_proto . ipv4_addr . ether_addr . mark;", {"6 . 10.0.0.5 . 02:00:5e:00:53:01 . 0x00000007"}},
      {"type ifname . ipv4_addr;", {"eth0 . 10.0.0.5", "counter . 10.0.0.5"}},
      {"type icmp_type . ct_state . dscp . ipv4_addr;", {"8 . 8 . 10 . 10.0.0.5"}},
      {"typeof ip saddr . vlan id . meta l4proto . ct zone;", {"10.0.0.5 . 7 . 17 . 5"}},
      {"type ipv4_addr; flags interval;", {"10.0.0.5", "10.0.1.0/24", "10.0.2.1-10.0.2.9", "10.0.3.4/31", "10.0.3.8-10.0.3.10"}},
      {"type ipv6_addr; flags interval;", {"fd00::5", "fd01::/64", "fd02::1-fd02::9"}},
      {"type ipv4_addr . inet_service; flags interval;", {"10.0.0.5 . 80-95", "10.0.1.0/24 . 443", "10.0.2.1-10.0.2.9 . 22"}},
  };
  for (const auto& each : sets) {
    load(std::string{"add set inet fw x { "} + each.declaration + " }");
    auto set = describeSet(nft_, "inet fw x");
    ASSERT_TRUE(set) << set.error().text;
    std::vector<std::string> wanted{each.matches.begin(), each.matches.end()}, found;
    for (const auto& match : wanted) {
      auto command = createElement(*set, {match, {}});
      ASSERT_TRUE(command) << command.error().text;
      auto fault = nft_.run(*command);
      ASSERT_FALSE(fault) << *command << ": " << fault->text;
    }
    const auto listing = listSet(nft_, "inet fw x").value();
    for (const auto& element : listing.elements) found.push_back(element.match);
    std::sort(found.begin(), found.end());
    std::sort(wanted.begin(), wanted.end());
    EXPECT_EQ(found, wanted);
    for (const auto& match : wanted) {
      auto fault = nft_.run(deleteElement(*set, match).value());
      ASSERT_FALSE(fault) << match << ": " << fault->text;
    }
    EXPECT_TRUE(listSet(nft_, "inet fw x").value().elements.empty());
    load("delete set inet fw x");
  }
}

TEST_F(NftLab, ValuesOfMapsReadTheSame) {
  const std::vector<std::pair<const char*, std::vector<const char*>>> maps{
      {"mark", {"0x00000005"}}, {"verdict", {"accept", "drop", "jump vm", "goto vm", "continue", "return"}},
      {"counter", {"hits"}},    {"ipv4_addr . inet_service", {"192.0.2.9 . 80"}},
      {"classid", {"1:2"}},     {"ifname", {"eth0"}},
  };
  for (const auto& [type, values] : maps)
    for (std::string value : values) {
      load(std::string{"add map inet fw x { type ipv4_addr : "} + type + "; }");
      auto set = describeSet(nft_, "inet fw x").value();
      auto fault = nft_.run(createElement(set, {"10.0.0.5", value}).value());
      ASSERT_FALSE(fault) << value << ": " << fault->text;
      auto elements = listSet(nft_, "inet fw x").value().elements;
      ASSERT_EQ(elements.size(), 1u);
      EXPECT_EQ(elements[0].data, value);
      fault = nft_.run(deleteElement(set, "10.0.0.5").value());
      ASSERT_FALSE(fault) << value << ": " << fault->text;
      load("delete map inet fw x");
    }
}

TEST_F(NftLab, ASetIsDescribedWithoutItsElements) {
  load("add set inet fw x { type ipv4_addr . inet_service; size 5; flags timeout,interval; timeout 90s; counter; }");
  auto set = describeSet(nft_, "inet fw x").value();
  EXPECT_EQ(toString(set.keys), "ipv4_addr . inet_service");
  EXPECT_TRUE(set.hasRanges && set.hasTimeouts && set.hasCounters && !set.isMap() && set.hasAddresses());
  EXPECT_EQ(set.size, 5u);
  EXPECT_EQ(set.lifetime, 90u);
  auto plain = describeSet(nft_, "inet fw plain").value();
  EXPECT_FALSE(plain.hasRanges || plain.hasTimeouts || plain.hasCounters || plain.isMap());
  EXPECT_EQ(plain.lifetime, forEver);
}

TEST_F(NftLab, WhatIsKnownOfASetIsKeptForAMomentAndByItsPath) {
  using std::chrono::milliseconds;
  NftSets sets{nft_};
  auto now = Clock::now();
  ASSERT_TRUE(sets.describe("inet fw plain", now));
  EXPECT_EQ(sets.describe("inet fw later", now).error().status, SnmpStatus::noSuchName);
  load("delete set inet fw plain\nadd set inet fw later { type ipv6_addr; }");
  EXPECT_EQ(toString(sets.describe("inet fw plain", now + milliseconds{499})->keys), "ipv4_addr");
  EXPECT_FALSE(sets.describe("inet fw later", now + milliseconds{499}));
  EXPECT_TRUE(sets.describe("inet fw ranges", now + milliseconds{499})->hasRanges) << "another set is another one";
  EXPECT_FALSE(sets.describe("inet fw plain", now + milliseconds{500}));
  EXPECT_EQ(toString(sets.describe("inet fw later", now + milliseconds{500})->keys), "ipv6_addr");
  load("add set inet fw plain { type mark; }");
  {
    NftSets::Anew anew{sets};
    EXPECT_EQ(toString(sets.describe("inet fw plain", now + milliseconds{500})->keys), "mark");
    load("delete set inet fw plain");
  }
  EXPECT_FALSE(sets.describe("inet fw plain", now + milliseconds{500}));
}

TEST(NftListing, OfAnotherFormIsAnErrorAndNoCrash) {
  using nlohmann::json;
  for (const char* element :
       {R"({"prefix": {}})", R"({"prefix": {"addr": 1, "len": 2}})", R"({"prefix": 7})", R"({"range": ["10.0.0.1"]})",
        R"({"range": "x"})", R"({"elem": 5})", R"({"elem": {}})", R"({"elem": {"val": "10.0.0.1", "counter": 7}})",
        R"({"elem": {"val": "10.0.0.1", "comment": 7}})", R"([1])"}) {
    auto set = json::parse(R"({"set": {"family": "inet", "table": "fw", "name": "s", "type": "ipv4_addr"}})");
    set["set"]["elem"].push_back(json::parse(element));
    EXPECT_FALSE(setFrom(set)) << element;
  }
  EXPECT_FALSE(setFrom(json::parse(R"({"set": {"family": 1}})")));
  auto object = json::parse(R"({"word": "a", "number": 7, "list": ["a"]})");
  EXPECT_EQ(textIn(object, "word"), "a");
  EXPECT_EQ(numberIn(object, "number"), 7u);
  for (const char* key : {"list", "nothing"}) {
    EXPECT_EQ(textIn(object, key), "");
    EXPECT_EQ(numberIn(object, key), 0u);
    EXPECT_EQ(textIn(object["list"], key), "");
    EXPECT_EQ(numberIn(object["word"], key), 0u);
  }
}

}  // namespace
}  // namespace vmmig

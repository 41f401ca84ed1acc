// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigCounterTable against nftables in the kernel, with nft(8) as witness.

#include "subagent/linux_counter_table.h"

#include <algorithm>

#include "mibs/element_name.h"
#include "subagent/linux_acl_table.h"
#include "tests/unit/linux_table_lab.h"

namespace vmmig {
namespace {

constexpr const char* tuple4 = "ipv4_addr . inet_service . ipv4_addr . inet_service";

// What the operator has made for VM 5: rules that refer to its objects in every way.
constexpr const char* objectsOfVm5 = R"(
table inet fw {
  counter hits_vm5 { packets 5 bytes 500 }
  quota quota_vm5 { over 1000 bytes used 400 bytes }
  set half_vm5 {
    type ipv4_addr . inet_service . ipv4_addr . inet_service; size 5; flags dynamic,timeout; timeout 60s;
    elements = { 10.0.0.5 . 40000 . 192.0.2.9 . 80 timeout 60s expires 50s, 10.0.0.5 . 40001 . 192.0.2.9 . 80 timeout 60s expires 40s }
  }
}
)";
constexpr const char* referringRules = R"(
table inet fw {
  map counted { type ipv4_addr : counter; elements = { 10.0.0.5 comment "of vm 5" : "hits_vm5", 10.0.0.6 : "other" } }
  map quoted { type ipv4_addr : quota; elements = { 10.0.0.5 : "quota_vm5" } }
  chain vm5 { ip saddr 10.0.0.5 counter name "hits_vm5"; }
  chain forward {
    type filter hook forward priority 0;
    ip saddr 10.0.0.1 counter packets 4 bytes 5 comment "ahead"
    ip saddr 10.0.0.5 counter name "hits_vm5" comment "one # not a comment"
    ip saddr { 10.0.0.5, 10.0.0.7 } counter name "hits_vm5" quota name "quota_vm5" drop
    ip saddr 10.0.0.5 quota name "quota_vm5" drop
    ip saddr 10.0.0.1 counter packets 6 bytes 7 comment "behind"
    counter name ip saddr map @counted
    quota name ip saddr map @quoted drop
    tcp flags & (syn | ack) == syn add @half_vm5 { ip saddr . tcp sport . ip daddr . tcp dport }
  }
}
)";

std::vector<CounterSource> sources() {
  return {{"hits", CounterKind::counter, {"inet", "fw", "hits_{vm}"}},
          {"quota", CounterKind::quota, {"inet", "fw", "quota_{vm}"}},
          {"half", CounterKind::halfOpen, {"inet", "fw", "half_{vm}"}},
          {"talkers", CounterKind::element, {"inet", "fw", "talkers"}},
          {"gone", CounterKind::element, {"inet", "fw", "nowhere"}},
          {"ghost", CounterKind::counter, {"inet", "nowhere", "ghost_{vm}"}}};
}

class CounterTable : public LinuxTableLab {
 protected:
  CounterTable() {
    load(R"(table inet fw {
  counter other { packets 9 bytes 9 }
  set talkers { type ipv4_addr; counter; elements = { 10.0.0.5 counter packets 7 bytes 70, 10.0.0.6 counter packets 8 bytes 80 } }
})");
  }

  CounterRow row(std::string name, CounterKind kind, const Vm& vm) const {
    CounterRow row;
    row.uuid = vm.uuid;
    row.name.value = name;
    row.kind = kind;
    return row;
  }
  CounterRow counterRow(std::uint64_t packets, std::uint64_t octets) const {
    auto result = row("hits", CounterKind::counter, vm5);
    result.packets = packets;
    result.octets = octets;
    return result;
  }
  CounterRow quotaRow(std::uint64_t used, std::uint64_t threshold, const char* match = "over") const {
    auto result = row("quota", CounterKind::quota, vm5);
    result.octets = used;
    result.threshold = threshold;
    result.match.value = match;
    return result;
  }
  CounterRow halfRow(std::uint64_t threshold, std::uint32_t lifetime = 60) const {
    auto result = row("half", CounterKind::halfOpen, vm5);
    result.threshold = threshold;
    result.lifetime = lifetime;
    result.match.value = tuple4;
    return result;
  }
  CounterRow member(std::string name, CounterKind kind, std::string match) const {
    auto result = row(name, kind, vm5);
    result.match.value = match;
    result.member.value = entryName(match);
    return result;
  }
  CounterRow connection(int port, std::uint32_t timeout = 50, std::uint32_t lifetime = 60) const {
    auto result = member("half", CounterKind::halfOpen, "10.0.0.5 . " + std::to_string(port) + " . 192.0.2.9 . 80");
    result.timeout = timeout;
    result.lifetime = lifetime;
    return result;
  }

  std::optional<Refusal> exchange(const std::vector<AnyRow>& remove, const std::vector<AnyRow>& create) {
    LinuxExchangedTable* self = &table_;
    return vmmig::exchange(nft_, {&self, 1}, vm5, {remove, create});
  }
  std::optional<Refusal> rehearse(const std::vector<AnyRow>& remove, const std::vector<AnyRow>& create) {
    LinuxExchangedTable* self = &table_;
    return vmmig::rehearse(nft_, {&self, 1}, vm5, {remove, create});
  }

  AnyRow found(const AnyRow& key) {
    auto result = table_.find(vm5, key);
    if (!result || !*result) {
      ADD_FAILURE() << "no row " << key.as<CounterRow>().name.value << " " << key.as<CounterRow>().member.value;
      return CounterRow{};
    }
    return **result;
  }
  void expectReadsSame(const std::vector<AnyRow>& rows) {
    for (const auto& each : rows) {
      auto now = found(each);
      EXPECT_TRUE(now.equals(each, Carry::exact))
          << each.as<CounterRow>().name.value << " " << each.as<CounterRow>().member.value;
      EXPECT_LE(now.as<CounterRow>().timeout, each.as<CounterRow>().timeout);
    }
  }
  std::size_t countOf(const std::string& text, const std::string& word) const {
    std::size_t count = 0;
    for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++count;
    return count;
  }

  void expectRefused(const CounterRow& bad, SnmpStatus status, const std::string& reason) {
    auto before = rulesetWithoutClock();
    auto checked = table_.check(vm5, bad);
    ASSERT_FALSE(checked) << reason;
    EXPECT_EQ(checked.error().status, status) << checked.error().text;
    EXPECT_NE(checked.error().text.find(reason), std::string::npos) << checked.error().text;
    auto refusal = exchange({}, {member("talkers", CounterKind::element, "10.0.0.50"), bad});
    ASSERT_TRUE(refusal);
    EXPECT_EQ(rulesetWithoutClock(), before);
  }

  const Vm vm5 = makeVm(5), vm6 = makeVm(6);
  LinuxCounterTable table_{nft_, sources()};
};

TEST_F(CounterTable, ObjectsOfTheVmAreRows) {
  load(objectsOfVm5);
  auto rows = readAll(table_, vm5);
  ASSERT_EQ(rows.size(), 6u);
  const auto& hits = rows[0].as<CounterRow>();
  EXPECT_EQ(hits.name.value, "hits");
  EXPECT_EQ(hits.kind, CounterKind::counter);
  EXPECT_EQ(hits.packets, 5u);
  EXPECT_EQ(hits.octets, 500u);
  const auto& quota = rows[1].as<CounterRow>();
  EXPECT_EQ(quota.kind, CounterKind::quota);
  EXPECT_EQ(quota.octets, 400u);
  EXPECT_EQ(quota.threshold, 1000u);
  EXPECT_EQ(quota.match.value, "over");
  const auto& half = rows[2].as<CounterRow>();
  EXPECT_TRUE(half.isHead());
  EXPECT_EQ(half.threshold, 5u);
  EXPECT_EQ(half.members, 2u);
  EXPECT_EQ(half.lifetime, 60u);
  EXPECT_EQ(half.match.value, tuple4);
  std::vector<std::string> members{rows[3].as<CounterRow>().match.value, rows[4].as<CounterRow>().match.value};
  std::sort(members.begin(), members.end());
  EXPECT_EQ(members, (std::vector<std::string>{"10.0.0.5 . 40000 . 192.0.2.9 . 80", "10.0.0.5 . 40001 . 192.0.2.9 . 80"}));
  EXPECT_LE(rows[3].as<CounterRow>().timeout, 50u);
  EXPECT_EQ(rows[3].as<CounterRow>().lifetime, 60u);
  const auto& talker = rows[5].as<CounterRow>();
  EXPECT_EQ(talker.kind, CounterKind::element);
  EXPECT_EQ(talker.match.value, "10.0.0.5");
  EXPECT_EQ(talker.packets, 7u);
  EXPECT_EQ(talker.octets, 70u);
  for (const auto& each : rows) EXPECT_TRUE(table_.check(vm5, each)) << table_.check(vm5, each).error().text;
}

TEST_F(CounterTable, AVmWithoutObjectsHasNoRowsAndOneWithoutANameNeither) {
  load(objectsOfVm5);
  load("add counter inet fw hits_\nadd set inet fw half_ { type ipv4_addr; }");
  EXPECT_EQ(readAll(table_, vm6).size(), 1u) << "as a talker";
  auto nameless = vm5;
  nameless.name.clear();
  EXPECT_EQ(readAll(table_, nameless).size(), 1u) << "as a talker";
  auto checked = table_.check(nameless, counterRow(1, 1));
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().text.find("set vmMigVmName"), std::string::npos);
}

TEST_F(CounterTable, WhatIsMissingIsMadeAndReadsTheSame) {
  const std::vector<AnyRow> rows{counterRow(0x100000001, 0x200000002), quotaRow(999, 0x300000003), halfRow(5), connection(40000),
                                 connection(40001, 30, 45)};
  auto before = rulesetWithoutClock();
  ASSERT_FALSE(rehearse({}, rows));
  EXPECT_EQ(rulesetWithoutClock(), before);
  auto refusal = exchange({}, rows);
  ASSERT_FALSE(refusal) << refusal->error.text;
  expectReadsSame(rows);
  EXPECT_NE(listed("set inet fw half_vm5").find("flags dynamic,timeout"), std::string::npos) << "else no rule can add to it";
  refusal = exchange(readAll(table_, vm5), {});
  ASSERT_FALSE(refusal) << refusal->error.text;
  EXPECT_EQ(ruleset().find("vm5"), std::string::npos);
}

TEST_F(CounterTable, WhatExistsIsReplacedAlsoWhereRulesReferToIt) {
  load(objectsOfVm5);
  load(referringRules);
  const std::string before = rulesetWithoutClock();
  const std::vector<AnyRow> rows{counterRow(50, 5000), quotaRow(1000, 1000),
                                 halfRow(5),           connection(40001, 33, 60),
                                 connection(40002),    member("talkers", CounterKind::element, "10.0.0.5")};
  auto refusal = exchange(readAll(table_, vm5), rows);
  ASSERT_FALSE(refusal) << refusal->error.text;
  expectReadsSame(rows);
  // But for the values, the ruleset is as it was, its rules in their order.
  auto wanted = std::regex_replace(before, std::regex{"packets 5 bytes 500"}, "packets 50 bytes 5000");
  wanted = std::regex_replace(wanted, std::regex{"used 400 bytes"}, "used 1000 bytes");
  auto chains = [](const std::string& text) { return text.substr(text.find("chain vm5")); };
  auto now = rulesetWithoutClock();
  EXPECT_EQ(chains(now), chains(wanted));
  for (const auto* words : {"packets 50 bytes 5000", "over 1000 bytes used 1000 bytes",
                            "10.0.0.5 comment \"of vm 5\" : \"hits_vm5\"", "10.0.0.6 : \"other\"", "10.0.0.5 : \"quota_vm5\""})
    EXPECT_EQ(countOf(now, words), 1u) << words << "\n" << now;
}

TEST_F(CounterTable, WhatRulesNeedStaysAndBeginsAnewWhenTheVmLeaves) {
  load(objectsOfVm5);
  load(referringRules);
  const auto before = rulesetWithoutClock();
  auto refusal = exchange(readAll(table_, vm5), {});
  ASSERT_FALSE(refusal) << refusal->error.text;
  expectReadsSame({counterRow(0, 0), quotaRow(0, 1000), halfRow(5)});
  EXPECT_EQ(found(halfRow(5)).as<CounterRow>().members, 0u);
  EXPECT_EQ(listed("set inet fw talkers").find("10.0.0.5"), std::string::npos);
  auto chains = [](const std::string& text) { return text.substr(text.find("chain vm5")); };
  EXPECT_EQ(chains(rulesetWithoutClock()), chains(before));
}

/// As a policy of the VM does it, in the same transaction.
class ChainOfVm final : public LinuxExchangedTable {
 public:
  ChainOfVm(Nft& nft, bool again) : LinuxExchangedTable(nft), again_(again) {}
  const TableInfo& table() const override { return TableOf<AclRow>::info; }
  std::unique_ptr<RowCursor> read(const Vm&) override { return nullptr; }
  Result<std::optional<AnyRow>> find(const Vm&, const AnyRow&) override { return std::optional<AnyRow>{}; }
  Status check(const Vm&, const AnyRow&) override { return {}; }
  std::optional<Refusal> stage(NftTransaction& transaction, const Vm&, const ExchangePart&) override {
    using Step = NftTransaction::Step;
    transaction.add(Step::dropRules, "flush chain inet fw vm5");
    if (!again_) transaction.add(Step::dropChains, "delete chain inet fw vm5");
    if (again_) transaction.add(Step::addRules, "add rule inet fw vm5 counter name hits_vm5 accept");
    return std::nullopt;
  }

 private:
  bool again_;
};

TEST_F(CounterTable, WhatAPolicyOfTheSameExchangeDropsIsLeftToIt) {
  for (bool again : {true, false}) {
    load("flush ruleset");
    load(objectsOfVm5);
    load(R"(table inet fw {
  chain vm5 { ip saddr 10.0.0.5 counter name "hits_vm5"; ip daddr 10.0.0.5 counter name "hits_vm5"; }
  chain forward { type filter hook forward priority 0; ip saddr 10.0.0.5 counter name "hits_vm5" comment "static"; }
})");
    for (bool isFirst : {true, false}) {
      ChainOfVm policy{nft_, again};
      std::vector<LinuxExchangedTable*> tables{&table_, &policy};
      if (isFirst) std::swap(tables[0], tables[1]);
      std::vector<AnyRow> remove{found(counterRow(0, 0)), AclRow{}}, create{counterRow(70, 700)};
      if (!again && !isFirst) load("add chain inet fw vm5");
      auto refusal = vmmig::exchange(nft_, tables, vm5, {remove, create});
      ASSERT_FALSE(refusal) << refusal->error.text;
      expectReadsSame({counterRow(70, 700)});
      EXPECT_EQ(countOf(ruleset(), "counter name \"hits_vm5\""), again ? 2u : 1u) << ruleset();
    }
  }
}

TEST_F(CounterTable, ARowIsReplacedByItselfAlone) {
  load(objectsOfVm5);
  load(referringRules);
  for (const auto& each :
       std::vector<AnyRow>{counterRow(1, 2), quotaRow(3, 4, "until"), halfRow(7, 90), connection(40000, 10, 20)}) {
    auto status = table_.replace(vm5, each);
    ASSERT_TRUE(status) << status.error().text;
    expectReadsSame({each});
  }
  EXPECT_EQ(found(halfRow(7, 90)).as<CounterRow>().members, 2u) << "another threshold keeps the members";
}

TEST_F(CounterTable, SingleRowsAreMadeAndTakenAway) {
  const std::vector<AnyRow> rows{counterRow(1, 2), quotaRow(3, 4), halfRow(5), connection(40000),
                                 member("talkers", CounterKind::element, "10.0.0.5")};
  for (const auto& each : rows) {
    if (each.as<CounterRow>().name.value == "talkers") ASSERT_FALSE(table_.remove(vm5, {&each, 1}).error);
    auto created = table_.create(vm5, {&each, 1});
    ASSERT_FALSE(created.error) << created.error->text;
    EXPECT_EQ(table_.create(vm5, {&each, 1}).error->status, SnmpStatus::inconsistentName) << "it exists already";
  }
  expectReadsSame(rows);
  auto removed = table_.remove(vm5, rows);
  ASSERT_FALSE(removed.error) << removed.error->text;
  EXPECT_TRUE(readAll(table_, vm5).empty());
  EXPECT_FALSE(table_.remove(vm5, rows).error) << "gone already";
}

TEST_F(CounterTable, AMemberNeedsItsCounter) {
  AnyRow any{connection(40000)};
  EXPECT_TRUE(table_.check(vm5, any)) << "the counter may come with it";
  auto result = table_.create(vm5, {&any, 1});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->status, SnmpStatus::inconsistentName);
  EXPECT_NE(result.error->text.find("make the counter itself first"), std::string::npos);
}

TEST_F(CounterTable, AHeadThatLeavesThingsOutIsMadeAsUsual) {
  auto half = halfRow(5, forEver);
  half.match.value.clear();
  ASSERT_FALSE(exchange({}, {half, quotaRow(0, 5, "")}));
  EXPECT_EQ(found(half).as<CounterRow>().match.value, tuple4);
  EXPECT_EQ(found(quotaRow(0, 5)).as<CounterRow>().match.value, "over");
}

TEST_F(CounterTable, AnIpv6CounterSaysItsTypes) {
  auto half = halfRow(5);
  half.match.value = "ipv6_addr . inet_service . ipv6_addr . inet_service";
  auto one = member("half", CounterKind::halfOpen, "fd00::5 . 40000 . 2001:db8::9 . 80");
  one.timeout = one.lifetime = 60;
  auto refusal = exchange({}, {half, one});
  ASSERT_FALSE(refusal) << refusal->error.text;
  expectReadsSame({half, one});
}

TEST_F(CounterTable, MoreMembersThanTheThresholdAreRefused) {
  std::vector<AnyRow> rows{halfRow(2), connection(1), connection(2), connection(3)};
  auto before = ruleset();
  for (auto refusal : {rehearse({}, rows), exchange({}, rows)}) {
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->error.status, SnmpStatus::resourceUnavailable);
    EXPECT_TRUE(refusal->created && *refusal->created >= 1) << "one of the members";
    EXPECT_EQ(ruleset(), before);
  }
}

TEST_F(CounterTable, WhatCannotBeIsRefusedWithTheReason) {
  load(objectsOfVm5);
  expectRefused(row("unknown", CounterKind::counter, vm5), SnmpStatus::inconsistentName, "no counter of that name");
  expectRefused(row("hits", CounterKind::quota, vm5), SnmpStatus::inconsistentValue,
                "vmMigCounterKind is counter on this device");
  expectRefused(quotaRow(0, 0), SnmpStatus::inconsistentValue, "needs a vmMigCounterThreshold");
  expectRefused(quotaRow(5, 4), SnmpStatus::inconsistentValue, "more than vmMigCounterThreshold");
  expectRefused(quotaRow(1, 4, "over 9 bytes }; flush ruleset"), SnmpStatus::inconsistentValue, "over or until");
  auto bad = quotaRow(1, 4);
  bad.packets = 1;
  expectRefused(bad, SnmpStatus::inconsistentValue, "counts no packets");
  bad = halfRow(0x100000000);
  expectRefused(bad, SnmpStatus::inconsistentValue, "32 bits");
  bad = halfRow(5);
  bad.match.value = "ipv4_addr; flags timeout; }; flush ruleset; add set inet fw x { type ipv4_addr";
  expectRefused(bad, SnmpStatus::inconsistentValue, "no types of nftables");
  expectRefused(member("half", CounterKind::halfOpen, "10.0.0.5"), SnmpStatus::inconsistentValue, "components");
  expectRefused(member("half", CounterKind::halfOpen, "10.0.0.5 . 1 . 192.0.2.9 . 80"), SnmpStatus::inconsistentValue,
                "gives every element a timeout");
  expectRefused(member("half", CounterKind::halfOpen, "10.0.0.6 . 1 . 192.0.2.9 . 80"), SnmpStatus::inconsistentName,
                "no address of the VM");
  expectRefused(member("gone", CounterKind::element, "10.0.0.5"), SnmpStatus::inconsistentValue, "does not exist here");
  expectRefused(row("talkers", CounterKind::element, vm5), SnmpStatus::inconsistentName, "must say which of its elements");
  expectRefused(member("talkers", CounterKind::element, "10.0.0.5/31"), SnmpStatus::inconsistentName, "no address of the VM");
  auto before = rulesetWithoutClock();
  for (auto refusal :
       {rehearse({}, {row("ghost", CounterKind::counter, vm5)}), exchange({}, {row("ghost", CounterKind::counter, vm5)})}) {
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->error.text.rfind("counter ghost: nftables refuses it: No such file or directory", 0), 0u)
        << refusal->error.text;
    EXPECT_EQ(rulesetWithoutClock(), before);
  }
}

TEST_F(CounterTable, AFailureAtAnyPlaceLeavesTheRulesetByteForByte) {
  load("flush ruleset");
  // Nothing that a clock changes by itself.
  load(R"(table inet fw {
  counter hits_vm5 { packets 5 bytes 500 }
  quota quota_vm5 { over 1000 bytes used 400 bytes }
  set half_vm5 { type ipv4_addr . inet_service . ipv4_addr . inet_service; size 5; flags dynamic,timeout; elements = { 10.0.0.5 . 40000 . 192.0.2.9 . 80 } }
  set talkers { type ipv4_addr; size 2; counter; elements = { 10.0.0.5 counter packets 7 bytes 70, 10.0.0.6 counter packets 8 bytes 80 } }
  set authenticated { type ipv4_addr . inet_service; counter; elements = { 10.0.0.5 . 443 counter packets 1 bytes 1 comment "alice" } }
  map jumps { type ipv4_addr : verdict; elements = { 10.0.0.5 : accept } }
  chain vm5 { ip saddr 10.0.0.5 counter name "hits_vm5"; quota name "quota_vm5" drop; }
})");
  LinuxAclTable acls{nft_,
                     {{"authenticated", {"inet", "fw", "authenticated"}, AclAction::permit},
                      {"jumps", {"inet", "fw", "jumps"}, AclAction::other}}};
  std::vector<LinuxExchangedTable*> tables{&acls, &table_};
  auto remove = readAll(acls, vm5);
  for (const auto& each : readAll(table_, vm5)) remove.push_back(each);
  auto good = remove;
  for (auto& each : good)
    if (&each.table() == &TableOf<CounterRow>::info && each.as<CounterRow>().kind == CounterKind::counter)
      each.as<CounterRow>().packets = 99;

  auto acl = [&](std::string name, std::string match, std::string data, AclAction action) {
    AclRow row;
    row.uuid = vm5.uuid;
    row.list.value = name;
    row.entry.value = row.match.value = match;
    row.data.value = data;
    row.action = action;
    return AnyRow{row};
  };
  auto otherTypes = halfRow(5, forEver);
  otherTypes.match.value = "ipv6_addr . inet_service . ipv6_addr . inet_service";
  // What only the kernel refuses, and what is refused before it is asked.
  const std::vector<AnyRow> bads{acl("jumps", "10.0.0.5", "jump nowhere", AclAction::other),
                                 acl("authenticated", "10.0.0.5 . 70000", "", AclAction::permit),
                                 acl("authenticated", "10.0.0.5 . 443", "", AclAction::permit),
                                 quotaRow(1, 0xffffffffffffffff),
                                 otherTypes,
                                 member("talkers", CounterKind::element, "10.0.0.9")};
  const auto before = ruleset();
  for (const auto& bad : bads)
    for (std::size_t place = 0; place <= good.size(); ++place) {
      auto create = good;
      std::erase_if(create, [&](const AnyRow& row) {
        return &row.table() == &bad.table() && row.index() == bad.index() && !row.equals(bad, Carry::exact) &&
               &bad.table() == &TableOf<CounterRow>::info;
      });
      if (place > create.size()) continue;
      create.insert(create.begin() + static_cast<std::ptrdiff_t>(place), bad);
      for (auto* what : {vmmig::rehearse, vmmig::exchange}) {
        auto refusal = what(nft_, tables, vm5, {remove, create});
        ASSERT_TRUE(refusal) << toString(bad.index()) << " at " << place;
        ASSERT_EQ(ruleset(), before) << toString(bad.index()) << " at " << place << ": " << refusal->error.text;
      }
    }
  auto refusal = vmmig::rehearse(nft_, tables, vm5, {remove, good});
  ASSERT_FALSE(refusal) << refusal->error.text;
  EXPECT_EQ(ruleset(), before);
  refusal = vmmig::exchange(nft_, tables, vm5, {remove, good});
  ASSERT_FALSE(refusal) << refusal->error.text;
  EXPECT_NE(listed("counter inet fw hits_vm5").find("packets 99 bytes 500"), std::string::npos);
}

TEST_F(CounterTable, ChecksTellWhatIsMissingAndTheCommandThatMendsIt) {
  std::map<std::string, CheckRow> checks;
  for (const auto& each : table_.checks()) checks[each.name.value] = each;
  ASSERT_EQ(checks.size(), sources().size());
  for (const auto* name : {"counter hits", "counter quota", "counter half", "counter talkers"})
    EXPECT_EQ(checks[name].health, Health::up) << name << ": " << checks[name].text.value;
  EXPECT_EQ(checks["counter gone"].health, Health::degraded);
  EXPECT_NE(checks["counter gone"].remedy.value.find("nft add set inet fw nowhere"), std::string::npos);
  EXPECT_EQ(checks["counter ghost"].health, Health::degraded);
  EXPECT_NE(checks["counter ghost"].remedy.value.find("nft add table inet nowhere"), std::string::npos);
}

TEST_F(CounterTable, AnExchangeForgetsWhatWasKnownOfSets) {
  AnyRow talker{member("talkers", CounterKind::element, "10.0.0.5")};
  ASSERT_TRUE(table_.check(vm5, talker));
  load("delete set inet fw talkers");
  auto refusal = exchange({}, {talker});
  ASSERT_TRUE(refusal) << "an exchange asks anew";
  EXPECT_EQ(refusal->created, 0u);
  EXPECT_NE(refusal->error.text.find("the set inet fw talkers does not exist here"), std::string::npos) << refusal->error.text;
  load("add set inet fw talkers { type ipv4_addr; counter; }");
  EXPECT_TRUE(table_.check(vm5, talker)) << "and so does who comes after it";
}

}  // namespace
}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// vmMigAclTable against nftables in the kernel, with nft(8) as witness.

#include "subagent/linux_acl_table.h"

#include <algorithm>

#include "mibs/element_name.h"
#include "tests/unit/linux_table_lab.h"

namespace vmmig {
namespace {

constexpr const char* ruleset = R"(
table inet fw {
  set authenticated { type ipv4_addr; flags timeout; counter; }
  set authenticated6 { type ipv6_addr; flags timeout; }
  set services { type ipv4_addr . inet_service; flags interval; elements = { 10.9.9.9 . 80-90 } }
  set pairs { type ipv4_addr . ipv4_addr; }
  set banned { type ipv4_addr; flags timeout; timeout 1h; }
  set small { type ipv4_addr; size 1; }
  map marks { type ipv4_addr : mark; flags timeout; counter; }
  map jumps { type ipv4_addr : verdict; }
  map counted { type ipv4_addr : counter; }
  counter hits { packets 1 bytes 2 }
  chain vm { }
  chain forward { type filter hook forward priority 0; ip saddr vmap @jumps; ip saddr @authenticated accept; }
}
)";

AclList list(std::string name, AclAction action = AclAction::permit) { return {name, {"inet", "fw", name}, action}; }

class AclTable : public LinuxTableLab {
 protected:
  AclTable() { load(::vmmig::ruleset); }

  static std::vector<AclList> lists() {
    return {list("authenticated"),
            list("authenticated6"),
            list("services"),
            list("pairs"),
            list("banned", AclAction::deny),
            list("small"),
            list("marks", AclAction::other),
            list("jumps", AclAction::other),
            list("counted", AclAction::other),
            {"elsewhere", {"inet", "fw", "nowhere"}, AclAction::permit},
            {"own", {"inet", "fw", "own_{vm}"}, AclAction::permit}};
  }

  AclRow row(std::string name, std::string match, std::string data = {}) const {
    AclRow row;
    row.uuid = vm5.uuid;
    row.list.value = name;
    row.entry.value = entryName(match);
    row.match.value = match;
    row.data.value = data;
    for (const auto& each : lists())
      if (each.name == name) row.action = each.action;
    return row;
  }

  AclRow authenticated() const {
    auto result = row("authenticated", "10.0.0.5");
    result.timeout = 1800;
    result.lifetime = 3600;
    result.identity.value = "alice; flush ruleset # {é}";
    result.packets = 0x100000007;
    result.octets = 0x200000008;
    return result;
  }

  std::optional<Refusal> exchange(const std::vector<AnyRow>& remove, const std::vector<AnyRow>& create) {
    LinuxExchangedTable* self = &table_;
    return vmmig::exchange(nft_, {&self, 1}, vm5, {remove, create});
  }

  std::vector<std::string> matches(const Vm& vm) {
    std::vector<std::string> result;
    for (const auto& each : readAll(table_, vm))
      result.push_back(each.as<AclRow>().list.value + ": " + each.as<AclRow>().match.value);
    std::sort(result.begin(), result.end());
    return result;
  }

  void expectRefused(const AclRow& bad, SnmpStatus status, const std::string& reason) {
    auto before = LinuxTableLab::ruleset();
    auto checked = table_.check(vm5, bad);
    ASSERT_FALSE(checked) << bad.list.value << " " << bad.match.value;
    EXPECT_EQ(checked.error().status, status) << checked.error().text;
    EXPECT_NE(checked.error().text.find(reason), std::string::npos) << checked.error().text;
    AnyRow any{bad};
    auto created = table_.create(vm5, {&any, 1});
    EXPECT_TRUE(created.error && created.done == 0);
    auto refusal = exchange({}, {authenticated(), any});
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->created, 1u);
    EXPECT_EQ(LinuxTableLab::ruleset(), before);
  }

  const Vm vm5 = makeVm(5), vm6 = makeVm(6);
  LinuxAclTable table_{nft_, lists()};
};

TEST_F(AclTable, AnElementIsARow) {
  load("add element inet fw authenticated { 10.0.0.5 counter packets 7 bytes 700 timeout 1h expires 30m comment \"alice\" }");
  auto rows = readAll(table_, vm5);
  ASSERT_EQ(rows.size(), 1u);
  const auto& found = rows[0].as<AclRow>();
  EXPECT_EQ(found.uuid, vm5.uuid);
  EXPECT_EQ(found.list.value, "authenticated");
  EXPECT_EQ(found.entry.value, "10.0.0.5");
  EXPECT_EQ(found.match.value, "10.0.0.5");
  EXPECT_EQ(found.action, AclAction::permit);
  EXPECT_EQ(found.identity.value, "alice");
  EXPECT_EQ(found.lifetime, 3600u);
  EXPECT_GE(found.timeout, 1790u);
  EXPECT_LE(found.timeout, 1800u);
  EXPECT_EQ(found.packets, 7u);
  EXPECT_EQ(found.octets, 700u);
}

TEST_F(AclTable, AVmHasTheElementsThatAreItsAlone) {
  load(R"(
add element inet fw authenticated { 10.0.0.5, 10.0.0.6 }
add element inet fw authenticated6 { fd00::5, fd00::6 }
add element inet fw services { 10.0.0.5 . 443, 10.0.0.0/24 . 22, 10.0.0.4-10.0.0.5 . 25 }
add element inet fw pairs { 192.0.2.9 . 10.0.0.5, 10.0.0.5 . 10.0.0.6, 192.0.2.9 . 192.0.2.10 }
add element inet fw marks { 10.0.0.5 : 0x7 }
add element inet fw jumps { 10.0.0.5 : jump vm }
)");
  EXPECT_EQ(matches(vm5),
            (std::vector<std::string>{"authenticated6: fd00::5", "authenticated: 10.0.0.5", "jumps: 10.0.0.5", "marks: 10.0.0.5",
                                      "pairs: 10.0.0.5 . 10.0.0.6", "pairs: 192.0.2.9 . 10.0.0.5", "services: 10.0.0.5 . 443"}));
  EXPECT_EQ(matches(vm6),
            (std::vector<std::string>{"authenticated6: fd00::6", "authenticated: 10.0.0.6", "pairs: 10.0.0.5 . 10.0.0.6"}));
  auto both = vm5;
  both.addresses.push_back(address("10.0.0.4"));
  EXPECT_EQ(std::ranges::count(matches(both), "services: 10.0.0.4/31 . 25"), 1) << "all of its addresses are the VM's now";
}

TEST_F(AclTable, AnElementBetweenTwoVmsNamesTheOther) {
  load("add element inet fw pairs { 10.0.0.5 . 10.0.0.6, 10.0.0.5 . 10.0.0.5 }");
  for (const auto& each : readAll(table_, vm5))
    EXPECT_EQ(toString(table_.peerOf(each)), each.as<AclRow>().match.value == "10.0.0.5 . 10.0.0.6" ? "10.0.0.6" : "-");
  for (const auto& each : readAll(table_, vm6)) EXPECT_EQ(toString(table_.peerOf(each)), "10.0.0.5");
}

TEST_F(AclTable, ARowIsAnElementAndReadsTheSame) {
  const std::vector<AclRow> rows{authenticated(),
                                 row("authenticated6", "fd00::5"),
                                 row("services", "10.0.0.5 . 443"),
                                 row("services", "10.0.0.5 . 8000-8100"),
                                 row("pairs", "192.0.2.9 . 10.0.0.5"),
                                 row("marks", "10.0.0.5", "0x0000002a"),
                                 row("jumps", "10.0.0.5", "jump vm"),
                                 row("counted", "10.0.0.5", "hits")};
  for (const auto& each : rows) {
    AnyRow any{each};
    ASSERT_TRUE(table_.check(vm5, any)) << table_.check(vm5, any).error().text;
    auto result = table_.create(vm5, {&any, 1});
    ASSERT_FALSE(result.error) << result.error->text;
    auto found = table_.find(vm5, any);
    ASSERT_TRUE(found && *found) << each.match.value;
    EXPECT_TRUE((*found)->equals(any, Carry::exact)) << each.match.value;
    EXPECT_LE((*found)->as<AclRow>().timeout, each.timeout);
    EXPECT_GE((*found)->as<AclRow>().timeout, each.timeout == forEver ? forEver : each.timeout - 5);
    EXPECT_EQ(table_.create(vm5, {&any, 1}).error->status, SnmpStatus::inconsistentName) << "it exists already";
  }
  EXPECT_EQ(readAll(table_, vm5).size(), rows.size());
  auto text = listed("set inet fw authenticated");
  EXPECT_NE(text.find("10.0.0.5 counter packets 4294967303 bytes 8589934600 timeout 1h expires"), std::string::npos) << text;
  EXPECT_NE(text.find("comment \"alice; flush ruleset # {é}\""), std::string::npos) << text;
}

TEST_F(AclTable, ATimeoutAloneIsALifetime) {
  auto any = AnyRow{row("authenticated", "10.0.0.5")};
  any.as<AclRow>().timeout = 600;
  any.as<AclRow>().match.value.clear();
  ASSERT_FALSE(table_.create(vm5, {&any, 1}).error);
  auto found = table_.find(vm5, any).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->as<AclRow>().lifetime, 600u);
  EXPECT_EQ(found->as<AclRow>().match.value, "10.0.0.5");
}

TEST_F(AclTable, ALongMatchHasADigestForAName) {
  auto vm = vm5;
  load("add set inet fw own_vm5 { type ipv6_addr . inet_service . ipv6_addr . inet_service; }");
  vm.addresses = {address("2001:db8:1111:2222:3333:4444:5555:6666")};
  std::string match = "2001:db8:1111:2222:3333:4444:5555:6666 . 40000 . 2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff . 443";
  AnyRow any{row("own", match)};
  ASSERT_EQ(any.as<AclRow>().entry.value[0], '#');
  auto result = table_.create(vm, {&any, 1});
  ASSERT_FALSE(result.error) << result.error->text;
  EXPECT_NE(listed("set inet fw own_vm5").find(match), std::string::npos);
  auto found = table_.find(vm, any).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->as<AclRow>().match.value, match);
  ASSERT_FALSE(table_.remove(vm, {&any, 1}).error);
  EXPECT_EQ(listed("set inet fw own_vm5").find("40000"), std::string::npos);
}

TEST_F(AclTable, ARowIsReplacedInOneStep) {
  AnyRow any{authenticated()};
  EXPECT_EQ(table_.replace(vm5, any).error().status, SnmpStatus::inconsistentName) << "it does not exist yet";
  ASSERT_FALSE(table_.create(vm5, {&any, 1}).error);
  any.as<AclRow>().timeout = 3000;
  any.as<AclRow>().identity.value = "bob";
  auto status = table_.replace(vm5, any);
  ASSERT_TRUE(status) << status.error().text;
  auto found = table_.find(vm5, any).value();
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->equals(any, Carry::exact));
  EXPECT_GT(found->as<AclRow>().timeout, 2900u);

  auto before = rulesetWithoutClock();
  any.as<AclRow>().identity.value = "say \"hi\"";
  EXPECT_FALSE(table_.replace(vm5, any));
  EXPECT_EQ(rulesetWithoutClock(), before) << "what cannot be leaves what was";
}

TEST_F(AclTable, ARowThatIsGoneIsNoErrorToRemove) {
  AnyRow any{authenticated()};
  EXPECT_FALSE(table_.remove(vm5, {&any, 1}).error);
  ASSERT_FALSE(table_.create(vm5, {&any, 1}).error);
  EXPECT_FALSE(table_.remove(vm5, {&any, 1}).error);
  EXPECT_TRUE(readAll(table_, vm5).empty());
  auto refusal = exchange({any}, {});
  EXPECT_FALSE(refusal) << "it may end between the reading and the exchange";
}

TEST_F(AclTable, WhatASetCannotHoldIsRefusedWithTheReason) {
  expectRefused(row("unknown", "10.0.0.5"), SnmpStatus::inconsistentName, "no list of that name");
  expectRefused(row("elsewhere", "10.0.0.5"), SnmpStatus::inconsistentValue, "does not exist here");
  expectRefused(row("authenticated", "10.0.0.6"), SnmpStatus::inconsistentName, "no address of the VM");
  expectRefused(row("authenticated", "fd00::5"), SnmpStatus::inconsistentValue, "is no ipv4_addr");
  expectRefused(row("authenticated", "10.0.0.5 . 443"), SnmpStatus::inconsistentValue, "components");
  expectRefused(row("authenticated", "10.0.0.5-10.0.0.5"), SnmpStatus::inconsistentValue, "interval");
  expectRefused(row("services", "10.0.0.5 . https"), SnmpStatus::inconsistentValue, "decimal number");
  expectRefused(row("authenticated", "10.0.0.5", "accept"), SnmpStatus::inconsistentValue, "is a set and not a map");
  expectRefused(row("marks", "10.0.0.5", "5"), SnmpStatus::inconsistentValue, "0x0000002a");
  expectRefused(row("jumps", "10.0.0.5", "jump vm; flush ruleset"), SnmpStatus::inconsistentValue, "is no verdict");
  expectRefused(row("counted", "10.0.0.5", "hits\" }; flush ruleset #"), SnmpStatus::inconsistentValue, "is no counter");

  auto bad = row("pairs", "192.0.2.9 . 10.0.0.5");
  bad.timeout = 60;
  expectRefused(bad, SnmpStatus::inconsistentValue, "flag `timeout`");
  bad = row("pairs", "192.0.2.9 . 10.0.0.5");
  bad.packets = 1;
  expectRefused(bad, SnmpStatus::inconsistentValue, "counts nothing");
  bad = row("banned", "10.0.0.5");
  expectRefused(bad, SnmpStatus::inconsistentValue, "gives every element a timeout of 3600 s");
  bad = row("authenticated", "10.0.0.5");
  bad.action = AclAction::deny;
  expectRefused(bad, SnmpStatus::inconsistentValue, "is permit on this device, and not deny");
  bad = row("authenticated", "10.0.0.5");
  bad.identity.value = "a\" }; flush ruleset; add element inet fw authenticated { 10.0.0.9 comment \"";
  expectRefused(bad, SnmpStatus::wrongValue, "without quotes");
  bad.identity.value = "a\nflush ruleset";
  expectRefused(bad, SnmpStatus::wrongValue, "control characters");
  bad = row("authenticated", "10.0.0.5");
  bad.entry.value = "10.0.0.6";
  expectRefused(bad, SnmpStatus::inconsistentName, "belongs to the name");
}

TEST_F(AclTable, WhatTheKernelAloneKnowsIsRefusedByTheRehearsalAlready) {
  load("add element inet fw small { 10.0.0.9 }\nadd element inet fw services { 10.0.0.5 . 79-85 }");
  LinuxExchangedTable* self = &table_;
  auto before = LinuxTableLab::ruleset();
  for (const auto& [bad, reason] :
       std::vector<std::pair<AclRow, std::string>>{{row("small", "10.0.0.5"), "the set is full"},
                                                   {row("services", "10.0.0.5 . 80-90"), "it exists already"},
                                                   {row("jumps", "10.0.0.5", "jump nowhere"), "nftables refuses it"},
                                                   {row("counted", "10.0.0.5", "nowhere"), "nftables refuses it"}}) {
    std::vector<AnyRow> rows{authenticated(), bad};
    for (auto* what : {vmmig::rehearse, vmmig::exchange}) {
      auto refusal = what(nft_, {&self, 1}, vm5, {{}, rows});
      ASSERT_TRUE(refusal) << reason;
      EXPECT_EQ(refusal->created, 1u) << refusal->error.text;
      EXPECT_NE(refusal->error.text.find(reason), std::string::npos) << refusal->error.text;
      EXPECT_EQ(LinuxTableLab::ruleset(), before);
    }
  }
}

TEST_F(AclTable, AnExchangeReplacesAllOrNothing) {
  std::vector<AnyRow> old{authenticated(), row("services", "10.0.0.5 . 443"), row("jumps", "10.0.0.5", "jump vm")};
  ASSERT_FALSE(exchange({}, old));
  auto before = rulesetWithoutClock();
  std::vector<AnyRow> fresh{row("authenticated", "10.0.0.5"), row("services", "10.0.0.5 . 8443"),
                            row("jumps", "10.0.0.5", "accept")};
  for (std::size_t bad = 0; bad <= fresh.size(); ++bad) {
    auto rows = fresh;
    rows.insert(rows.begin() + static_cast<std::ptrdiff_t>(bad), row("jumps", "10.0.0.5", "jump nowhere"));
    auto refusal = exchange(old, rows);
    ASSERT_TRUE(refusal) << bad;
    EXPECT_EQ(rulesetWithoutClock(), before) << bad;
  }
  auto refusal = exchange(old, fresh);
  ASSERT_FALSE(refusal) << refusal->error.text;
  EXPECT_EQ(matches(vm5), (std::vector<std::string>{"authenticated: 10.0.0.5", "jumps: 10.0.0.5", "services: 10.0.0.5 . 8443"}));
  EXPECT_EQ(listed("map inet fw jumps").find("jump"), listed("map inet fw jumps").find("jumps")) << "it accepts now";
}

TEST_F(AclTable, ChecksTellWhatIsMissingAndTheCommandThatMendsIt) {
  load("add set inet fw ports { type inet_service; }");
  auto all = lists();
  all.push_back(list("ports"));
  all.push_back({"pairs2", {"inet", "fw", "pairs"}, AclAction::other});
  LinuxAclTable table{nft_, all};
  std::map<std::string, CheckRow> checks;
  for (const auto& each : table.checks()) checks[each.name.value] = each;
  EXPECT_EQ(checks.size(), all.size());
  EXPECT_EQ(checks["acl authenticated"].health, Health::up);
  EXPECT_EQ(checks["acl marks"].health, Health::up);
  EXPECT_EQ(checks["acl own"].health, Health::up);
  EXPECT_EQ(checks["acl elsewhere"].health, Health::degraded);
  EXPECT_NE(checks["acl elsewhere"].text.value.find("inet fw nowhere does not exist"), std::string::npos);
  EXPECT_NE(checks["acl elsewhere"].remedy.value.find("nft add set inet fw nowhere"), std::string::npos);
  EXPECT_EQ(checks["acl ports"].health, Health::degraded);
  EXPECT_EQ(checks["acl pairs2"].health, Health::degraded);
}

TEST_F(AclTable, AVmWithoutANameHasNoSetOfItsOwn) {
  load(
      "add set inet fw own_ { type ipv4_addr; }\nadd element inet fw own_ { 10.0.0.5 }\n"
      "add set inet fw own_vm5 { type ipv4_addr; }\nadd element inet fw own_vm5 { 10.0.0.5 }");
  auto nameless = vm5;
  nameless.name.clear();
  EXPECT_EQ(matches(vm5), std::vector<std::string>{"own: 10.0.0.5"});
  EXPECT_TRUE(matches(nameless).empty());
  EXPECT_FALSE(table_.find(nameless, row("own", "10.0.0.5")).value());
  EXPECT_TRUE(table_.check(vm5, row("own", "10.0.0.5")));
  auto checked = table_.check(nameless, row("own", "10.0.0.5"));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().status, SnmpStatus::inconsistentValue);
  EXPECT_NE(checked.error().text.find("set vmMigVmName"), std::string::npos) << checked.error().text;
}

TEST_F(AclTable, ASetThatCannotBeReadIsNoSetThatIsGone) {
  LinuxAclTable table{nft_, {{"odd", {"nofamily", "fw", "odd"}, AclAction::permit}, list("elsewhere")}};
  LinuxExchangedTable* self = &table;
  std::vector<AnyRow> odd{row("odd", "10.0.0.5")}, gone{row("elsewhere", "10.0.0.5")};
  auto refusal = vmmig::exchange(nft_, {&self, 1}, vm5, {odd, {}});
  ASSERT_TRUE(refusal);
  EXPECT_FALSE(refusal->created);
  EXPECT_EQ(refusal->error.status, SnmpStatus::genErr);
  EXPECT_NE(refusal->error.text.find("ACL list odd, entry 10.0.0.5"), std::string::npos) << refusal->error.text;
  EXPECT_FALSE(vmmig::exchange(nft_, {&self, 1}, vm5, {gone, {}}));
}

TEST_F(AclTable, AnExchangeForgetsWhatWasKnownOfSets) {
  AnyRow any{row("authenticated6", "fd00::5")};
  ASSERT_TRUE(table_.check(vm5, any));
  load("delete set inet fw authenticated6");
  auto refusal = exchange({}, {any});
  ASSERT_TRUE(refusal) << "an exchange asks anew";
  EXPECT_NE(refusal->error.text.find("does not exist here"), std::string::npos) << refusal->error.text;
  load("add set inet fw authenticated6 { type ipv6_addr; }");
  EXPECT_TRUE(table_.check(vm5, any)) << "and so does who comes after it";
}

}  // namespace
}  // namespace vmmig

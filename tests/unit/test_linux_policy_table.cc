// SPDX-License-Identifier: GPL-2.0-or-later
// A VM's static policies in the real kernel: chains with their verdict maps, and tc at a port.
#include "subagent/linux_policy_table.h"

#include <csignal>

#include "subagent/linux_child.h"
#include "subagent/linux_tc_text.h"
#include "tests/unit/linux_table_lab.h"

namespace vmmig {
namespace {

constexpr const char* firewall = R"(
table inet filter {
  map vms4 { type ipv4_addr : verdict; }
  map vms6 { type ipv6_addr : verdict; }
  set trusted { type ipv4_addr; elements = { 192.0.2.1 }; }
  chain forward { type filter hook forward priority 0; policy drop; ip saddr vmap @vms4; ip6 saddr vmap @vms6; }
})";
constexpr const char* draft =
    "ip saddr 10.138.3.1 counter packets 3 bytes 252 accept comment \"ACL 101; permit\"\n"
    "ip saddr 10.138.3.0/24 drop\n";
// As nft and tc show it on this kernel, which has neither fq_codel nor flower.
constexpr const char* shaping =
    "qdisc root handle 1: htb r2q 10 default 0x20 direct_qlen 1000\n"
    "class parent 1: classid 1:1 htb rate 100Mbit burst 1600 ceil 1Gbit cburst 1500\n"
    "class parent 1:1 classid 1:10 htb prio 3 quantum 200000 rate 33333Kbit burst 15359 ceil 100Mbit cburst 1600\n"
    "qdisc parent 1:10 handle 10: tbf rate 5Mbit burst 10240 limit 30000b\n"
    "class parent 1:1 classid 1:20 htb prio 0 quantum 87500 rate 7Mbit burst 1600 ceil 7Mbit cburst 1600\n"
    "qdisc parent 1:20 handle 20: pfifo limit 50\n"
    "qdisc clsact\n"
    "filter parent 1: protocol ip pref 2 u32 match u32 0x0a000005 0xffffffff at 16 match u32 0x000001bb 0x0000ffff at 20 "
    "flowid 1:10\n"
    "filter parent 1: protocol ipv6 pref 3 u32 match u32 0x00000005 0xffffffff at 36 flowid 1:20\n"
    "filter ingress protocol ip pref 1 u32 match u32 0x0a000005 0xffffffff at 12 flowid 1:1\n";

class LinuxPolicyTableTest : public LinuxTableLab {
 protected:
  void SetUp() override {
    load(firewall);
    namespace_.run("ip link add port5 type veth peer name peer5 && ip link set port5 up && ip link set peer5 up");
    vm_.port = "port5";
  }

  static std::vector<PolicySource> sources() {
    return {{"filter", PolicyKind::acl, {"inet", "filter", "vm_{vm}"}, {"vms4", "vms6"}}, {"shaping", PolicyKind::qos}};
  }
  std::vector<AnyRow> rowsFor(const std::string& name, PolicyKind kind, const std::string& text) const {
    std::vector<AnyRow> rows;
    auto pieces = policyPieces(text);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      PolicyRow row;
      row.uuid = vm_.uuid;
      row.name.value = name;
      row.kind = kind;
      row.piece.value = static_cast<std::uint32_t>(i + 1);
      row.pieces.value = static_cast<std::uint32_t>(pieces.size());
      row.text.value = pieces[i];
      rows.emplace_back(row);
    }
    return rows;
  }
  std::vector<AnyRow> acl(const std::string& text) const { return rowsFor("filter", PolicyKind::acl, text); }
  std::vector<AnyRow> qos(const std::string& text) const { return rowsFor("shaping", PolicyKind::qos, text); }

  std::optional<Refusal> exchange(const std::vector<AnyRow>& remove, const std::vector<AnyRow>& create) {
    LinuxExchangedTable* table = &table_;
    return vmmig::exchange(nft_, {&table, 1}, vm_, {remove, create});
  }
  std::optional<Refusal> rehearse(const std::vector<AnyRow>& remove, const std::vector<AnyRow>& create) {
    LinuxExchangedTable* table = &table_;
    return vmmig::rehearse(nft_, {&table, 1}, vm_, {remove, create});
  }
  static std::string reason(const std::optional<Refusal>& refusal) { return refusal ? refusal->error.text : ""; }

  std::string textOf(const std::string& name) {
    std::string text;
    for (const auto& row : readAll(table_, vm_))
      if (row.as<PolicyRow>().name.value == name) text += row.as<PolicyRow>().text.value;
    return text;
  }
  static std::string output(const std::string& command) {
    std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen((command + " 2>&1").c_str(), "r"), pclose};
    std::string result;
    std::array<char, 4096> buffer;
    while (auto size = fread(buffer.data(), 1, buffer.size(), pipe.get())) result.append(buffer.data(), size);
    return result;
  }
  static std::string tcState(const std::string& port = "port5") {
    std::string all;
    for (const char* what : {"qdisc show dev ", "class show dev ", "filter show dev "})
      all += output("tc -r -d " + (what + port));
    return all + output("tc filter show dev " + port + " ingress") + output("ip -o link | wc -l");
  }
  /// Everything that a policy could have changed.
  std::string everything() const { return ruleset() + tcState(); }

  Vm vm_ = makeVm(5);
  LinuxPolicyTable table_{nft_, sources()};
};

TEST_F(LinuxPolicyTableTest, aChainAndItsMapEntriesAreOnePolicy) {
  EXPECT_TRUE(readAll(table_, vm_).empty());
  auto before = ruleset();
  ASSERT_EQ(reason(exchange({}, acl(draft))), "");
  EXPECT_EQ(listed("chain inet filter vm_vm5"),
            "table inet filter {\n\tchain vm_vm5 {\n\t\tip saddr 10.138.3.1 counter packets 3 bytes "
            "252 accept comment \"ACL 101; permit\"\n\t\tip saddr 10.138.3.0/24 drop\n\t}\n}\n");
  EXPECT_NE(listed("map inet filter vms4").find("10.0.0.5 : jump vm_vm5"), std::string::npos);
  EXPECT_NE(listed("map inet filter vms6").find("fd00::5 : jump vm_vm5"), std::string::npos);
  auto rows = readAll(table_, vm_);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(textOf("filter"), draft);
  EXPECT_EQ(rows[0].as<PolicyRow>().order, 1u);
  ASSERT_EQ(reason(exchange(rows, {})), "");
  EXPECT_EQ(ruleset(), before);
}

TEST_F(LinuxPolicyTableTest, aLongPolicyComesInPiecesAndBack) {
  std::string text;
  for (int i = 1; i < 100; ++i) text += "ip saddr 10.138.3." + std::to_string(i) + " accept\n";
  ASSERT_EQ(reason(exchange({}, acl(text))), "");
  auto rows = readAll(table_, vm_);
  EXPECT_GT(rows.size(), 5u);
  EXPECT_EQ(textOf("filter"), text);
  for (const auto& row : rows) {
    EXPECT_LE(row.as<PolicyRow>().text.value.size(), 512u);
    EXPECT_EQ(row.as<PolicyRow>().text.value.back(), '\n');  // no rule, and so no name, is cut
    EXPECT_TRUE(table_.moves(row));
  }
  auto found = table_.find(vm_, rows[2]);
  ASSERT_TRUE(found && *found);
  EXPECT_TRUE((*found)->equals(rows[2], Carry::exact));
}

TEST_F(LinuxPolicyTableTest, aReplacementIsOneTransaction) {
  ASSERT_EQ(reason(exchange({}, acl(draft))), "");
  auto before = everything();
  auto rows = readAll(table_, vm_);
  EXPECT_NE(reason(exchange(rows, acl("ip saddr @unknown accept\n"))), "");
  EXPECT_EQ(everything(), before);
  ASSERT_TRUE(table_.replace(vm_, acl("ip saddr @trusted accept\n")[0]));
  EXPECT_EQ(textOf("filter"), "ip saddr @trusted accept\n");
}

TEST_F(LinuxPolicyTableTest, whatCannotBeIsRefusedWithItsNameAndLeavesEverythingAsItWas) {
  auto before = everything();
  struct Case {
    std::vector<AnyRow> rows;
    const char* words;
  };
  auto otherKind = rowsFor("filter", PolicyKind::qos, "x");
  for (const auto& [rows, words] :
       std::vector<Case>{{acl("ip saddr @unknown accept\n"), "@unknown"},
                         {acl("jump nowhere\n"), "jump nowhere"},
                         {acl("masquerade\n"), "not supported"},  // only the kernel knows that the map is used in a filter chain
                         {rowsFor("other", PolicyKind::acl, ""), "add a line policy = other"},
                         {otherKind, "vmMigPolicyKind"},
                         {qos("qdisc root handle 1: tbf rate 1Mbit\n"), "qdisc root handle 1: tbf rate 1Mbit"},
                         {qos("qdisc root handle 1: cake\n"), "qdisc cake cannot be carried"},
                         {qos("qdisc root handle 1: htb\nclass parent 2: classid 2:1 htb rate 1Mbit\n"), "class parent 2:"}}) {
    for (auto refusal : {rehearse({}, rows), exchange({}, rows)}) {
      EXPECT_NE(reason(refusal).find(words), std::string::npos) << words << ": " << reason(refusal);
      EXPECT_NE(reason(refusal).find(rows[0].as<PolicyRow>().name.value), std::string::npos) << reason(refusal);
      EXPECT_TRUE(refusal && refusal->created == 0u);
      EXPECT_EQ(everything(), before);
    }
  }
  // Control: the rehearsal does not refuse what can be, and changes nothing all the same.
  EXPECT_EQ(reason(rehearse({}, acl(draft))), "");
  EXPECT_EQ(reason(rehearse({}, qos(shaping))), "");
  EXPECT_EQ(everything(), before);
}

TEST_F(LinuxPolicyTableTest, nothingInATextLeavesItsChain) {
  auto before = everything();
  for (const char* text : {"accept; add table inet evil",
                           "accept\nadd table inet evil",
                           "accept }",
                           "ip saddr { 1.1.1.1",
                           "accept comment \"x",
                           "accept # hidden",
                           "accept \\",
                           "ip saddr $x accept",
                           "define x = 1",
                           "include \"/etc/passwd\"",
                           "handle 1 accept",
                           "index 0 accept",
                           "position 1 accept",
                           "jump { accept; }",
                           "goto { accept }",
                           "comment \"x\"; }; add table inet evil",
                           "accept\ncomment \"later\"",
                           "accept comment \"\x01\"",
                           "accept `x`",
                           "ip saddr { 1.1.1.1 } ; flush ruleset",
                           "} accept {",
                           "accept\r\nflush ruleset"}) {
    EXPECT_NE(reason(exchange({}, acl(text))), "") << text;
    EXPECT_EQ(everything(), before) << text;
  }
  EXPECT_NE(reason(exchange({}, acl(std::string("accept\0flush ruleset", 20)))), "");
  EXPECT_EQ(everything(), before);
}

TEST_F(LinuxPolicyTableTest, nothingInATextLeavesThePort) {
  namespace_.run("ip link add other type veth peer name other1");
  auto before = everything() + tcState("other");
  for (const char* text :
       {"qdisc root handle 1: pfifo limit 5 dev other", "qdisc root handle 1: pfifo\nqdisc add dev other root pfifo",
        "qdisc dev other root handle 1: pfifo", "qdisc root handle 1: pfifo limit $(id)",
        "qdisc root handle 1: pfifo limit \"5\"", "qdisc root handle 1: pfifo limit 5 \\", "actions flush action police",
        "exec bpf", "qdisc clsact ingress_block 7", "filter ingress protocol ip pref 1 bpf obj /tmp/x",
        "filter block 1 protocol ip pref 1 u32 match u32 0 0 at 0",
        "filter ingress protocol ip pref 1 u32 match u32 0 0 at 0 action mirred egress redirect dev other",
        "filter ingress protocol ip pref 1 u32 match ip src 1.2.3.4 indev other flowid 1:1", "qdisc root handle 1:", "class",
        "qdisc"}) {
    EXPECT_NE(reason(exchange({}, qos(text))), "") << text;
    EXPECT_EQ(everything() + tcState("other"), before) << text;
  }
}

TEST_F(LinuxPolicyTableTest, theQosOfAPortIsReadAsItWasWrittenAndGoesWithoutATrace) {
  auto before = tcState();
  EXPECT_EQ(textOf("shaping"), "");  // noqueue is the kernel's own choice
  ASSERT_EQ(reason(exchange({}, qos(shaping))), "");
  EXPECT_EQ(textOf("shaping"), shaping);
  auto shown = tcState();
  for (int trip = 0; trip < 3; ++trip) {  // the sizes of bursts do not change, trip after trip
    auto rows = readAll(table_, vm_);
    ASSERT_EQ(reason(exchange(rows, {})), "");
    EXPECT_EQ(tcState(), before);
    ASSERT_EQ(reason(exchange({}, rows)), "");
    EXPECT_EQ(tcState(), shown);
  }
  for (const auto& row : readAll(table_, vm_)) EXPECT_EQ(row.as<PolicyRow>().order, 2u);
}

TEST_F(LinuxPolicyTableTest, whatTheOperatorSetsWithTcIsReadWithItsSizesAndNotLeftOut) {
  namespace_.run(
      "tc qdisc add dev port5 root handle 1: htb default 0x10 2>/dev/null; "
      "tc class add dev port5 parent 1: classid 1:10 htb rate 1gbit ceil 1gbit burst 1600 cburst 1600 2>/dev/null; "
      "tc qdisc add dev port5 parent 1:10 handle 10: tbf rate 7mbit burst 10k latency 50ms");
  auto shown = tcState();
  auto rows = readAll(table_, vm_);
  ASSERT_EQ(reason(exchange(rows, {})), "");
  ASSERT_EQ(reason(exchange({}, rows)), "");
  EXPECT_EQ(tcState(), shown);
  namespace_.run(
      "tc qdisc replace dev port5 parent 1:10 handle 11: red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 "
      "bandwidth 10Mbit 2>/dev/null || tc filter add dev port5 parent 1: pref 9 protocol ip handle 1: u32 divisor 4");
  std::vector<AnyRow> more;
  auto read = table_.read(vm_)->next(more);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().text.find("port port5"), std::string::npos) << read.error().text;
  EXPECT_NE(read.error().text.find("cannot be carried"), std::string::npos) << read.error().text;
}

TEST_F(LinuxPolicyTableTest, aFailureInNftablesTakesTcBackAndTheOtherWayRound) {
  auto both = [](std::vector<AnyRow> rows, const std::vector<AnyRow>& more) {
    rows.insert(rows.end(), more.begin(), more.end());
    return rows;
  };
  namespace_.run("tc qdisc add dev port5 root handle 7: pfifo limit 9");
  auto now = readAll(table_, vm_);
  auto before = everything();
  EXPECT_NE(reason(exchange(now, both(qos(shaping), acl("ip saddr @unknown accept\n")))), "");
  EXPECT_EQ(everything(), before);
  auto bad = std::string{shaping} + "filter parent 9: protocol ip pref 1 u32 match u32 0x0 0x0 at 0 flowid 1:1\n";
  auto refusal = exchange(now, both(acl(draft), qos(bad)));
  EXPECT_NE(reason(refusal).find("filter parent 9:"), std::string::npos) << reason(refusal);
  EXPECT_EQ(everything(), before);
  ASSERT_EQ(reason(exchange(now, both(acl(draft), qos(shaping)))), "");
  EXPECT_EQ(textOf("filter") + textOf("shaping"), std::string{draft} + shaping);
}

TEST_F(LinuxPolicyTableTest, aPortThatIsNotHereIsRefusedByName) {
  vm_.port = "vm7";
  EXPECT_NE(reason(rehearse({}, qos(shaping))).find("port vm7 of VM vm5"), std::string::npos);
  EXPECT_NE(reason(rehearse({}, qos(shaping))).find("map = port,LOCAL,vm7"), std::string::npos);
  EXPECT_TRUE(readAll(table_, vm_).empty());
  vm_.port = "";
  EXPECT_NE(reason(rehearse({}, qos(shaping))).find("has no port here"), std::string::npos);
  vm_.name = "";
  EXPECT_NE(reason(rehearse({}, acl(draft))).find("has no name here"), std::string::npos);
}

TEST_F(LinuxPolicyTableTest, piecesThatComeOneByOneAreInForceWhenAllAreThere) {
  std::string text;
  for (int i = 1; i < 40; ++i) text += "ip saddr 10.138.3." + std::to_string(i) + " accept\n";
  auto rows = acl(text);
  ASSERT_EQ(rows.size(), 3u);
  auto before = everything();
  EXPECT_EQ(table_.create(vm_, std::span{rows}.subspan(1, 2)).done, 2u);
  EXPECT_EQ(everything(), before);
  ASSERT_EQ(readAll(table_, vm_).size(), 2u);
  EXPECT_FALSE(table_.moves(rows[1]));
  auto checks = table_.checks();
  EXPECT_NE(checks.back().text.value.find("missing are pieces 1 of 3"), std::string::npos) << checks.back().text.value;
  auto vm6 = makeVm(6);
  auto others = rows;
  for (auto& each : others) each.as<PolicyRow>().uuid = vm6.uuid;
  EXPECT_EQ(table_.create(vm6, std::span{others}.subspan(1, 2)).done, 2u);
  auto both = table_.checks();
  ASSERT_EQ(both.size(), checks.size() + 1);
  EXPECT_NE(both[both.size() - 2].name.value, both.back().name.value) << "the name is the index";
  EXPECT_EQ(reason(rehearse({}, {rows[0]})), "");
  EXPECT_EQ(everything(), before);

  EXPECT_EQ(table_.create(vm_, std::span{rows}.first(1)).done, 1u);
  EXPECT_EQ(textOf("filter"), text);
  EXPECT_NE(everything(), before);
  EXPECT_TRUE(table_.moves(rows[1]));
  EXPECT_EQ(table_.create(vm_, std::span{rows}.first(1)).error->status, SnmpStatus::inconsistentName);

  EXPECT_EQ(table_.remove(vm_, std::span{rows}.subspan(1, 1)).done, 1u);
  EXPECT_EQ(everything(), before);
  EXPECT_EQ(readAll(table_, vm_).size(), 2u);
  EXPECT_EQ(table_.remove(vm_, rows).done, 3u);
  EXPECT_TRUE(readAll(table_, vm_).empty());
}

TEST_F(LinuxPolicyTableTest, anExchangeTakesNoPolicyWithoutAllItsPieces) {
  std::string text;
  for (int i = 1; i < 40; ++i) text += "ip saddr 10.138.3." + std::to_string(i) + " accept\n";
  auto before = everything();
  auto refusal = exchange({}, {acl(text)[0], acl(text)[2]});
  EXPECT_NE(reason(refusal).find("missing are pieces 2 of 3"), std::string::npos) << reason(refusal);
  EXPECT_EQ(reason(rehearse({}, {acl(text)[0], acl(text)[2]})), "");
  EXPECT_EQ(everything(), before);
  EXPECT_TRUE(readAll(table_, vm_).empty());
}

TEST_F(LinuxPolicyTableTest, anUndoBringsBackThePiecesOfAPolicyThatWasNotComplete) {
  std::string text;
  for (int i = 1; i < 40; ++i) text += "ip saddr 10.138.3." + std::to_string(i) + " accept\n";
  auto before = everything();
  std::vector<AnyRow> some{acl(text)[0], acl(text)[2]};
  ASSERT_EQ(table_.create(vm_, some).done, 2u);
  ASSERT_EQ(reason(exchange(some, acl(draft))), "");
  ASSERT_NE(everything(), before);
  LinuxExchangedTable* table = &table_;
  auto made = readAll(table_, vm_);
  EXPECT_EQ(reason(vmmig::exchange(nft_, {&table, 1}, vm_, {made, some, true})), "");
  EXPECT_EQ(everything(), before);
  auto rows = readAll(table_, vm_);
  ASSERT_EQ(rows.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(rows[i].equals(some[i], Carry::exact));
  EXPECT_FALSE(table_.moves(rows[0]));
}

TEST_F(LinuxPolicyTableTest, whatIsKeptForIncompletePoliciesIsBounded) {
  auto row = acl("accept\n")[0].as<PolicyRow>();
  row.pieces.value = 2;
  for (std::uint8_t i = 0; i < 70; ++i) {
    auto vm = makeVm(i);
    row.uuid = vm.uuid;
    AnyRow any{row};
    auto made = table_.create(vm, {&any, 1});
    EXPECT_EQ(made.done, i < 64 ? 1u : 0u) << int{i};
  }
  auto large = acl(std::string(70 * 1024, 'x'));
  auto made = table_.create(vm_, large);
  ASSERT_TRUE(made.error);
}

TEST_F(LinuxPolicyTableTest, itsChecksSayWhatIsMissing) {
  for (const auto& check : table_.checks()) EXPECT_EQ(check.health, Health::up) << check.text.value;
  load(
      "flush ruleset\ntable inet filter {\n map vms4 { type ipv4_addr : verdict; }\n map vms6 { type inet_service : verdict; "
      "}\n}");
  EXPECT_NE(table_.checks()[0].text.value.find("vms6 has keys of the type inet_service"), std::string::npos);
  EXPECT_NE(reason(rehearse({}, acl(draft))).find("ipv6_addr"), std::string::npos);
  load("delete map inet filter vms6");
  EXPECT_NE(table_.checks()[0].text.value.find("vms6 does not exist"), std::string::npos);
  EXPECT_FALSE(table_.checks()[0].remedy.value.empty());
  load("flush ruleset");
  EXPECT_NE(table_.checks()[0].text.value.find("table inet filter does not exist"), std::string::npos);
}

TEST_F(LinuxPolicyTableTest, aMapToSeveralValuesIsToldAndNoCrash) {
  load(
      "flush ruleset\ntable inet filter {\n map vms4 { type ipv4_addr : verdict; }\n map vms6 { type ipv4_addr : ipv4_addr . "
      "inet_service; }\n}");
  auto text = table_.checks()[0].text.value;
  EXPECT_NE(text.find("vms6 does not lead from an address to a verdict"), std::string::npos) << text;
}

TEST(Finding, hasANameOfItsOwnAlsoWhereItIsTooLong) {
  auto name = [](const std::string& text) { return finding(text, Health::up, "").name.value; };
  std::string exact(32, 'a'), umlauts;
  for (int i = 0; i < 20; ++i) umlauts += "ü";
  EXPECT_EQ(name(exact), exact);
  EXPECT_EQ(name(exact + "a"), std::string(25, 'a') + "#852785");
  EXPECT_NE(name(exact + "b"), name(exact + "c"));
  EXPECT_EQ(name(umlauts).substr(0, 25), umlauts.substr(0, 24) + "#") << "no character is cut";
  EXPECT_EQ(name(umlauts).size(), 31u);
  EXPECT_LE(finding("a", Health::up, std::string(300, 'x'), std::string(300, 'y')).remedy.value.size(), 255u);
}

TEST_F(LinuxPolicyTableTest, aChainThatIsNotOneVmsIsNotCarried) {
  load("add chain inet filter vm_vm5 { type filter hook input priority 0; }");
  std::vector<AnyRow> rows;
  auto read = table_.read(vm_)->next(rows);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().text.find("has a hook"), std::string::npos) << read.error().text;
}

/// What tc 6.1 prints (its tc/*.c) of things that this kernel does not have.
TEST(TcReader, takesWhatTcShowsOfOtherQdiscsAndFilters) {
  TcReader reader{15.625};
  ASSERT_TRUE(
      reader.readQdiscs("qdisc prio 1:[00010000] root refcnt 2 bands 3 priomap  1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1\n"
                        "qdisc fq_codel 10:[00100000] parent 1:1 limit 10240p flows 1024 quantum 1514 target 5ms interval "
                        "100ms memory_limit 32Mb ecn drop_batch 64 \n"
                        "qdisc sfq 20:[00200000] parent 1:2 limit 127p quantum 1514b depth 127 flows 128 divisor 1024 "
                        "perturb 10sec \nqdisc ingress ffff:[ffff0000] parent ffff:fff1 ---------------- \n"));
  ASSERT_TRUE(reader.readClasses("class prio 1:1 parent 1: leaf 10:\nclass prio 1:2 parent 1: leaf 20:\n"));
  EXPECT_EQ(reader.filterPlaces(), (std::vector<std::string>{"parent 1:", "ingress"}));
  ASSERT_TRUE(
      reader.readFilters("parent 1:",
                         "filter protocol ip pref 1 flower chain 0 \n"
                         "filter protocol ip pref 1 flower chain 0 handle 0x1 classid 1:1 \n  eth_type ipv4\n  ip_proto tcp\n"
                         "  dst_ip 10.1.0.5\n  dst_port 80\n  not_in_hw\n"));
  ASSERT_TRUE(reader.readFilters(
      "ingress",
      "filter protocol all pref 5 matchall chain 0 \nfilter protocol all pref 5 matchall chain 0 handle 0x1 \n  not_in_hw\n"
      "\taction order 1:  police 0x1 rate 8Mbit burst 10Kb mtu 2Kb [00027100] action drop/pipe overhead 0b linklayer "
      "ethernet \n\tref 1 bind 1 \n\n"
      "\taction order 2: gact action pass\n\t random type none pass val 0\n\t index 1 ref 1 bind 1\n"));
  std::vector<std::string> expected{
      "qdisc root handle 1: prio bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1",
      "qdisc parent 1:1 handle 10: fq_codel limit 10240 flows 1024 quantum 1514 target 5ms interval 100ms memory_limit 32Mb "
      "drop_batch 64 ecn",
      "qdisc parent 1:2 handle 20: sfq limit 127 quantum 1514b depth 127 flows 128 divisor 1024 perturb 10",
      "qdisc ingress",
      "filter parent 1: protocol ip pref 1 flower ip_proto tcp dst_ip 10.1.0.5 dst_port 80 classid 1:1",
      "filter ingress protocol all pref 5 matchall action police rate 8Mbit burst 10240 mtu 2Kb conform-exceed drop/pipe action "
      "pass"};
  EXPECT_EQ(reader.lines(), expected);
  for (const auto& line : reader.lines()) EXPECT_TRUE(tcCommand(line, "p")) << line;
}

TEST(Child, whoseEndIsNotKnownHasNotSucceeded) {
  ASSERT_TRUE(runChild({"tc", "-V"}, "", std::chrono::seconds{5}));
  auto former = signal(SIGCHLD, SIG_IGN);
  auto result = runChild({"tc", "-V"}, "", std::chrono::seconds{5});
  signal(SIGCHLD, former);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text.find("how it ended is not known"), std::string::npos) << result.error().text;
}

TEST(TcReader, namesWhatItCannotCarry) {
  auto error = [](auto status) { return status ? std::string{} : status.error().text; };
  EXPECT_EQ(error(TcReader{15.625}.readQdiscs("qdisc cake 1: root refcnt 2 bandwidth unlimited\n")),
            "qdisc cake cannot be carried");
  EXPECT_EQ(error(TcReader{15.625}.readQdiscs("qdisc clsact ffff: parent ffff:fff1 ingress_block 7\n")),
            "`ingress_block` of qdisc clsact cannot be carried");
  EXPECT_EQ(error(TcReader{15.625}.readQdiscs("qdisc htb 1: root refcnt 2 r2q 10 default 0 offload\n")),
            "`offload` of qdisc htb cannot be carried");
  EXPECT_EQ(error(TcReader{15.625}.readClasses("class hfsc 1:1 parent 1: sc m1 0bit\n")), "class hfsc cannot be carried");
  for (const char* filter :
       {"filter protocol ip pref 1 bpf chain 0 handle 0x1 flowid 1:1",
        "filter protocol ip pref 1 u32 chain 3 fh 800::800 order 2048 key ht 800 bkt 0 *flowid 1:20",
        "filter protocol ip pref 1 u32 chain 0 fh 1: ht divisor 256",
        "filter protocol ip pref 1 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 link 1:",
        "filter protocol ip pref 1 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt",
        "filter protocol all pref 1 matchall chain 0 handle 0x1\n\taction order 1: mirred (Egress Redirect to "
        "device x) stolen\n",
        "filter protocol all pref 1 flower chain 0 handle 0x1\n  ct_state +trk\n"})
    EXPECT_NE(error(TcReader{15.625}.readFilters("parent 1:", filter)).find("cannot be carried"), std::string::npos) << filter;
}

}  // namespace
}  // namespace vmmig

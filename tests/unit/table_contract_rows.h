// SPDX-License-Identifier: GPL-2.0-or-later
// For the contract of the tables: rows of each table, and the devices that have it. A table of `linux` joins by one more entry in
// linuxTables(): what the configuration says of it, and what an operator would have set up.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mibs/acl_table.h"
#include "mibs/counter_table.h"
#include "mibs/dhcp_binding_table.h"
#include "mibs/expect_table.h"
#include "mibs/flow_table.h"
#include "mibs/multicast_table.h"
#include "mibs/policy_table.h"
#include "subagent/resources.h"
#include "tests/unit/back_end_contract_rows.h"

namespace vmmig {

/// As makeVm(), attached to port "vm5".
inline Vm makeAttachedVm(std::uint8_t number) {
  auto vm = makeVm(number);
  vm.port = vm.name;
  vm.macAddresses = {std::string("\x02\0\0\0\0", 5) + static_cast<char>(number)};
  return vm;
}

inline std::vector<AnyRow> flowRows(const Vm& vm) {
  std::vector<AnyRow> rows;
  auto add = [&](std::uint8_t protocol, std::size_t family, std::uint16_t local, std::uint16_t rem) -> FlowRow& {
    FlowRow row;
    row.uuid = vm.uuid;
    row.protocol = protocol;
    row.localAddress = vm.addresses.at(family);
    row.localPort = local;
    row.remAddress = address(family == 0 ? "192.0.2.9" : "2001:db8::9");
    row.remPort = rem;
    row.timeout = 300;
    row.status.mask = 0b011;
    rows.emplace_back(row);
    return rows.back().as<FlowRow>();
  };
  for (std::size_t family : {0u, 1u}) {
    add(17, family, 5000, 53);
    add(17, family, 53, 5001).opener = TcpOpener::remote;
    auto& sctp = add(132, family, 5000, 3868);
    sctp.sctpState = SctpState::established;
    sctp.localVtag = 0xfffffff0;
    sctp.remVtag = 7;
  }
  add(1, 0, 77, 8 * 256);
  add(1, 0, 78, 0).opener = TcpOpener::remote;
  add(58, 1, 77, 128 * 256);
  add(58, 1, 78, 129 * 256).opener = TcpOpener::remote;
  add(17, 0, 5002, 53).mark = 0xffffffff;
  add(17, 0, 5003, 53).zone = 1;
  auto& translated = add(17, 0, 5004, 53);
  translated.natLocalAddress = address("198.51.100." + std::to_string(vm.uuid.octets[0]));
  translated.natLocalPort = 5004;
  return rows;
}

inline std::vector<AnyRow> aclRows(const Vm& vm) {
  std::vector<AnyRow> rows;
  for (const auto& own : vm.addresses) {
    AclRow row;
    row.uuid = vm.uuid;
    row.list.value = own.type == InetAddressType::ipv4 ? "auth4" : "auth6";
    row.entry.value = row.match.value = toString(own);
    rows.emplace_back(row);
  }
  auto& first = rows.front().as<AclRow>();
  first.timeout = 100;
  first.lifetime = 300;
  first.identity.value = "alice@example.com";
  first.packets = 5;
  first.octets = 0x1'0000'0007;
  return rows;
}

inline std::vector<AnyRow> counterRows(const Vm& vm) {
  std::vector<AnyRow> rows;
  auto add = [&](std::string name, CounterKind kind) -> CounterRow& {
    CounterRow row;
    row.uuid = vm.uuid;
    row.name.value = std::move(name);
    row.kind = kind;
    rows.emplace_back(row);
    return rows.back().as<CounterRow>();
  };
  auto& traffic = add("traffic", CounterKind::counter);
  traffic.packets = 12;
  traffic.octets = 0x2'0000'0001;
  auto& volume = add("volume", CounterKind::quota);
  volume.octets = 1000;
  volume.threshold = 0x1'0000'0000;
  volume.match.value = "over";
  auto& syn = add("syn", CounterKind::halfOpen);
  syn.threshold = 5;
  syn.match.value = "ipv4_addr . inet_service . ipv4_addr . inet_service";
  syn.lifetime = 60;
  for (int port : {40000, 40001, 40002}) {
    auto& member = add("syn", CounterKind::halfOpen);
    member.member.value = toString(vm.addresses[0]) + " . " + std::to_string(port) + " . 192.0.2.9 . 80";
    member.match.value = member.member.value;
    member.timeout = member.lifetime = 60;
  }
  return rows;
}

inline std::vector<AnyRow> dhcpBindingRows(const Vm& vm) {
  std::vector<AnyRow> rows;
  for (const auto& own : vm.addresses) {
    DhcpBindingRow row;
    row.uuid = vm.uuid;
    row.macAddress.value = vm.macAddresses.at(0);
    row.address = own;
    row.leaseTime = own.type == InetAddressType::ipv4 ? 3600 : forEver;
    row.port.value = vm.port;
    rows.emplace_back(row);
  }
  return rows;
}

inline std::vector<AnyRow> multicastRows(const Vm& vm) {
  std::vector<AnyRow> rows;
  for (const auto* group : {"239.1.2.3", "ff0e::123"}) {
    MulticastRow row;
    row.uuid = vm.uuid;
    row.group = address(group);
    row.port.value = vm.port;
    rows.emplace_back(row);
    row.group.octets[15 - (row.group.size == 4 ? 12 : 0)] ^= 1;
    row.permanent = true;
    rows.emplace_back(row);
  }
  return rows;
}

inline std::vector<AnyRow> policyRows(const Vm& vm) {
  PolicyRow row;
  row.uuid = vm.uuid;
  row.name.value = "web";
  row.text.value = "ip daddr 192.0.2.9 accept\ndrop\n";
  return {row};
}

inline std::vector<AnyRow> expectRows(const Vm& vm) {
  std::vector<AnyRow> rows;
  for (std::size_t family : {0u, 1u}) {
    ExpectRow row;
    row.uuid = vm.uuid;
    row.sourceAddress = row.masterDestAddress = address(family == 0 ? "192.0.2.9" : "2001:db8::9");
    row.destAddress = row.masterSourceAddress = vm.addresses[family];
    row.destPort = 50000;
    row.masterSourcePort = 40000;
    row.masterDestPort = 21;
    row.timeout = 300;
    row.helper.value = "ftp";
    rows.emplace_back(row);
  }
  return rows;
}

/// One table of one kind of device.
struct TableCase {
  std::string name;  // "linux_acl"
  const TableInfo* table;
  std::vector<AnyRow> (*rows)(const Vm& vm);
  /// What replace() is to do to the first row: to another value of a column that can change.
  std::function<void(AnyRow& row)> change;
  bool isMemory = true;
  /// Of `linux` alone:
  std::function<void(Resources&)> configure = nullptr;
  std::vector<std::string> setUp = {};  // commands, run in the device's network namespace
  /// A table whose rows need others (the master of an expected connection): what has to be there first.
  std::vector<AnyRow> (*before)(const Vm& vm) = nullptr;
};

inline std::vector<TableCase> memoryTables() {
  return {
      {"memory_flow", &TableOf<FlowRow>::info, flowRows, [](AnyRow& row) { row.as<FlowRow>().mark = 9; }},
      {"memory_acl", &TableOf<AclRow>::info, aclRows, [](AnyRow& row) { row.as<AclRow>().identity.value = "bob"; }},
      {"memory_counter", &TableOf<CounterRow>::info, counterRows, [](AnyRow& row) { row.as<CounterRow>().packets = 99; }},
      {"memory_dhcpBinding", &TableOf<DhcpBindingRow>::info, dhcpBindingRows,
       [](AnyRow& row) { row.as<DhcpBindingRow>().leaseTime = 77; }},
      {"memory_multicast", &TableOf<MulticastRow>::info, multicastRows,
       [](AnyRow& row) { row.as<MulticastRow>().permanent = true; }},
      {"memory_policy", &TableOf<PolicyRow>::info, policyRows, [](AnyRow& row) { row.as<PolicyRow>().text.value = "accept\n"; }},
      {"memory_expect", &TableOf<ExpectRow>::info, expectRows, [](AnyRow& row) { row.as<ExpectRow>().timeout = 77; }},
  };
}

std::vector<TableCase> linuxTables();

}  // namespace vmmig

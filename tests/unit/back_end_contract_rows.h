// SPDX-License-Identifier: GPL-2.0-or-later
// Rows for the contract suite of the back ends: everything that a TCP connection of a VM can have.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "subagent/back_end.h"
#include "subagent/tcp_conn_tuples.h"

namespace vmmig {

inline InetAddress address(std::string_view text) { return parseInetAddress(text).value(); }

inline Vm makeVm(std::uint8_t number) {
  auto last = std::to_string(number);
  return {{{number}}, "vm" + last, {address("10.0.0." + last), address("fd00::" + last)}};
}

/// An established connection with window scaling, of the VM's address of that family (index in its list).
inline TcpConnRow makeRow(const Vm& vm, std::uint16_t localPort, std::size_t family = 0) {
  TcpConnRow row;
  row.uuid = vm.uuid;
  row.localAddress = vm.addresses.at(family);
  row.localPort = localPort;
  row.remAddress = address(family == 0 ? "192.0.2.9" : "2001:db8::9");
  row.remPort = 443;
  row.timeout = 300;
  row.status.mask = 0b011;
  row.localWindowScale.value = 7;
  row.remWindowScale.value = 9;
  row.localFlags.mask = row.remFlags.mask = 0b0011;
  return row;
}

struct NamedRow {
  std::string name;
  TcpConnRow row;
};

/// Each with a local port of its own.
class RichRows {
 public:
  explicit RichRows(const Vm& vm) : vm_(vm) {
    addStates();
    addTranslations();
    addAttributes();
  }
  const std::vector<NamedRow>& rows() const { return rows_; }
  std::vector<AnyRow> any() const {
    std::vector<AnyRow> result;
    for (const auto& each : rows_) result.emplace_back(each.row);
    return result;
  }

 private:
  TcpConnRow& add(std::string name, std::size_t family = 0) {
    rows_.push_back({std::move(name), makeRow(vm_, nextPort_++, family)});
    return rows_.back().row;
  }

  void addStates() {
    for (std::size_t family : {0u, 1u})
      for (auto opener : {TcpOpener::local, TcpOpener::remote})
        for (auto state : {TcpState::synReceived, TcpState::established, TcpState::finWait1, TcpState::closeWait,
                           TcpState::lastAck, TcpState::timeWait, TcpState::closed, TcpState::simultaneousOpen}) {
          auto& row = add("state " + std::to_string(static_cast<int>(state)), family);
          row.opener = opener;
          row.state = state;
        }
  }

  void addTranslations() {
    for (std::size_t family : {0u, 1u})
      for (auto opener : {TcpOpener::local, TcpOpener::remote}) {
        auto name =
            (opener == TcpOpener::local ? "opened by the VM" : "opened by the peer") + std::string{family ? ", IPv6" : ""};
        auto publicAddress = address((family ? "2001:db8:ff::" : "198.51.100.") + std::to_string(vm_.uuid.octets[0]));
        auto proxy = address(family ? "2001:db8:ee::2" : "203.0.113.2");
        auto translate = [&](TcpConnRow& row, bool local, bool rem) {
          row.opener = opener;
          if (local) row.natLocalAddress = publicAddress, row.natLocalPort = row.localPort;
          if (rem) row.natRemAddress = proxy, row.natRemPort = static_cast<std::uint16_t>(10000 + row.localPort);
        };
        translate(add("VM's end translated, " + name, family), true, false);
        translate(add("peer's end translated, " + name, family), false, true);
        translate(add("both ends translated, " + name, family), true, true);
        auto& portOnly = add("VM's port translated, " + name, family);
        portOnly.opener = opener;
        portOnly.natLocalAddress = portOnly.localAddress;
        portOnly.natLocalPort = static_cast<std::uint16_t>(20000 + portOnly.localPort);
      }
  }

  void addAttributes() {
    for (auto opener : {TcpOpener::local, TcpOpener::remote}) {
      auto& local = add("the VM's sequence numbers adjusted");
      local.opener = opener;
      local.localSeqAdjCorrectionPos = 0xfffffff0, local.localSeqAdjOffsetBefore = -7, local.localSeqAdjOffsetAfter = 12;
      auto& both = add("both sides' sequence numbers adjusted");
      both.opener = opener;
      both.localSeqAdjCorrectionPos = 5, both.localSeqAdjOffsetAfter = -1;
      both.remSeqAdjCorrectionPos = 6, both.remSeqAdjOffsetBefore = 2147483647, both.remSeqAdjOffsetAfter = -2147483647 - 1;
      auto& scales = add("unequal window scales");
      scales.opener = opener;
      scales.localWindowScale.value = 0, scales.remWindowScale.value = 14;
      auto& flags = add("unequal flags, no window scaling");
      flags.opener = opener;
      flags.localWindowScale.value = flags.remWindowScale.value = 0;
      flags.localFlags.mask = 0b0101, flags.remFlags.mask = 0b1010;
      auto& none = add("no flags, no status");
      none.opener = opener;
      none.localWindowScale.value = none.remWindowScale.value = 0;
      none.localFlags.mask = none.remFlags.mask = none.status.mask = 0;
    }
    add("status seenReply alone").status.mask = 0b001;
    add("status assured alone").status.mask = 0b010;
    add("status with fixedTimeout").status.mask = 0b111;
    add("highest mark").mark = 0xffffffff;
    add("mark 1").mark = 1;
    add("zone 1").zone = 1;
    add("highest zone", 1).zone = 65535;
    add("first and last label").labels.value = std::string{"\x01"} + std::string(14, '\0') + "\x80";
    add("all labels").labels.value = std::string(16, '\xff');
    add("helper").helper.value = "ftp";
    // The same addresses and ports as "zone 1" in another zone are another connection.
    auto other = rows_.at(rows_.size() - 5).row;
    other.zone = 2;
    rows_.push_back({"zone 2, else as zone 1", other});
  }

  Vm vm_;
  std::uint16_t nextPort_ = 1000;
  std::vector<NamedRow> rows_;
};

}  // namespace vmmig

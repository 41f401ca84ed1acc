// SPDX-License-Identifier: GPL-2.0-or-later
// A switch for tests of DHCP snooping: frames are put in at one port of a real bridge, and looked for at another.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <filesystem>

#include "subagent/linux_dhcp_binding_table.h"
#include "tests/unit/back_end_contract_rows.h"
#include "tests/unit/dhcp_frames.h"
#include "tests/unit/firewall_lab.h"

namespace vmmig {

using test::Dhcp6Frame;
using test::DhcpFrame;
using test::macOf;
using test::octets;
using namespace std::chrono_literals;

inline const auto serverMac = macOf(0x63), all = std::string(6, '\xff');

// --- frames

inline std::string ip(const std::string& mac, const char* source, const char* destination = "10.1.0.1") {
  auto header = octets(0x4500, 2) + octets(28, 2) + octets(0, 4) + octets(0x4011, 2);
  auto addresses = test::bytesOf(source) + test::bytesOf(destination);
  return all + mac + octets(0x0800, 2) + header + DhcpFrame::checksum(header + octets(0, 2) + addresses) + addresses +
         octets(4000, 2) + octets(9, 2) + octets(8, 2) + octets(0, 2);
}
inline std::string ip6(const std::string& mac, const char* source) {
  return all + mac + octets(0x86dd, 2) + octets(0x60000000, 4) + octets(8, 2) + octets(0x1140, 2) + test::bytesOf(source) +
         test::bytesOf("2001:db8::1") + octets(4000, 2) + octets(9, 2) + octets(8, 2) + octets(0, 2);
}
inline std::string arp(const std::string& mac, const char* sender, std::string senderMac = {}) {
  return all + mac + octets(0x0806, 2) + octets(0x0001080006040001, 8) + (senderMac.empty() ? mac : senderMac) +
         test::bytesOf(sender) + octets(0, 6) + test::bytesOf("10.1.0.1");
}
inline std::string tagged(std::string frame, std::uint16_t vlan) { return frame.insert(12, octets(0x81000000u | vlan, 4)); }
/// A protocol of nobody's: always let through.
inline std::string other(std::uint8_t number, std::uint16_t etherType = 0x88b5) {
  return all + macOf(0x77) + octets(etherType, 2) + octets(number, 46);
}

/// The far end of a cable to a port of the bridge.
class Cable {
 public:
  explicit Cable(const std::string& interface) : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
    address_.sll_family = AF_PACKET;
    address_.sll_protocol = htons(ETH_P_ALL);
    address_.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    int on = 1;
    setsockopt(socket_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    setsockopt(socket_.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof on);
    if (bind(socket_.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_) != 0)
      throw std::runtime_error("cannot bind");
  }
  void send(const std::string& frame) const {
    if (::send(socket_.get(), frame.data(), frame.size(), 0) != static_cast<ssize_t>(frame.size()))
      throw std::runtime_error("cannot send");
  }
  /// Waits for `last`, and tells whether `frame` came before it.
  bool gets(const std::string& frame, const std::string& last) const {
    bool isThere = false, isOver = false;
    auto inTime = eventually([&] {
      char buffer[2048];
      for (ssize_t size; !isOver && (size = recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) {
        // What is short is padded, or not; a tag is taken off.
        std::string got{buffer, static_cast<std::size_t>(size)};
        isThere = isThere || got.compare(0, frame.size(), frame) == 0;
        isOver = got.compare(0, last.size(), last) == 0;
      }
      return isOver;
    });
    if (!inTime) throw std::runtime_error("the last frame does not come through either");
    return isThere;
  }

 private:
  UniqueFd socket_;
  sockaddr_ll address_{};
};

/// A bridge br0 with the ports vm1, vm2 (clients) and core (the server, trusted); the cables end in another namespace.
class DhcpSwitch : public testing::Test {
 protected:
  DhcpSwitch() {
    hosts_.run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    switch_.run(
        "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link add br0 type bridge forward_delay 0 mcast_snooping 0 && "
        "ip link set br0 up");
    for (const std::string port : {"vm1", "vm2", "core"}) plug(port);
    vm_.uuid = {{5}};
    vm_.name = "web-1";
    vm_.addresses = {address("10.1.0.5"), address("2001:db8::5")};
    vm_.macAddresses = {macOf(5)};
    auto nft = Nft::open();
    if (!nft) throw std::runtime_error(nft.error().text);
    nft_ = std::make_unique<Nft>(std::move(*nft));
  }
  ~DhcpSwitch() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void plug(const std::string& port, const std::string& bridge = "br0") {
    switch_.run("ip link add " + port + " type veth peer name " + port + "-host netns " + hosts_.path() + " && ip link set " +
                port + " master " + bridge + " up");
    hosts_.run("ip link set " + port + "-host up");
    cables_.emplace(port, Cable{port + "-host"});
    switch_.enter();
  }
  LinuxDhcpBindingTable& start(bool guard6 = false) {
    switch_.enter();
    table_.reset();
    table_ = std::make_unique<LinuxDhcpBindingTable>(
        *nft_, LinuxDhcpBindingTable::Setup{&loop_, {{"br0", {"core"}, guard6}}, directory_});
    return *table_;
  }
  /// Does a frame that comes in at a port reach another?
  bool passes(const std::string& port, const std::string& frame, const std::string& to = "core") {
    return passesAs(port, frame, frame, to);
  }
  bool passesAs(const std::string& port, const std::string& frame, const std::string& arriving, const std::string& to = "core") {
    auto last = other(++number_);
    cables_.at(port).send(frame);
    cables_.at(port).send(last);
    return cables_.at(to).gets(arriving, last);
  }
  /// What has a tag arrives without, in the kernel's own record of it.
  bool passesTagged(std::uint16_t vlan, const std::string& frame) { return passesAs("vm1", tagged(frame, vlan), frame); }
  bool turnUntil(const std::function<bool()>& done, std::chrono::milliseconds limit = 10s) {
    return loop_.runUntil(done, std::chrono::steady_clock::now() + limit);
  }
  /// Whatever the snooper has got so far, it has heard when it has heard this client as well.
  bool heardAll(const std::string& port = "vm2") {
    auto last = ++number_;
    auto mac = macOf(last);
    auto leased = "10.1.7." + std::to_string(last);
    lease(port, leased.c_str(), mac, 0x7700u + last);
    return turnUntil([&] { return hasBinding(leased, port); });
  }
  void lease(const std::string& port, const char* leased, std::string mac = macOf(5), std::uint32_t xid = 1,
             std::int64_t seconds = 3600) {
    cables_.at(port).send(DhcpFrame{.clientMac = mac, .xid = xid}.text());
    cables_.at("core").send(
        DhcpFrame{.type = test::ack, .clientMac = mac, .xid = xid, .yiaddr = leased, .leaseTime = seconds}.text());
  }
  bool hasBinding(const std::string& leased, const std::string& port) {
    return outputOf("nft list set bridge vmmig bindings" + std::string{leased.find(':') == leased.npos ? "4" : "6"})
                   .find(leased + " . ") != std::string::npos &&
           outputOf("nft list ruleset").find("\"" + port + "\"") != std::string::npos;
  }
  std::vector<DhcpBindingRow> rows() {
    std::vector<AnyRow> list;
    auto more = table_->read(vm_)->next(list);
    if (!more) ADD_FAILURE() << more.error().text;
    std::vector<DhcpBindingRow> result;
    for (const auto& row : list) result.push_back(row.as<DhcpBindingRow>());
    return result;
  }
  DhcpBindingRow row(const char* leased = "10.1.0.5", const std::string& port = "vm1", std::uint32_t seconds = 600) {
    DhcpBindingRow row;
    row.uuid = vm_.uuid;
    row.macAddress.value = macOf(5);
    row.address = address(leased);
    row.port.value = port;
    row.leaseTime = seconds;
    return row;
  }
  BatchResult create(const DhcpBindingRow& row) {
    AnyRow any{row};
    return table_->create(vm_, {&any, 1});
  }
  CheckRow checked(const std::string& name) {
    for (auto& row : table_->checks())
      if (row.name.value == name) return row;
    ADD_FAILURE() << "no check " << name;
    return {};
  }

  NetworkNamespace hosts_, switch_;
  std::map<std::string, Cable> cables_;
  EventLoop loop_;
  std::unique_ptr<Nft> nft_;
  std::string directory_ = outputOf("mktemp -d | tr -d '\\n'");
  std::unique_ptr<LinuxDhcpBindingTable> table_;
  Vm vm_;
  std::uint8_t number_ = 0;
};

}  // namespace vmmig

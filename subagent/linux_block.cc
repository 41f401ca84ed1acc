// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_block.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <nftables/libnftables.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/log.h"
#include "subagent/linux_bridge_ports.h"
#include "subagent/linux_dhcp_text.h"
#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

// -350: behind the defragmentation (-400), ahead of raw (-300) and of connection tracking (-200). What a translation turns
// towards the VM only later is stopped in `forward`, before a new entry is confirmed. Neighbour discovery is never tracked and
// goes on, so that the VM is reachable at once after the block. The chain `labels` is never reached; that a rule uses labels
// makes the kernel keep them for entries that are created here. vmmig*: vmmigd's own device, where LinuxTcpPriming's segments come
// in by thousands.
constexpr const char* tableText = R"(
table inet vmmig {
  flags owner;
  set vm4 { type ipv4_addr; }
  set vm6 { type ipv6_addr; }
  set translated4 { type inet_proto . ipv4_addr . inet_service . ipv4_addr . inet_service; }
  set translated6 { type inet_proto . ipv6_addr . inet_service . ipv6_addr . inet_service; }
  set echo4 { typeof ip saddr . ip daddr . icmp id; }
  set echo6 { typeof ip6 saddr . ip6 daddr . icmpv6 id; }
  set portless4 { type inet_proto . ipv4_addr . ipv4_addr; }
  set portless6 { type inet_proto . ipv6_addr . ipv6_addr; }
  chain stop {
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    ip saddr @vm4 drop
    ip daddr @vm4 drop
    ip6 saddr @vm6 drop
    ip6 daddr @vm6 drop
    meta l4proto . ip saddr . th sport . ip daddr . th dport @translated4 drop
    meta l4proto . ip6 saddr . th sport . ip6 daddr . th dport @translated6 drop
    ip saddr . ip daddr . icmp id @echo4 drop
    ip6 saddr . ip6 daddr . icmpv6 id @echo6 drop
    meta l4proto . ip saddr . ip daddr @portless4 drop
    meta l4proto . ip6 saddr . ip6 daddr @portless6 drop
  }
  chain prerouting { type filter hook prerouting priority -350; iifname "vmmig*" accept; jump stop; }
  chain output { type filter hook output priority -350; jump stop; }
  chain forward { type filter hook forward priority -350; jump stop; }
  chain labels { ct label set 127; }
}
)";

// Frames that a bridge passes on never reach `inet`. ARP, RARP and neighbour discovery go on, here too: they are no state that
// follows the VM, and by them every switch learns where the VM is as soon as it runs again, be it somewhere else.
constexpr const char* bridgeTableText = R"(
table bridge vmmig_block {
  flags owner;
  set mac { type ether_addr; }
  set vm4 { type ipv4_addr; }
  set vm6 { type ipv6_addr; }
  chain stop {
    meta protocol { arp, 0x8035 } accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    ether saddr @mac drop
    ether daddr @mac drop
    ip saddr @vm4 drop
    ip daddr @vm4 drop
    ip6 saddr @vm6 drop
    ip6 daddr @vm6 drop
  }
  chain prerouting { type filter hook prerouting priority -350; jump stop; }
  chain output { type filter hook output priority -350; jump stop; }
}
)";

/// One line of what libnftables says on errors.
std::string firstLine(const char* text) {
  std::string line{text ? text : ""};
  line.resize(std::min(line.find('\n'), line.size()));
  return line;
}

bool isV6(const InetAddress& address) { return address.type == InetAddressType::ipv6; }

/// Set and element for what comes in from outside; GRE is here a protocol without ports, because its keys stand elsewhere.
std::pair<std::string, std::string> inboundElement(const InboundTuple& inbound) {
  const auto& [source, destination] = inbound.tuple;
  auto protocol = std::to_string(inbound.protocol), from = toString(source.address), to = toString(destination.address);
  auto set = [&](const char* kind) { return std::string{"inet vmmig "} + kind + (isV6(source.address) ? "6" : "4"); };
  if (isIcmp(inbound.protocol)) return {set("echo"), from + " . " + to + " . " + std::to_string(source.port)};
  if (!hasPorts(inbound.protocol) || inbound.protocol == IPPROTO_GRE)
    return {set("portless"), protocol + " . " + from + " . " + to};
  return {set("translated"),
          protocol + " . " + from + " . " + std::to_string(source.port) + " . " + to + " . " + std::to_string(destination.port)};
}

}  // namespace

bool hasNetAdmin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  return syscall(SYS_capget, &header, data) == 0 && data[0].effective & (1u << CAP_NET_ADMIN);
}

void LinuxBlock::Free::operator()(nft_ctx* context) const { nft_ctx_free(context); }

Status LinuxBlock::ensure() {
  if (context_) return ensureBridges();
  context_.reset(nft_ctx_new(NFT_CTX_DEFAULT));
  if (!context_) return failure("libnftables cannot start");
  nft_ctx_buffer_error(context_.get());
  nft_ctx_buffer_output(context_.get());
  auto made = run(tableText);
  if (made) return ensureBridges();
  context_.reset();
  if (!hasNetAdmin()) return failure("VMs cannot be blocked: vmmigd needs CAP_NET_ADMIN");
  if (made.error().text.find("not permitted") != std::string::npos)
    return failure(
        "VMs cannot be blocked: the nftables table `inet vmmig` belongs to another process of this network namespace; only one "
        "vmmigd "
        "with --back-end linux can run in it: end the other one");
  return failure("VMs cannot be blocked: nftables refuses the table `inet vmmig` (" + made.error().text +
                 "); is nf_tables loaded?");
}

Status LinuxBlock::ensureBridges() {
  if (isBridging_) return {};
  auto bridges = readBridges();
  if (!bridges) return failure("VMs cannot be blocked: " + bridges.error().text);
  lacksBridges_ = false;
  if (bridges->names.empty()) return {};
  auto made = run(bridgeTableText);
  lacksBridges_ = !made;
  if (!made)
    return failure("VMs cannot be blocked at bridges: nftables refuses the table `bridge vmmig_block` (" + made.error().text +
                   "); does the kernel have nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE)?");
  isBridging_ = true;
  return {};
}

bool LinuxBlock::covers(const std::string& mac, const InetAddress& address) const {
  const Element elements[] = {{"bridge vmmig_block mac", macText(mac)},
                              {isV6(address) ? "inet vmmig vm6" : "inet vmmig vm4", toString(address)}};
  return isNeeded(elements[0]) || isNeeded(elements[1]);
}

void LinuxBlock::addBridged(const Vm& vm, std::vector<Element>& elements) const {
  if (!isBridging_) return;
  for (const auto& mac : vm.macAddresses) elements.emplace_back("bridge vmmig_block mac", macText(mac));
  for (const auto& address : vm.addresses)
    elements.emplace_back(isV6(address) ? "bridge vmmig_block vm6" : "bridge vmmig_block vm4", toString(address));
}

Status LinuxBlock::run(const std::string& commands) {
  bool isDone = nft_run_cmd_from_buffer(context_.get(), commands.c_str()) == 0;
  auto text = firstLine(nft_ctx_get_error_buffer(context_.get()));
  nft_ctx_get_output_buffer(context_.get());
  if (isDone) return {};
  return failure(text);
}

Status LinuxBlock::change(const char* verb, const std::vector<Element>& elements) {
  std::map<std::string, std::string> bySet;
  for (const auto& [set, element] : elements) {
    auto& list = bySet[set];
    list += (list.empty() ? "" : ", ") + element;
  }
  std::string commands;
  for (const auto& [set, list] : bySet) commands += std::string{verb} + " element " + set + " { " + list + " }\n";
  return commands.empty() ? Status{} : run(commands);
}

Status LinuxBlock::Prepared::begin(const Translated& translated) {
  if (auto added = events_.add(*this, vm_.addresses); !added) return added;
  auto present = translated(vm_);
  if (!present) return failure(present.error());
  tuples_.insert(present->begin(), present->end());
  return {};
}

void LinuxBlock::Prepared::touched(const ConntrackEntry& entry, Touch) {
  if (auto tuple = translatedInbound(entry.wire, vm_)) tuples_.insert(*tuple);
}

std::optional<std::vector<InboundTuple>> LinuxBlock::Prepared::tuples() {
  events_.drain();
  if (isLost_) return std::nullopt;
  return std::vector<InboundTuple>{tuples_.begin(), tuples_.end()};
}

void LinuxBlock::prepare(const Vm& vm) {
  // What cannot be prepared, block() does, and says what is wrong.
  if (!ensure()) return;
  auto prepared = std::make_unique<Prepared>(events_, vm);
  if (prepared->begin(translated_)) prepared_[vm.uuid] = std::move(prepared);
}

Result<std::vector<InboundTuple>> LinuxBlock::translatedOf(const Vm& vm) {
  if (auto prepared = prepared_.find(vm.uuid); prepared != prepared_.end())
    if (auto tuples = prepared->second->tuples()) return *std::move(tuples);
  return translated_(vm);
}

Status LinuxBlock::addTranslated(const Vm& vm) {
  auto tuples = translatedOf(vm);
  if (!tuples) return failure(tuples.error());
  std::vector<Element> elements;
  for (const auto& tuple : *tuples) elements.push_back(inboundElement(tuple));
  auto& all = blocked_[vm.uuid];
  all.insert(all.end(), elements.begin(), elements.end());
  return change("add", elements);
}

Status LinuxBlock::block(const Vm& vm) {
  if (isBlocked(vm.uuid)) return {};
  if (!prepared_.contains(vm.uuid))
    if (auto status = ensure(); !status) return status;
  std::vector<Element> elements;
  for (const auto& address : vm.addresses)
    elements.emplace_back(isV6(address) ? "inet vmmig vm6" : "inet vmmig vm4", toString(address));
  addBridged(vm, elements);
  if (auto status = change("add", elements); !status)
    return failure("VM " + vm.label() + " cannot be blocked: " + status.error().text);
  blocked_[vm.uuid] = elements;
  // From here on no new connection of the VM comes into being: the translated ones can be listed.
  if (auto status = addTranslated(vm); !status) {
    unblock(vm.uuid);
    return failure("the translated connections of VM " + vm.label() + " cannot be blocked: " + status.error().text);
  }
  prepared_.erase(vm.uuid);
  // In a thread of its own, so that the reading goes on beside it.
  settling_[vm.uuid] = std::async(std::launch::async, waitForPackets_);
  return {};
}

bool LinuxBlock::isSettled(const Uuid& vm) {
  auto settling = settling_.find(vm);
  if (settling == settling_.end()) return true;
  if (settling->second.wait_for(std::chrono::seconds{0}) != std::future_status::ready) return false;
  if (!settling->second.get())
    log::warning("membarrier(2) fails: a packet that was under way when VM " + toString(vm) +
                 " was blocked may still change its connections");
  settling_.erase(settling);
  return true;
}

bool LinuxBlock::isNeeded(const Element& element) const {
  return std::any_of(blocked_.begin(), blocked_.end(), [&](const auto& each) {
    return std::find(each.second.begin(), each.second.end(), element) != each.second.end();
  });
}

void LinuxBlock::rebuild() {
  context_.reset();
  isBridging_ = false;
  std::vector<Element> elements;
  for (const auto& [vm, list] : blocked_) elements.insert(elements.end(), list.begin(), list.end());
  auto status = ensure();
  if (status) status = change("add", elements);
  if (!status) log::error("no VM is blocked any more: " + status.error().text);
}

void LinuxBlock::unblock(const Uuid& vm) {
  prepared_.erase(vm);
  settling_.erase(vm);
  auto found = blocked_.find(vm);
  if (found == blocked_.end()) return;
  auto elements = std::move(found->second);
  blocked_.erase(found);
  // A connection between two blocked VMs is in both lists.
  std::erase_if(elements, [&](const Element& element) { return isNeeded(element); });
  if (auto status = change("delete", elements); !status) {
    log::error("VM " + toString(vm) + " may stay blocked: " + status.error().text + "; the tables that block are made anew");
    rebuild();
  }
}

}  // namespace vmmig

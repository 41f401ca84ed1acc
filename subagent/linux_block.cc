// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_block.h"

#include <linux/capability.h>
#include <linux/membarrier.h>
#include <nftables/libnftables.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/log.h"
#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

// -350: behind the defragmentation (-400), ahead of raw (-300) and of connection tracking (-200). What a translation turns
// towards the VM only later is stopped in `forward`, before a new entry is confirmed. Neighbour discovery is never tracked and
// goes on, so that the VM is reachable at once after the block. The chain `labels` is never reached; that a rule uses labels
// makes the kernel keep them for entries that are created here.
constexpr const char* tableText = R"(
table inet vmmig {
  flags owner;
  set vm4 { type ipv4_addr; }
  set vm6 { type ipv6_addr; }
  set translated4 { type ipv4_addr . inet_service . ipv4_addr . inet_service; }
  set translated6 { type ipv6_addr . inet_service . ipv6_addr . inet_service; }
  chain stop {
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    ip saddr @vm4 drop
    ip daddr @vm4 drop
    ip6 saddr @vm6 drop
    ip6 daddr @vm6 drop
    ip saddr . tcp sport . ip daddr . tcp dport @translated4 drop
    ip6 saddr . tcp sport . ip6 daddr . tcp dport @translated6 drop
  }
  chain prerouting { type filter hook prerouting priority -350; jump stop; }
  chain output { type filter hook output priority -350; jump stop; }
  chain forward { type filter hook forward priority -350; jump stop; }
  chain labels { ct label set 127; }
}
)";

/// One line of what libnftables says on errors.
std::string firstLine(const char* text) {
  std::string line{text ? text : ""};
  line.resize(std::min(line.find('\n'), line.size()));
  return line;
}

std::string elementText(const Tuple& tuple) {
  return toString(tuple.source.address) + " . " + std::to_string(tuple.source.port) + " . " +
         toString(tuple.destination.address) + " . " + std::to_string(tuple.destination.port);
}

bool isV6(const InetAddress& address) { return address.type == InetAddressType::ipv6; }

/// A packet that was behind the hook when the rule came is through when every CPU has left its read-side critical section.
void waitForPacketsUnderWay() {
  if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0)
    log::warning("membarrier(2) fails (" + errnoText(errno) +
                 "): a packet that was under way when a VM was blocked may still change its connections");
}

}  // namespace

bool hasNetAdmin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  return syscall(SYS_capget, &header, data) == 0 && data[0].effective & (1u << CAP_NET_ADMIN);
}

void LinuxBlock::Free::operator()(nft_ctx* context) const { nft_ctx_free(context); }

Status LinuxBlock::ensure() {
  if (context_) return {};
  context_.reset(nft_ctx_new(NFT_CTX_DEFAULT));
  if (!context_) return failure("libnftables cannot start");
  nft_ctx_buffer_error(context_.get());
  nft_ctx_buffer_output(context_.get());
  auto made = run(tableText);
  if (made) return {};
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
  for (const auto& [set, list] : bySet) commands += std::string{verb} + " element inet vmmig " + set + " { " + list + " }\n";
  return commands.empty() ? Status{} : run(commands);
}

Status LinuxBlock::addTranslated(const Vm& vm) {
  auto tuples = translated_(vm);
  if (!tuples) return failure(tuples.error());
  std::vector<Element> elements;
  for (const auto& tuple : *tuples)
    elements.emplace_back(isV6(tuple.source.address) ? "translated6" : "translated4", elementText(tuple));
  auto& all = blocked_[vm.uuid];
  all.insert(all.end(), elements.begin(), elements.end());
  return change("add", elements);
}

Status LinuxBlock::block(const Vm& vm) {
  if (isBlocked(vm.uuid)) return {};
  if (auto status = ensure(); !status) return status;
  std::vector<Element> elements;
  for (const auto& address : vm.addresses) elements.emplace_back(isV6(address) ? "vm6" : "vm4", toString(address));
  if (auto status = change("add", elements); !status)
    return failure("VM " + vm.label() + " cannot be blocked: " + status.error().text);
  blocked_[vm.uuid] = elements;
  // From here on no new connection of the VM comes into being: the translated ones can be listed.
  if (auto status = addTranslated(vm); !status) {
    unblock(vm.uuid);
    return failure("the translated connections of VM " + vm.label() + " cannot be blocked: " + status.error().text);
  }
  waitForPacketsUnderWay();
  return {};
}

bool LinuxBlock::isNeeded(const Element& element) const {
  return std::any_of(blocked_.begin(), blocked_.end(), [&](const auto& each) {
    return std::find(each.second.begin(), each.second.end(), element) != each.second.end();
  });
}

void LinuxBlock::rebuild() {
  context_.reset();
  std::vector<Element> elements;
  for (const auto& [vm, list] : blocked_) elements.insert(elements.end(), list.begin(), list.end());
  auto status = ensure();
  if (status) status = change("add", elements);
  if (!status) log::error("no VM is blocked any more: " + status.error().text);
}

void LinuxBlock::unblock(const Uuid& vm) {
  auto found = blocked_.find(vm);
  if (found == blocked_.end()) return;
  auto elements = std::move(found->second);
  blocked_.erase(found);
  // A connection between two blocked VMs is in both lists.
  std::erase_if(elements, [&](const Element& element) { return isNeeded(element); });
  if (auto status = change("delete", elements); !status) {
    log::error("VM " + toString(vm) + " may stay blocked: " + status.error().text + "; the table `inet vmmig` is made anew");
    rebuild();
  }
}

}  // namespace vmmig

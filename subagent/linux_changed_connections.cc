// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_changed_connections.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/netfilter.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>

#include "common/unique_fd.h"
#include "subagent/bpf/changed_connections.h"
#include "subagent/bpf/changed_connections.skel.h"
#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

// What linux/bpf.h and libbpf have since Linux 6.4 and libbpf 1.2: BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER and the part of
// union bpf_attr that BPF_LINK_CREATE reads.
constexpr auto netfilterProgram = static_cast<bpf_prog_type>(32);
constexpr auto netfilterAttach = static_cast<bpf_attach_type>(45);
struct NetfilterLink {
  std::uint32_t progFd, targetFd, attachType, flags;
  std::uint32_t pf, hooknum;
  std::int32_t priority;
  std::uint32_t netfilterFlags;
};

/// Where a program is tried first, and which way it gives way: no two may have the same priority.
struct Place {
  std::int32_t priority, step;
};
/// Right behind connection tracking (NF_IP_PRI_CONNTRACK), and right before it confirms a new entry, which for IPv6's LOCAL_IN is
/// at NF_IP6_PRI_LAST - 1.
constexpr Place behindConntrack{-199, 1}, beforeConfirm{INT_MAX - 2, -1};
constexpr int placesTried = 32;

/// So many come out of the map at once, at the least; more when one bucket has more.
constexpr std::size_t batchSize = 4096;

vmmig_address keyOf(const InetAddress& address) {
  vmmig_address key{};
  std::memcpy(key.octets, address.octets.data(), address.size);
  key.is_ipv6 = address.type == InetAddressType::ipv6;
  return key;
}

Tuple tupleOf(const vmmig_tuple& tuple, bool isV6) {
  auto addressOf = [&](const __u32* octets) { return isV6 ? InetAddress::v6(octets) : InetAddress::v4(octets); };
  return {{addressOf(tuple.source), ntohs(tuple.source_port)}, {addressOf(tuple.destination), ntohs(tuple.destination_port)}};
}

LinuxChangedConnections::Entry entryOf(const vmmig_changed& changed) {
  return {changed.protocol, {tupleOf(changed.original, changed.is_ipv6), tupleOf(changed.reply, changed.is_ipv6)}, changed.zone};
}

Result<UniqueFd> attach(const bpf_program* program, std::uint32_t family, std::uint32_t hook, Place place) {
  NetfilterLink link{};
  link.progFd = static_cast<std::uint32_t>(bpf_program__fd(program));
  link.attachType = netfilterAttach;
  link.pf = family;
  link.hooknum = hook;
  for (int i = 0; i < placesTried; ++i) {
    link.priority = place.priority + i * place.step;
    // The kernel gives it FD_CLOEXEC.
    if (UniqueFd fd{static_cast<int>(syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof link))}) return fd;
    if (errno != EBUSY) break;
  }
  return failure("the list of changed connections cannot be attached to netfilter: " + errnoText(errno) +
                 (errno == EPERM   ? "; vmmigd needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
                  : errno == EBUSY ? "; too many other programs stand next to connection tracking (bpftool link)"
                                   : "; it needs Linux 6.4 with CONFIG_NETFILTER_BPF_LINK"));
}

}  // namespace

struct LinuxChangedConnections::Program {
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  explicit Program(changed_connections* opened) : skeleton(opened), keys(batchSize), values(batchSize) {}
  ~Program() { changed_connections__destroy(skeleton); }

  static Result<std::unique_ptr<Program>> load(std::uint32_t capacity);
  Status attachAll();
  /// One batch; false when the map has been walked through. `token` is where it goes on.
  Result<bool> takeSome(std::optional<std::uint32_t>& token, std::vector<Entry>& entries);
  int followed() const { return bpf_map__fd(skeleton->maps.followed); }
  bool takeNoted() const { return std::atomic_ref{skeleton->bss->noted}.exchange(0) != 0; }
  bool takeOverflow() const { return std::atomic_ref{skeleton->bss->overflow}.exchange(0) != 0; }

  changed_connections* skeleton;
  std::vector<UniqueFd> links;

 private:
  std::vector<vmmig_changed> keys;
  std::vector<std::uint8_t> values;
};

Result<std::unique_ptr<LinuxChangedConnections::Program>> LinuxChangedConnections::Program::load(std::uint32_t capacity) {
  auto* opened = changed_connections__open();
  if (!opened) return failure("libbpf cannot open the programs that list changed connections: " + errnoText(errno));
  auto program = std::make_unique<Program>(opened);
  for (auto* each : {opened->progs.of_known, opened->progs.of_new}) {
    bpf_program__set_type(each, netfilterProgram);
    bpf_program__set_expected_attach_type(each, netfilterAttach);
  }
  bpf_map__set_max_entries(opened->maps.changed, capacity);
  if (int error = changed_connections__load(opened); error != 0)
    return failure("the kernel does not load the BPF programs that list changed connections: " + errnoText(-error) +
                   (error == -EPERM    ? "; vmmigd needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
                    : error == -ENOMEM ? "; there is no memory for a list of " + std::to_string(capacity) + " connections"
                                       : "; they need Linux 6.4 with CONFIG_NETFILTER_BPF_LINK and CONFIG_DEBUG_INFO_BTF"));
  return program;
}

Status LinuxChangedConnections::Program::attachAll() {
  for (std::uint32_t family : {NFPROTO_IPV4, NFPROTO_IPV6})
    for (auto hook : {NF_INET_PRE_ROUTING, NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NF_INET_LOCAL_IN}) {
      bool isKnown = hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT;
      auto link = attach(isKnown ? skeleton->progs.of_known : skeleton->progs.of_new, family, hook,
                         isKnown ? behindConntrack : beforeConfirm);
      if (!link) {
        links.clear();
        return failure(link.error());
      }
      links.push_back(std::move(*link));
    }
  return {};
}

// Nothing is lost between read and delete. The kernel reads and deletes all of a bucket under that bucket's lock, and a program
// notes under the same lock (BPF_NOEXIST: the look whether the entry is there already belongs to it). So a packet either notes
// before, and its entry is told now; or afterwards, and its entry is on the list again for the next time. And since connection
// tracking changes an entry before the program notes it, who reads an entry that was told sees what the packet did.
Result<bool> LinuxChangedConnections::Program::takeSome(std::optional<std::uint32_t>& token, std::vector<Entry>& entries) {
  bpf_map_batch_opts options{};
  options.sz = sizeof options;
  auto count = static_cast<std::uint32_t>(keys.size());
  std::uint32_t next = 0;
  int error = bpf_map_lookup_and_delete_batch(bpf_map__fd(skeleton->maps.changed), token ? &*token : nullptr, &next, keys.data(),
                                              values.data(), &count, &options);
  if (error == -EFAULT) return failure("the list of changed connections cannot be read: " + errnoText(EFAULT));
  if (error == -ENOSPC && count == 0) {  // a bucket is told as a whole
    keys.resize(keys.size() * 2);
    values.resize(keys.size());
    return true;
  }
  for (std::uint32_t i = 0; i < count; ++i) entries.push_back(entryOf(keys[i]));
  token = next;
  if (error == -ENOENT) return false;
  if (error != 0 && error != -ENOSPC) return failure("the list of changed connections cannot be read: " + errnoText(-error));
  return true;
}

LinuxChangedConnections::LinuxChangedConnections(std::unique_ptr<Program> program) : program_(std::move(program)) {}
LinuxChangedConnections::LinuxChangedConnections(LinuxChangedConnections&&) noexcept = default;
LinuxChangedConnections& LinuxChangedConnections::operator=(LinuxChangedConnections&&) noexcept = default;
LinuxChangedConnections::~LinuxChangedConnections() = default;

Result<LinuxChangedConnections> LinuxChangedConnections::open(std::uint32_t capacity) {
  auto program = Program::load(capacity);
  if (!program) return failure(program.error());
  return LinuxChangedConnections{std::move(*program)};
}

Status LinuxChangedConnections::follow(std::span<const InetAddress> addresses) {
  bool isFirst = followers_.empty();
  for (std::size_t i = 0; i < addresses.size(); ++i)
    if (auto status = add(addresses[i]); !status) {
      for (const auto& each : addresses.first(i)) remove(each);
      return status;
    }
  if (!isFirst || followers_.empty()) return {};
  // The list is of this time, not of one before.
  stop();
  if (auto status = program_->attachAll(); !status) {
    for (const auto& each : addresses) remove(each);
    return status;
  }
  return {};
}

void LinuxChangedConnections::unfollow(std::span<const InetAddress> addresses) {
  for (const auto& each : addresses) remove(each);
  if (followers_.empty()) stop();
}

Status LinuxChangedConnections::add(const InetAddress& address) {
  if (!address.isSet() || !address.isConsistent()) return failure("an address to follow is neither IPv4 nor IPv6");
  if (auto found = followers_.find(address); found != followers_.end()) {
    ++found->second;
    return {};
  }
  auto key = keyOf(address);
  std::uint8_t isThere = 1;
  if (int error = bpf_map_update_elem(program_->followed(), &key, &isThere, BPF_ANY); error != 0)
    return failure("connections of " + toString(address) + " cannot be followed: " +
                   (error == -E2BIG ? std::to_string(followers_.size()) + " addresses are followed already, and no more fit"
                                    : errnoText(-error)));
  followers_.emplace(address, 1);
  return {};
}

void LinuxChangedConnections::remove(const InetAddress& address) {
  auto found = followers_.find(address);
  if (found == followers_.end() || --found->second > 0) return;
  followers_.erase(found);
  auto key = keyOf(address);
  bpf_map_delete_elem(program_->followed(), &key);
}

void LinuxChangedConnections::stop() {
  program_->links.clear();
  std::vector<Entry> unwanted;
  static_cast<void>(take(unwanted));
}

Result<bool> LinuxChangedConnections::take(std::vector<Entry>& entries) {
  // First: what is noted or overflows while the list is read is told next time.
  if (!program_->takeNoted()) return true;
  bool isComplete = !program_->takeOverflow();
  std::optional<std::uint32_t> token;
  for (;;) {
    auto more = program_->takeSome(token, entries);
    if (!more) return failure(more.error());
    if (!*more) return isComplete;
  }
}

void LinuxChangedConnections::disregard(unsigned interfaceIndex) {
  program_->skeleton->bss->own_interface = static_cast<int>(interfaceIndex);
}

Status LinuxChangedConnections::filter(int socket) {
  int program = bpf_program__fd(program_->skeleton->progs.events_of_followed);
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program) != 0)
    return failure("connection tracking's events cannot be filtered: " + errnoText(errno));
  return {};
}

}  // namespace vmmig

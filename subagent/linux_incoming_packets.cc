// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_incoming_packets.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_ether.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "subagent/bpf/incoming_packets.h"
#include "subagent/bpf/incoming_packets.skel.h"
#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

/// The kernel's NAPI_POLL_WEIGHT. So many pages are allocated for a run, and used again and again.
constexpr std::uint32_t batchSize = 64;

std::uint16_t etherTypeOf(const std::string& packet) {
  return htons(static_cast<std::uint8_t>(packet.front()) >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
}

}  // namespace

struct LinuxIncomingPackets::Program {
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  explicit Program(incoming_packets* opened) : skeleton(opened) {}
  ~Program() { incoming_packets__destroy(skeleton); }

  std::span<vmmig_packet> packets() const { return skeleton->bss->packets; }
  std::uint32_t& next() const { return skeleton->bss->next; }

  incoming_packets* skeleton;
};

LinuxIncomingPackets::LinuxIncomingPackets(std::unique_ptr<Program> program, unsigned interfaceIndex)
    : program_(std::move(program)), interfaceIndex_(interfaceIndex) {}
LinuxIncomingPackets::LinuxIncomingPackets(LinuxIncomingPackets&&) noexcept = default;
LinuxIncomingPackets& LinuxIncomingPackets::operator=(LinuxIncomingPackets&&) noexcept = default;
LinuxIncomingPackets::~LinuxIncomingPackets() = default;

Result<LinuxIncomingPackets> LinuxIncomingPackets::open(const LinuxTap& tap) {
  auto* opened = incoming_packets__open();
  if (!opened) return failure("libbpf cannot open the program that brings packets in: " + errnoText(errno));
  auto program = std::make_unique<Program>(opened);
  if (int error = incoming_packets__load(opened); error != 0)
    return failure("the kernel does not load the BPF program that brings packets in: " + errnoText(-error) +
                   (error == -EPERM ? "; vmmigd needs CAP_BPF and CAP_NET_ADMIN" : ""));
  std::copy(tap.macAddress().begin(), tap.macAddress().end(), opened->bss->mac);
  // Nothing comes to it there. But while it is attached nowhere, each run makes the kernel rewrite its XDP dispatcher and wait
  // for RCU, twice: some 50 ms (bpf_dispatcher_change_prog(), kernel/bpf/dispatcher.c).
  opened->links.receive_packets = bpf_program__attach_xdp(opened->progs.receive_packets, static_cast<int>(tap.index()));
  if (!opened->links.receive_packets)
    return failure("the BPF program that brings packets in cannot be attached: " + errnoText(errno));
  LinuxIncomingPackets packets{std::move(program), tap.index()};
  // A frame that finds no packet is dropped: so an older kernel says now what it lacks.
  packets.program_->next() = VMMIG_PACKETS;
  if (int error = packets.runFrames(1); error != 0)
    return failure("the kernel does not bring packets in: " + errnoText(-error) +
                   "; it needs BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18)");
  return packets;
}

Status LinuxIncomingPackets::receive(std::span<const std::string> packets) {
  while (!packets.empty()) {
    auto some = packets.first(std::min<std::size_t>(packets.size(), VMMIG_PACKETS));
    auto slots = program_->packets();
    for (std::size_t i = 0; i < some.size(); ++i) {
      slots[i].ether_type = etherTypeOf(some[i]);
      std::memcpy(slots[i].octets, some[i].data(), std::min<std::size_t>(some[i].size(), VMMIG_PACKET_OCTETS));
    }
    if (auto ran = run(some.size()); !ran) return ran;
    packets = packets.subspan(some.size());
  }
  return {};
}

int LinuxIncomingPackets::runFrames(std::size_t count) {
  char frame[ETH_HLEN + VMMIG_PACKET_OCTETS] = {};
  xdp_md context{};
  context.data_end = sizeof frame;
  context.ingress_ifindex = interfaceIndex_;
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = frame;
  options.data_size_in = sizeof frame;
  options.ctx_in = &context;
  options.ctx_size_in = sizeof context;
  options.repeat = static_cast<int>(count);
  options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  options.batch_size = batchSize;
  return bpf_prog_test_run_opts(bpf_program__fd(program_->skeleton->progs.receive_packets), &options);
}

Status LinuxIncomingPackets::run(std::size_t count) {
  program_->next() = 0;
  // A signal ends a run early: `next` tells how far it came.
  for (auto done = program_->next(); done < count; done = program_->next()) {
    int error = runFrames(count - done);
    if (error == 0 && program_->next() == done) error = -EIO;
    if (error != 0 && error != -EINTR) return failure("packets cannot be brought in: " + errnoText(-error));
  }
  return {};
}

}  // namespace vmmig

// SPDX-License-Identifier: GPL-2.0-or-later
// Writes packets that vmmigd has laid out in `packets`, which it has mapped, over the frames of BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES: the
// kernel runs the program once for each frame and receives them as if they had come in at an interface.
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_helpers.h>

#include "subagent/bpf/incoming_packets.h"

struct vmmig_packet packets[VMMIG_PACKETS];
// The one that the next frame takes.
__u32 next = 0;
// The interface's: a frame to another is dropped before netfilter.
__u8 mac[ETH_ALEN];

SEC("xdp")
int receive_packets(struct xdp_md *context) {
  struct ethhdr *header = (void *)(long)context->data;
  void *end = (void *)(long)context->data_end;
  __u32 at = next;
  if ((void *)(header + 1) + VMMIG_PACKET_OCTETS > end || at >= VMMIG_PACKETS) return XDP_DROP;
  // A frame has been another packet's before.
  __builtin_memcpy(header->h_dest, mac, sizeof mac);
  __builtin_memset(header->h_source, 0, sizeof header->h_source);
  header->h_proto = packets[at].ether_type;
  __builtin_memcpy(header + 1, packets[at].octets, VMMIG_PACKET_OCTETS);
  next = at + 1;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
